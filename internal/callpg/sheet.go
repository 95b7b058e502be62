package callpg

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
)

const (
	beginCall = `
		insert into calls (id, node, trunk, agent, from_number, from_name, to_number, flow, flow_version, started_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	endCall = `
		with ended as (
		  update calls set ended_at = $2, cause = $3, outcome = $4,
		    answered_at = coalesce($5, answered_at), connected_at = coalesce($6, connected_at),
		    answered_by = coalesce(nullif($7, ''), answered_by), talk_ms = $8, run = $9, legs = $10
		  where id = $1 and ended_at is null
		  returning disposition)
		select exists (select 1 from ended), exists (select 1 from calls where id = $1), (select disposition from ended)`
)

// sheet writes lines in one transaction, however many there are: of one round
// trip unless calls end. A line about a call that is not known gets ErrNoCall and holds up no other.
func (b *Book) sheet(ctx context.Context, lines []*line) error {
	return b.db.In(ctx, func(tx *pg.Tx) error {
		if err := b.rows(ctx, tx, lines); err != nil {
			return err
		}
		var facts []call.Event
		var acts []crm.Activity
		for _, l := range lines {
			if l.err != nil || l.stale {
				continue
			}
			facts = append(facts, l.facts...)
			if l.end != nil && l.end.Activity != nil {
				acts = append(acts, l.activity())
			}
		}
		tx.Note(facts...)
		if len(acts) == 0 {
			return nil
		}
		if err := b.deliver(ctx, tx, acts); err != nil {
			return fmt.Errorf("deliver to the CRM: %w", err)
		}
		return nil
	})
}

// rows writes the rows of calls that begin or end.
func (b *Book) rows(ctx context.Context, tx *pg.Tx, lines []*line) error {
	var batch pgx.Batch
	for _, l := range lines {
		if o := l.open; o != nil {
			tx.Later(beginCall, o.ID, o.Node, o.Trunk, o.Agent, o.From.Number, o.From.Name, o.To, o.Flow, o.Version, o.At)
		}
		if c := l.end; c != nil {
			batch.Queue(endCall, c.ID, c.At, c.Cause, c.Outcome, known(c.AnsweredAt), known(c.ConnectedAt), c.AnsweredBy, c.Talked.Milliseconds(), l.run, legsOf(c.Heard))
		}
	}
	if batch.Len() == 0 {
		return nil
	}
	res := tx.SendBatch(ctx, &batch)
	for _, l := range lines {
		if err := l.read(res); err != nil {
			return errors.Join(err, res.Close())
		}
	}
	return res.Close()
}

// read takes what came of the line's row.
func (l *line) read(res pgx.BatchResults) error {
	if l.end == nil {
		return nil
	}
	var now, there bool
	if err := res.QueryRow().Scan(&now, &there, &l.said); err != nil {
		return err
	}
	l.stale = !now
	if !there {
		l.err = ErrNoCall
	}
	return nil
}

// activity is that of a call that ends, with what was said of it meanwhile.
func (l *line) activity() crm.Activity {
	a := *l.end.Activity
	if l.said != nil {
		a.Dispose(Logged(*l.said))
	}
	return a
}

// Logged is what was said of a call as the CRM is told.
func Logged(s disposition.Said) (crm.Disposition, string) {
	return crm.Disposition{Code: s.Code, Label: s.Label, Category: string(s.Category), By: s.By.User, At: s.At}, s.Note
}
