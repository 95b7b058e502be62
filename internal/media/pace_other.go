//go:build !linux

package media

import "time"

// ownThread does nothing where the runtime's threads have to do.
func ownThread() {}

func sleepUntil(deadline time.Time) { time.Sleep(time.Until(deadline)) }
