package sipua

import (
	"errors"
	"syscall"
)

// inUse says whether a bind failed because another socket has the address.
func inUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
