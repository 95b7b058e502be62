// Package notices tells people what a call wants them to know: by e-mail and in
// chats. It sends once; whoever asks repeats what is worth repeating.
package notices

import (
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Notice is what is to be told.
type Notice struct {
	Call     call.ID
	Template string // "call_summary", "park_alert"; any other is a list of what is known
	To       string // addresses of e-mail, or whom an alert is for; "" the channel's own
	Vars     map[string]any
	At       time.Time
}

// RefusedError says that telling it once more would not help.
type RefusedError struct{ Why string }

func (e *RefusedError) Error() string { return e.Why }

// BusyError says that the other side wants to be left alone for a while.
type BusyError struct{ After time.Duration }

func (e *BusyError) Error() string { return "is to be tried again in " + e.After.String() }
