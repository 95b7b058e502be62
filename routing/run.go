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
	Flow    string         `json:"flow"`
	Version int            `json:"version"`
	Caller  Caller         `json:"caller"`
	At      string         `json:"at"`      // the node that waits; "" when ended
	Vars    map[string]any `json:"vars"`    // crm.*, vars.*, digits …
	Retries map[string]int `json:"retries"` // per menu or collect node
	Visits  int            `json:"visits"`
	Hungup  bool           `json:"hungup"` // the hang-up handler has begun
	Failed  bool           `json:"failed"` // the error handler has begun
	Ended   bool           `json:"ended"`
	Path    []Decision     `json:"path"`

	StartedAt time.Time `json:"started_at,omitzero"` // when the walk began
	Told      []Told    `json:"told,omitempty"`      // what it was resumed with, in order: see Replay
}

// Decision says why the walk went where it went.
type Decision struct {
	Node    string         `json:"node"`
	Type    string         `json:"type"`
	Outcome string         `json:"outcome"`
	To      string         `json:"to"`
	Reason  string         `json:"reason,omitempty"` // the case that held, the menu key …
	Inputs  map[string]any `json:"inputs,omitempty"`
	At      time.Time      `json:"at"`
}

// Number is a telephone number of ours and the flow that its calls run.
type Number struct {
	ID     string      `json:"id"` // "num_…"
	Number call.Number `json:"number"`
	Flow   string      `json:"flow"` // flow name; its live version
	Label  string      `json:"label"`
}
