package callctl

import (
	"context"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// Book is the ledger as the live call writes it. Facts about parks and queues
// are written by their stores.
type Book interface {
	// Begin opens a call's ledger with its first facts.
	Begin(ctx context.Context, o Opening, facts ...call.Event) error
	// Note appends facts.
	Note(ctx context.Context, facts ...call.Event) error
	// End closes the call: its row, its last facts, and the delivery of its
	// activity to the CRM, in one transaction. A call that has ended is left alone.
	End(ctx context.Context, c Closing, facts ...call.Event) error
}

// Opening is what is known of a call when it begins.
type Opening struct {
	ID      call.ID
	Node    call.NodeID
	Trunk   string
	Agent   string // the rep who placed it
	From    Party
	To      call.Number
	Flow    string
	Version int
	At      time.Time
}

// Closing is what is known of a call when it has ended.
type Closing struct {
	ID          call.ID
	At          time.Time
	Cause       call.Cause
	Outcome     string // "answered", "abandoned", "voicemail", "refused", "expired", "failed"
	AnsweredAt  time.Time
	ConnectedAt time.Time // zero if no human talked to the caller
	AnsweredBy  string
	Talked      time.Duration
	Run         routing.Run
	Heard       []Heard       // the legs that had audio
	Activity    *crm.Activity // nil: nothing to log (an internal call)
}
