package routing

import (
	"encoding/json"
	"time"
)

// Command asks whoever runs the call to do something. Commands that wait are
// answered by an Event with the same node; the others by nothing. A closed set.
type Command interface{ command() }

// The commands. Those marked "waits" end a walk: the engine goes on when their
// Event comes.
type (
	// Answer picks the caller up (200); Early only opens early media (183). Waits
	// for "answered".
	Answer struct {
		Node  string
		Early bool
	}
	// Play plays a prompt. Waits for "done", or "interrupted" by a digit if it may be.
	Play struct {
		Node          string
		Prompt        string // name of a stored prompt; "" with Say
		Say, Lang     string
		Interruptible bool
	}
	// Gather plays a prompt and waits for digits: event "digits" with Vars["digits"],
	// or "timeout".
	Gather struct {
		Node        string
		Prompt, Say string
		Lang        string
		Min, Max    int
		Terminator  string
		Timeout     time.Duration // to the first digit
		InterDigit  time.Duration
	}
	// Lookup asks the CRM about the caller. Waits for "one", "none", "many", "error",
	// with the record under Vars["crm"].
	Lookup struct {
		Node     string
		By       string // "ani"
		Fields   []string
		Deadline time.Duration
		Cache    time.Duration
		OnMany   string
	}
	// Read asks how things are at this moment, for a node that is to be walked then.
	// Waits for ReadOutcome, with Vars["queue"] and Vars["rep"]; what cannot be known
	// in a moment is left out.
	Read struct {
		Node string
		Needed
	}
	// HTTP asks another system. Waits for "ok", "error", "timeout", with Vars["http"]:
	// status, took_ms, why in words, and, where Wanted, the answer (see ReadAnswer).
	HTTP struct {
		Node     string
		Method   string
		URL      string // "" if it could not be made of what is known: an error
		Headers  map[string]string
		Body     json.RawMessage // nil: none
		Deadline time.Duration
		Signed   bool
		Wanted   bool
	}
	// Dial rings people. Waits for "answered" (after the conversation, if the
	// caller is still there), "no_answer", "busy", "unavailable", "rejected", "failed".
	Dial struct {
		Node       string
		Targets    []string // "owner", "sticky", "agent:ann", "team:enterprise", "skill:es", "number:+34…"
		Strategy   string   // "ring_all", "longest_idle", "ordered"
		Ring       time.Duration
		Whisper    string // already expanded
		Record     bool
		PresentCID string
		Sticky     time.Duration `json:",omitempty"` // how long ago the target "sticky" may have been
		Talked     string        // what a conversation comes to: "answered", or "ok" of a transfer
	}
	// Queue puts the call in line. Waits for "answered" (after the conversation),
	// "timeout", "full", "no_agents", "exit_key" with Vars["key"].
	Queue struct {
		Node     string
		Queue    string
		Priority int
		MaxWait  time.Duration
		ExitKeys map[string]string // digit → outcome
		Callback *CallbackOffer    // nil: none is offered
		Reach    []Reach           // who may be offered the call; none: everybody who serves the queue
	}
	// Callback promises the caller a call. Waits for "scheduled", with
	// Vars["due_at"], or "declined", with Vars["why"].
	Callback struct {
		Node      string
		Queue     string // "": where the caller waited, or the record's owner
		DialFirst string // "rep", "caller"
		KeepPlace bool
		Tries     int
		Retry     time.Duration
		Lasts     time.Duration
	}
	// Park puts the call in a slot. Waits for "retrieved" (after the conversation),
	// "full", "failed", or the outcome that a goto step names.
	Park struct {
		Node       string
		Lot        string
		Slot       string // "next", "first" or a number
		Music      string
		Note       string
		Owner      string
		Visibility string
		MaxPark    time.Duration
		Ladder     []Step
	}
	// Voicemail records a message. Waits for "left" or "empty".
	Voicemail struct {
		Node string
		Box  string
		Max  time.Duration
		Task bool
	}
	// Record switches the recording of conversations: "start", "stop", "pause",
	// "resume". With Announce the caller is told first, by Prompt, Say, or the prompt
	// that ships for it. Waits for "done".
	Record struct {
		Node              string
		Do                string
		Announce          bool
		Prompt, Say, Lang string
	}
	// Notify tells somebody, through a job. Does not wait.
	Notify struct {
		Node     string
		Channel  string
		Template string
		To       string
		Vars     map[string]any // call, caller, crm and vars as they are now
	}
	// Disposition asks the rep who talked what came of the call. Waits for "set", or
	// for "timed_out", with Vars["disposition"]: code, category, by. With LetGo
	// nothing that follows needs the caller: they can be hung up on at once, and the
	// run goes on without them.
	Disposition struct {
		Node     string
		Required bool // no other call for the rep meanwhile
		Timeout  time.Duration
		Default  string // what is noted when nobody has said anything
		LetGo    bool
	}
	// Hangup ends the call. Ends the run.
	Hangup struct {
		Node    string
		Cause   string // "normal_clearing", "busy", "rejected", …
		SIPCode int
	}
)

// CallbackOffer tells a waiting caller, after a while, that they can press a key
// to be called back.
type CallbackOffer struct {
	After             time.Duration
	Key               string
	Prompt, Say, Lang string
}

// Reach says who may be offered a waiting call from a time of its waiting on.
type Reach struct {
	After  time.Duration
	Tier   int // up to this tier; below zero: all
	Skills []string
}

// Step is a rung of a park's ladder as a flow writes it; callctl turns it into parking.Step.
type Step struct {
	After, Repeat, Ring     time.Duration
	Do, To, Strategy, Queue string
	Priority, When, Outcome string
	OnUnknown               string
	Channel                 string   `json:",omitempty"` // of an alert
	Leaves                  bool     `json:",omitempty"` // enqueue: the slot
	Tier                    *int     `json:",omitempty"` // enqueue, widen
	Skills                  []string `json:",omitzero"`
}

func (Answer) command()      {}
func (Play) command()        {}
func (Gather) command()      {}
func (Lookup) command()      {}
func (HTTP) command()        {}
func (Read) command()        {}
func (Dial) command()        {}
func (Queue) command()       {}
func (Park) command()        {}
func (Callback) command()    {}
func (Voicemail) command()   {}
func (Record) command()      {}
func (Notify) command()      {}
func (Disposition) command() {}
func (Hangup) command()      {}

// Event tells the engine what came of the command it waits for, or "hangup".
type Event struct {
	Node    string // the node that waits; events for another are ignored
	Outcome string // what happened, in the words of the command
	At      time.Time
	Vars    map[string]any // merged into the run: {"crm": {…}}, {"digits": "12"}
	// Talked, with HangupOutcome: the caller hung up in conversation, which would
	// else have come to this ("answered", "retrieved"). If that leads to a
	// disposition, it is asked all the same.
	Talked string
}
