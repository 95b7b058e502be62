// Package crm is what Callyard needs from a CRM: who is calling, and somewhere
// to log what came of the call, exactly once. Providers (crm/contacts,
// crm/webhook, …) translate; they do not retry: the delivery job does.
package crm

import (
	"context"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Provider is one CRM. Every write carries a Key chosen by Callyard; the same
// write again with the same Key leaves exactly one record and returns its Ref.
type Provider interface {
	Name() string
	Lookup(ctx context.Context, n call.Number) ([]Record, error) // best match first
	LogCall(ctx context.Context, a Activity) (Ref, error)
	Check(ctx context.Context) error
}

// Ref points at something in a CRM.
type Ref struct {
	Provider string `json:"provider"`
	Type     string `json:"type"` // the provider's object name: "contact"
	ID       string `json:"id"`
	URL      string `json:"url,omitempty"` // for the screen pop
}

// Record is a person or company the CRM knows by a number.
type Record struct {
	Ref     Ref            `json:"ref"`
	Kind    string         `json:"kind"` // "contact", "lead", "company"
	Name    string         `json:"name"`
	Company string         `json:"company"`
	Owner   string         `json:"owner"` // agent name; "" when unowned
	Phones  []call.Number  `json:"phones"`
	Fields  map[string]any `json:"fields"` // what flows read: tier, deal.amount …
	Updated time.Time      `json:"updated"`
}

// Activity is a finished call as the CRM logs it.
type Activity struct {
	Key         string        `json:"key"` // the call's id: the same call is never logged twice
	Rev         int           `json:"rev"` // grows when the disposition or recording comes later
	Direction   string        `json:"direction"`
	From        call.Number   `json:"from"`
	To          call.Number   `json:"to"`
	StartedAt   time.Time     `json:"started_at"`
	ConnectedAt *time.Time    `json:"connected_at,omitempty"`
	EndedAt     time.Time     `json:"ended_at"`
	Parked      time.Duration `json:"parked_ns"` // in slots, in all
	Talked      time.Duration `json:"talked_ns"`
	Outcome     string        `json:"outcome"` // "answered", "abandoned", "voicemail", …
	Agent       string        `json:"agent"`
	About       []Ref         `json:"about"` // the records the call was matched with
	Recording   string        `json:"recording,omitempty"`
	Notes       string        `json:"notes,omitempty"`

	Disposition *Disposition `json:"disposition,omitempty"` // what the rep says came of it
	Task        *Task        `json:"task,omitempty"`        // what somebody has to do about it
}

// Task is something that is left to do after a call.
type Task struct {
	Kind string `json:"kind"` // "voicemail": hear the message and call back
	Box  string `json:"box"`  // whose messages it is among: an agent, a team or a box
}

// Disposition is what somebody says came of a call.
type Disposition struct {
	Code     string    `json:"code"`
	Label    string    `json:"label"`
	Category string    `json:"category"` // "positive", "negative", "neutral", "uncategorized"
	By       string    `json:"by"`       // agent
	At       time.Time `json:"at"`
}

// Dispose puts into the activity what somebody says came of the call. A note
// takes the place of the one before.
func (a *Activity) Dispose(d Disposition, note string) {
	a.Disposition = &d
	if note != "" {
		a.Notes = note
	}
}

// Deliver is the job that logs one activity with one provider.
type Deliver struct {
	Outbox int64 `json:"outbox" river:"unique"`
}

// Kind names the job.
func (Deliver) Kind() string { return "crm_deliver" }
