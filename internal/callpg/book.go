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

// Deliver hands a finished call to the CRM, within the transaction that ends it.
type Deliver func(context.Context, *pg.Tx, crm.Activity) error

// Book implements callctl.Book.
type Book struct {
	db      *pg.DB
	deliver Deliver
}

var _ callctl.Book = (*Book)(nil)

// New makes a book. With a nil deliver no activity goes anywhere.
func New(db *pg.DB, deliver Deliver) *Book {
	if deliver == nil {
		deliver = func(context.Context, *pg.Tx, crm.Activity) error { return nil }
	}
	return &Book{db: db, deliver: deliver}
}

// Begin opens a call's ledger with its first facts. A call begins only once.
func (b *Book) Begin(ctx context.Context, o callctl.Opening, facts ...call.Event) error {
	err := b.db.In(ctx, func(tx *pg.Tx) error {
		_, err := tx.Exec(ctx, `
			insert into calls (id, node, trunk, agent, from_number, from_name, to_number, flow, flow_version, started_at)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			o.ID, o.Node, o.Trunk, o.Agent, o.From.Number, o.From.Name, o.To, o.Flow, o.Version, o.At)
		if err != nil {
			return err
		}
		return tx.Note(ctx, facts...)
	})
	if err != nil {
		return fmt.Errorf("begin %s: %w", o.ID, err)
	}
	return nil
}

// Note appends facts. Those of a call that the ledger does not know are dropped.
func (b *Book) Note(ctx context.Context, facts ...call.Event) error {
	if len(facts) != 1 {
		return b.db.In(ctx, func(tx *pg.Tx) error { return tx.Note(ctx, facts...) })
	}
	e := facts[0] // a statement is a transaction by itself, and saves begin and commit
	doc, err := pg.EventJSON(e)
	if err != nil {
		return err
	}
	if _, err := b.db.Pool.Exec(ctx, `select note($1, $2, $3, $4)`, string(e.Call), e.At, string(e.Type), doc); err != nil {
		return fmt.Errorf("note %s of %s: %w", e.Type, e.Call, err)
	}
	b.db.Announce()
	return nil
}

// End closes the call: its row, its last facts and the delivery of its activity,
// all or nothing. A call that has ended is left alone, so that End can be tried
// again when its answer was lost; an unknown one is ErrNoCall.
func (b *Book) End(ctx context.Context, c callctl.Closing, facts ...call.Event) error {
	run, err := json.Marshal(c.Run)
	if err != nil {
		return fmt.Errorf("end %s: %w", c.ID, err)
	}
	err = b.db.In(ctx, func(tx *pg.Tx) error {
		tag, err := tx.Exec(ctx, `
			update calls set ended_at = $2, cause = $3, outcome = $4,
			  answered_at = coalesce($5, answered_at), connected_at = coalesce($6, connected_at),
			  answered_by = coalesce(nullif($7, ''), answered_by), talk_ms = $8, run = $9
			where id = $1 and ended_at is null`,
			c.ID, c.At, c.Cause, c.Outcome, known(c.AnsweredAt), known(c.ConnectedAt), c.AnsweredBy, c.Talked.Milliseconds(), run)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			var ended bool
			if err := tx.QueryRow(ctx, `select exists (select 1 from calls where id = $1)`, c.ID).Scan(&ended); err != nil {
				return err
			}
			if !ended {
				return ErrNoCall
			}
			return nil
		}
		if err := tx.Note(ctx, facts...); err != nil {
			return err
		}
		if c.Activity == nil {
			return nil
		}
		if err := b.deliver(ctx, tx, *c.Activity); err != nil {
			return fmt.Errorf("deliver to the CRM: %w", err)
		}
		return nil
	})
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
