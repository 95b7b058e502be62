package callpg

import (
	"context"
	"fmt"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
)

// orphan is a call that was cut off with its node.
type orphan struct {
	ID          call.ID
	Trunk       string
	FromNumber  call.Number
	ToNumber    call.Number
	StartedAt   time.Time
	ConnectedAt *time.Time
	EndedAt     time.Time
	AnsweredBy  string
	Outcome     string
	ParkedMS    int64 `db:"parked_ms"`
	Disposition *disposition.Said
}

// CloseOrphans ends the calls that a node left open when it died: its sockets
// are gone and with them the callers. Each is logged with the CRM like any other
// call. It is for the node's next start, before it takes calls, or for whoever
// finds it dead. The number of calls is returned.
func (b *Book) CloseOrphans(ctx context.Context, node call.NodeID, at time.Time) (int, error) {
	n := 0
	err := b.db.In(ctx, func(tx *pg.Tx) error {
		rows, err := tx.Query(ctx, `
			update calls set ended_at = greatest($2, started_at), cause = $3,
			  outcome = case when connected_at is null then $4 else $5 end
			where node = $1 and ended_at is null
			returning id, trunk, from_number, to_number, started_at, connected_at, ended_at, answered_by, outcome, disposition,
			  (select coalesce(sum(age_ms), 0) from call_events e where e.call_id = calls.id and e.type = any($6))::bigint as parked_ms`,
			node, at, call.Failed, OutcomeAbandoned, OutcomeAnswered,
			[]string{string(call.ParkRetrieved), string(call.ParkAbandoned), string(call.ParkExpired), string(call.ParkFailed)}) // a park that was moved goes on in another, with its age
		if err != nil {
			return err
		}
		cut, err := collect(rows, func(o orphan) orphan { return o })
		if err != nil {
			return err
		}
		n = len(cut)
		var facts []call.Event
		var acts []crm.Activity
		for _, o := range cut {
			facts = append(facts, o.fact())
			if o.Trunk != "" { // no CRM hears of internal calls
				acts = append(acts, o.activity())
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
	if err != nil {
		return 0, fmt.Errorf("close calls left open by node %s: %w", node, err)
	}
	return n, nil
}

func (o orphan) fact() call.Event {
	return call.Event{
		At: o.EndedAt, Call: o.ID, Type: call.Ended, Cause: call.Failed,
		Data: map[string]any{"outcome": o.Outcome, "orphan": true},
	}
}

// activity is what is still known of the call. How long the two talked is not:
// nobody saw the end.
func (o orphan) activity() crm.Activity {
	a := crm.Activity{
		Key: string(o.ID), Direction: "inbound", From: o.FromNumber, To: o.ToNumber, StartedAt: o.StartedAt, ConnectedAt: o.ConnectedAt,
		EndedAt: o.EndedAt, Parked: time.Duration(o.ParkedMS) * time.Millisecond, Outcome: o.Outcome, Agent: o.AnsweredBy,
		Notes: "cut off when the hub stopped unexpectedly",
	}
	if o.Disposition != nil {
		a.Dispose(Logged(*o.Disposition))
	}
	return a
}
