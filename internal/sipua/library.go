package sipua

import (
	"log/slog"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// maxMessage bounds a message on any transport.
const maxMessage = 65535

var libraryOnce sync.Once

// setUpLibrary sets sipgo's process-wide variables once, before its first use.
func setUpLibrary() {
	libraryOnce.Do(func() { sip.SetDefaultLogger(slog.New(slog.DiscardHandler)) })
}
