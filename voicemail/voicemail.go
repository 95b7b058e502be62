// Package voicemail is the messages that callers left, in boxes: who left which,
// and which have been heard.
package voicemail

import (
	"fmt"
	"regexp"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Code is what a rep dials to hear their own messages.
const Code = "*98"

// Message is one message. A box is there as soon as there is a message in it.
type Message struct {
	ID      string // "msg_…", sorts by time
	Box     string
	Call    call.ID
	Node    call.NodeID // whose folder of messages has the file
	From    call.Number // "" if withheld
	Name    string
	File    string // below the folder of messages
	Length  time.Duration
	LeftAt  time.Time
	HeardAt time.Time // zero: new
	HeardBy string
}

// Count is how many messages a box holds.
type Count struct {
	Box        string
	New, Heard int
}

// Filter narrows a list of messages; zero fields match everything.
type Filter struct {
	Box    string
	New    bool   // only those not heard
	Before string // older than the message of this id
	Limit  int    // at most so many; 100 if 0
}

// UnknownError: there is no such message, or no longer.
type UnknownError struct{ ID string }

func (e *UnknownError) Error() string { return fmt.Sprintf("there is no message %q", e.ID) }

var boxName = regexp.MustCompile(`^[\pL\pN_][\pL\pN_.:@+-]{0,63}$`)

// Folder is where a box's files are kept: its name, unless that could lead
// elsewhere.
func Folder(box string) string {
	if !ValidBox(box) {
		return "other"
	}
	return box
}

// ValidBox says whether a box may have this name.
func ValidBox(box string) bool { return boxName.MatchString(box) }

// Greeting is the name of the sound that a box's callers hear before the beep.
func Greeting(box string) string { return "greetings/" + Folder(box) }

// Errors about the sound of a message or a greeting.
type (
	// ElsewhereError: the node that took the message has its file.
	ElsewhereError struct{ Node call.NodeID }
	// NoSoundError: there is no such file, or no longer.
	NoSoundError struct{ What string }
	// BadSoundError: this cannot be played to anybody.
	BadSoundError struct{ Err error }
)

func (e *ElsewhereError) Error() string {
	return fmt.Sprintf("the sound is on node %s; ask there", e.Node)
}
func (e *NoSoundError) Error() string  { return e.What + " has no sound" }
func (e *BadSoundError) Error() string { return e.Err.Error() }
func (e *BadSoundError) Unwrap() error { return e.Err }
