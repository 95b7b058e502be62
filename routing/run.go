// Package routing is the language of call flows and the engine that walks them.
// The engine decides and does nothing: no I/O, no goroutine, no clock. Start and
// Resume take what is known and return a new Run and the commands to carry out.
package routing

import (
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Caller is the call as a flow sees it.
type Caller struct {
	Call  call.ID     `json:"call"`
	From  call.Number `json:"from"`
	Name  string      `json:"name"`
	To    call.Number `json:"to"`
	Trunk string      `json:"trunk"`
	At    time.Time   `json:"at"`
}

// Run is one call's walk through one version of a flow: plain JSON, so that it
// can be stored, shown and replayed.
type Run struct {
	Flow     string         `json:"flow"`
	Version  int            `json:"version"`
	Subflows map[string]int `json:"subflows,omitempty"` // versions of the flows it calls, by name; not to be changed
	Caller   Caller         `json:"caller"`
	At       string         `json:"at"`                // the node that waits; "" when ended
	Vars     map[string]any `json:"vars"`              // crm.*, vars.*, digits …
	Retries  map[string]int `json:"retries,omitempty"` // per menu or collect node
	Asked    map[string]any `json:"asked,omitempty"`   // what the node that waits was given, for its decision
	Visits   int            `json:"visits"`
	Reading  bool           `json:"reading,omitempty"` // At waits for a reading, not to be carried out: see Read
	Hungup   bool           `json:"hungup"`            // the hang-up handler has begun
	Failed   bool           `json:"failed"`            // the error handler has begun
	Ended    bool           `json:"ended"`
	Path     []Decision     `json:"path"`

	StartedAt time.Time `json:"started_at,omitzero"` // when the walk began
	Told      []Told    `json:"told,omitempty"`      // what it was resumed with, in order: see Replay

	Calendars map[string]int `json:"calendars,omitempty"` // revisions of the shared calendars it looks at, by name; not to be changed
}

// Decision says why the walk went where it went.
type Decision struct {
	Node     string         `json:"node"`
	Type     string         `json:"type"`
	Flow     string         `json:"flow,omitempty"`    // the flow that was called, if the node is one of its
	Version  int            `json:"version,omitempty"` // of that flow
	Outcome  string         `json:"outcome"`           // what was chosen
	To       string         `json:"to"`
	Rule     string         `json:"rule,omitempty"`     // what in the node's cfg decided: "cases[1]", "holidays", "options.2"
	Reason   string         `json:"reason,omitempty"`   // the same in words
	Inputs   map[string]any `json:"inputs,omitempty"`   // what it was decided by
	Rejected []Rejection    `json:"rejected,omitempty"` // what else there was
	At       time.Time      `json:"at"`
}

// Rejection is something that was not chosen, and why.
type Rejection struct {
	Choice string `json:"choice"`
	Why    string `json:"why"`
}

// Number is a telephone number of ours and the flow that its calls run.
type Number struct {
	ID     string      `json:"id"` // "num_…"
	Number call.Number `json:"number"`
	Flow   string      `json:"flow"` // flow name; its live version
	Label  string      `json:"label"`
}
