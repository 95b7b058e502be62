// Package analyticspg reads the ledger from Postgres for analytics.
package analyticspg

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/callyard/callyard/analytics"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
)

// Ledger reads events.
type Ledger struct{ db *pg.DB }

// New reads the database's ledger.
func New(db *pg.DB) *Ledger { return &Ledger{db} }

// read are the facts that analytics.Summarize looks at.
var read = []string{
	string(call.Offered), string(call.AnsweredBy), string(call.Connected), string(call.Refused), string(call.Ended),
	string(call.FlowStarted), string(call.Dialled), string(call.DialResult), string(call.VoicemailNew),
	string(call.Parked), string(call.ParkStep), string(call.ParkRetrieved), string(call.ParkAbandoned),
	string(call.ParkExpired), string(call.ParkMoved), string(call.ParkFailed),
	string(call.QueueJoined), string(call.QueueLeft), string(call.Disposed),
}

// Events streams what Summarize needs for the window: the events of all calls
// that were offered or parked in it, those before and after it too, call by call
// in their order. It holds one connection until the loop ends, and reads as
// slowly as the loop does. The last pair carries the error, if there was one.
func (l *Ledger) Events(ctx context.Context, w analytics.Window) iter.Seq2[call.Event, error] {
	return func(yield func(call.Event, error) bool) {
		rows, err := l.db.Pool.Query(ctx, `
			select e.id, e.seq, e.at, e.call_id, e.type, e.leg, e.park, e.lot, e.slot, e.queue, e.actor, e.age_ms, e.flow, e.version, e.node, e.cause, e.data
			from (select distinct call_id from call_events
			      where at >= $1 and at < $2 and type in ('call.offered', 'park.parked')) began
			join call_events e using (call_id)
			where e.type = any($3)
			order by e.call_id, e.seq`, w.From, w.To, read)
		if err != nil {
			yield(call.Event{}, fmt.Errorf("read ledger: %w", err))
			return
		}
		defer rows.Close()
		for rows.Next() { // not collected: a year does not fit into memory
			var e call.Event
			var age int64
			if err := rows.Scan(&e.ID, &e.Seq, &e.At, &e.Call, &e.Type, &e.Leg, &e.Park, &e.Lot, &e.Slot, &e.Queue,
				&e.Actor, &age, &e.Flow, &e.Version, &e.Node, &e.Cause, &e.Data); err != nil {
				yield(call.Event{}, fmt.Errorf("read ledger: %w", err))
				return
			}
			e.Age = time.Duration(age) * time.Millisecond
			if !yield(e, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(call.Event{}, fmt.Errorf("read ledger: %w", err))
		}
	}
}
