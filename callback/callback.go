// Package callback is promises to call somebody back: to whom, in whose turn and
// when, how often it is tried, and what came of it.
package callback

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Callback is one promise. There is one open for a number at a time.
type Callback struct {
	ID     string      // "cbk_…"
	Call   call.ID     // the one in which it was asked for
	Number call.Number // who is owed a call
	Name   string
	To     call.Number // the number of ours that they called
	Queue  string      // whose agents call back; "": the owner does
	Owner  string      // the agent who is asked first
	// Priority and JoinedAt are the place in line: a zero JoinedAt is a new one
	// each time.
	Priority int
	JoinedAt time.Time
	First    string        // whose phone rings first: "rep", "caller"
	Tries    int           // that count: somebody was rung, and the two did not talk
	Retry    time.Duration // between tries
	Until    time.Time     // given up then

	Flow    string // of the node that made it, whose calendar says when it may be carried out
	Version int
	// Subflows are the versions of the flows that it calls, by name; not to be changed.
	Subflows map[string]int
	Node     string

	MadeAt time.Time
	Due    time.Time

	State   State
	Begun   int         // attempts, of whatever kind
	Tried   int         // those of them that count
	Hub     call.NodeID // which carries the attempt out
	Last    call.ID     // the call of the last attempt
	Result  string      // what came of it
	EndedAt time.Time
}

// State of a callback.
type State string

// The states; those of the first two are open.
const (
	Waiting   State = "waiting"
	Calling   State = "calling"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Open: the caller is still owed a call.
func (s State) Open() bool { return s == Waiting || s == Calling }

// Whose phone rings first.
const (
	RepFirst    = "rep"
	CallerFirst = "caller"
)

// What can come of an attempt, besides the words of a dial.
const (
	Connected = "connected" // the two talked
	NoAgents  = "no_agents" // nobody there to call: does not count
	Closed    = "closed"    // the calendar has changed since: does not count
	Stopped   = "hub_stopped"
)

// Lasts is how long a callback is owed unless its node says otherwise.
const Lasts = 24 * time.Hour

// Soon is how long after it was asked for a callback is begun: the caller has to
// hang up first.
const Soon = 10 * time.Second

// Outcome is what came of an attempt.
type Outcome struct {
	What   string
	Counts bool      // as a try
	Again  time.Time // when it is tried again, if it is
}

// After says what becomes of a callback whose attempt came to o.
func (c Callback) After(o Outcome, now time.Time) Callback {
	c.Result = o.What
	if o.Counts {
		c.Tried++
	}
	switch {
	case o.What == Connected:
		c.State, c.EndedAt = Done, now
	case c.Tried >= c.Tries, o.Again.After(c.Until):
		c.State, c.EndedAt = Failed, now
	default:
		c.State, c.Due = Waiting, o.Again
	}
	return c
}

// Fact is an event in the ledger of a call.
func (c Callback) Fact(t call.EventType, id call.ID, by call.Actor, at time.Time, more map[string]any) call.Event {
	data := map[string]any{"callback": c.ID, "call": c.Call}
	maps.Copy(data, more)
	return call.Event{Call: id, Type: t, At: at, Queue: c.Queue, Actor: by, Data: data}
}

// Due is the job that begins the next attempt, the one after those begun before.
type Due struct {
	Callback string `json:"callback" river:"unique"`
	Begun    int    `json:"begun" river:"unique"`
}

// Kind names the job.
func (Due) Kind() string { return "callback_due" }

// Filter narrows a list of callbacks; zero fields match everything.
type Filter struct {
	State  State
	Number call.Number
	Open   bool
	Before string // only ids below it: the last of the page before
	Limit  int    // 100 unless set
}

// UnknownError: there is no such callback.
type UnknownError struct{ ID string }

func (e *UnknownError) Error() string { return fmt.Sprintf("there is no callback %q", e.ID) }

// ErrOver: the callback has ended, and cannot be cancelled.
var ErrOver = errors.New("the callback is over")
