// Package callctl runs live calls: one goroutine per call owns its state,
// carries out the commands of its flow, keeps its park and its place in line,
// rings phones and connects the parts. Legs and media are interfaces here, so
// that a whole call runs in a test without a socket.
package callctl

import (
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Leg is one party's side of a call, over SIP or a browser. Its methods never
// block and may be called in any state: what cannot be done any more is not
// done. What happens on it is told to the watcher.
type Leg interface {
	ID() call.LegID
	// Watch says who is told of the leg's events, from the first on: events that
	// came before are delivered at once, in order. When post returns false the
	// leg hangs up by itself. Watching again replaces the watcher.
	Watch(post func(LegEvent) bool)
	// Ring shows an inbound leg that we are trying (180).
	Ring()
	// Early opens media towards an inbound leg before it is answered (183 with SDP).
	Early()
	// Answer picks an inbound leg up (200). LegAnswered follows when it is
	// confirmed by the ACK; media may flow before. shown is who the leg now talks
	// to (P-Asserted-Identity in the 200); zero shows nothing.
	Answer(shown Party)
	// Connected tells the far end of a leg that is up whom it talks to from now on
	// (UPDATE or re-INVITE with P-Asserted-Identity); the zero Party is somebody
	// who is withheld. Nothing is sent when nothing has changed.
	Connected(shown Party)
	// Hangup ends the leg as its state demands: final response, CANCEL, BYE, or
	// ACK and BYE for an answer that crosses. note, if set, goes into the Reason or
	// Warning header ("parked call taken by ann at 10:02:11"). LegEnded follows, once.
	Hangup(cause call.Cause, note string)
	// Media is the leg's audio, nil before it is negotiated.
	Media() Media
	// Remote is the other party as they presented themselves.
	Remote() Party
}

// Party is who is on a leg.
type Party struct {
	Number call.Number
	Name   string
	Agent  string // authenticated agent, "" for a stranger
	Device string // the agent's phone: contact or user agent
}

// LegEvent is what happens on a leg. A closed set.
type LegEvent interface{ leg() Leg }

// The events.
type (
	// LegRang: the far phone rings (180), Early with media of its own (183).
	LegRang struct {
		Leg   Leg
		Early bool
	}
	// LegAnswered: the leg is up both ways, its media negotiated.
	LegAnswered struct{ Leg Leg }
	// LegEnded: the dialog is over, whoever ended it. Once per leg, and the last.
	LegEnded struct {
		Leg    Leg
		Cause  call.Cause
		Status int  // the SIP status that said so, 0 for BYE
		Remote bool // the far end did it
		// Redirect is where a 3xx that was not followed sends the caller (user part
		// of its best Contact): a number, or an extension. Whether a call goes there
		// is for the call to decide.
		Redirect string
	}
	// LegDigit: a key was pressed.
	LegDigit struct {
		Leg   Leg
		Digit rune
	}
	// LegHeld: the far end put us on hold, or took us back.
	LegHeld struct {
		Leg Leg
		On  bool
	}
	// LegReferred: the far end asks that the other party be sent elsewhere. Result
	// must be called once: with 200 when done, else with the status to report; the
	// subscription (RFC 3515) outlives the leg.
	LegReferred struct {
		Leg      Leg
		To       string // user part of the Refer-To URI: "700", "701", "+34…"
		Replaces Leg    // attended: the other party is to take this leg's place (RFC 3891), nil otherwise
		By       Party  // the far end, or whom a trusted trunk names
		Result   func(status int, reason string)
	}
)

func (e LegRang) leg() Leg     { return e.Leg }
func (e LegAnswered) leg() Leg { return e.Leg }
func (e LegEnded) leg() Leg    { return e.Leg }
func (e LegDigit) leg() Leg    { return e.Leg }
func (e LegHeld) leg() Leg     { return e.Leg }
func (e LegReferred) leg() Leg { return e.Leg }

// Media is a leg's audio. One thing at a time is sent to it: music, clips, or
// what the partner says. Methods return at once.
type Media interface {
	// Music sends the music of that name from now on; an unknown or empty name is the default.
	Music(name string)
	// Play sends clips one after the other and calls done once, from another
	// goroutine: true when all was sent, false when something else took its place.
	Play(clips []Clip, done func(whole bool))
	// Silence stops whatever is sent.
	Silence()
	// Join passes audio and digits both ways between two legs until either is
	// given something else. Both must be of the same media engine.
	Join(with Media)
	// RecordWith writes what both say to one WAV file, this leg left, the other right,
	// until it is stopped or either leg ends.
	RecordWith(other Media, path string, max time.Duration) (Recording, error)
	// Record writes what the leg says to a WAV file until stop, which returns its
	// length once the file is complete.
	Record(path string, max time.Duration) (stop func() (time.Duration, error), err error)
	// Quality is how the audio was until now. It can be asked for after the leg's end.
	Quality() Quality
}

// Recording is a recording that runs. Its methods may be called at any time and
// more than once.
type Recording interface {
	// Pause leaves out what is said until it is resumed.
	Pause(on bool)
	// Stop completes the file and returns its length. It may wait for the disk.
	Stop() (time.Duration, error)
}

// Clip is a stored prompt, or digits to be read out.
type Clip struct {
	Prompt string // "beep", "digits/7", an uploaded prompt's name
	Digits string // "701": read as single digits
}

// Dialer rings phones.
type Dialer interface {
	// Dial starts a leg to every registered device of an agent, or one to a number
	// through a trunk. No device: ErrUnreachable.
	Dial(to Target, inv Invitation) ([]Leg, error)
	// Message sends a short text to an agent's devices, as far as they take it (RFC 3428).
	Message(agent, text string)
}

// Target is an agent by name, or a number with a trunk.
type Target struct {
	Agent  string
	Number call.Number
	Trunk  string
}

// Invitation is how a call is presented to a phone.
type Invitation struct {
	Call       call.ID
	Shown      Party         // caller: From and P-Asserted-Identity
	Present    call.Number   // shown to numbers outside instead of the caller's; "" shows that
	Display    string        // overrides the shown name: "701 0:45 Ana"
	Subject    string        // what is noted of the call (Subject, RFC 3261 §20.36)
	Diverted   string        // recall: the slot it comes from; deflected: whose phone sent it on (Diversion, RFC 5806)
	Deflected  bool          // Diverted is a phone that sent the call on
	Ring       time.Duration // Expires; the phone stops by itself
	AutoAnswer bool          // the rep asked for this call by a click
	Beside     Leg           // offer the codec of this leg first, so that audio passes through
}
