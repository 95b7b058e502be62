// Package callpg keeps the ledger of calls in Postgres: written by the live
// call, read by everybody else.
package callpg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/pg"
)

// ErrNoCall is returned for a call that the ledger does not know.
var ErrNoCall = errors.New("no such call")

// Deliver hands finished calls to the CRM, within the transaction that ends them.
type Deliver func(context.Context, *pg.Tx, []crm.Activity) error

// Book implements callctl.Book.
type Book struct {
	db      *pg.DB
	deliver Deliver
	press   press
}

var _ callctl.Book = (*Book)(nil)

// New makes a book. With a nil deliver no activity goes anywhere.
func New(db *pg.DB, deliver Deliver) *Book {
	if deliver == nil {
		deliver = func(context.Context, *pg.Tx, []crm.Activity) error { return nil }
	}
	b := &Book{db: db, deliver: deliver}
	b.press.sheet = b.sheet
	return b
}

// Begin opens a call's ledger with its first facts. A call begins only once.
func (b *Book) Begin(ctx context.Context, o callctl.Opening, facts ...call.Event) error {
	if err := b.press.write(ctx, &line{open: &o, facts: facts}); err != nil {
		return fmt.Errorf("begin %s: %w", o.ID, err)
	}
	return nil
}

// Note appends facts. Those of a call that the ledger does not know are dropped.
func (b *Book) Note(ctx context.Context, facts ...call.Event) error {
	if len(facts) == 0 {
		return nil
	}
	if err := b.press.write(ctx, &line{facts: facts}); err != nil {
		return fmt.Errorf("note %s of %s: %w", facts[0].Type, facts[0].Call, err)
	}
	return nil
}

// End closes the call: its row, its last facts and the delivery of its activity,
// all or nothing. A call that has ended is left alone, so that End can be tried
// again when its answer was lost; an unknown one is ErrNoCall.
func (b *Book) End(ctx context.Context, c callctl.Closing, facts ...call.Event) error {
	run, err := json.Marshal(c.Run)
	if err == nil {
		err = b.press.write(ctx, &line{end: &c, run: run, facts: facts})
	}
	if err != nil {
		return fmt.Errorf("end %s: %w", c.ID, err)
	}
	return nil
}

// Outcomes of calls that nobody ended.
const (
	OutcomeAnswered  = "answered"
	OutcomeAbandoned = "abandoned_in_outage"
)

// known is nil for a time that is not.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
