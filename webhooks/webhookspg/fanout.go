package webhookspg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/webhooks"
)

// batch is how many facts are turned into deliveries in one transaction.
const batch = 500

// tip is the last transaction of which all facts can be seen: those of later ones
// are still to come. Facts are read in the order of their transactions, and never
// past one that is open (see callpg.Cursor).
const tip = `(pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1)::text::xid8`

// await takes the cursor for this transaction: webhooks are not made and changed
// while facts are being turned into deliveries for them. While no webhook is
// enabled nobody moves the cursor; then it goes to the tip.
func await(ctx context.Context, tx *pg.Tx) error {
	if _, err := tx.Exec(ctx, `select from webhook_cursor for update`); err != nil {
		return fmt.Errorf("webhooks' place in the ledger: %w", err)
	}
	// A statement of its own: its snapshot is younger than the lock.
	if _, err := tx.Exec(ctx, `update webhook_cursor set tx = `+tip+`, id = 9223372036854775807
		where not exists (select from webhooks where enabled) and tx < `+tip); err != nil {
		return fmt.Errorf("webhooks' place in the ledger: %w", err)
	}
	return nil
}

// FanOut turns the next facts of the ledger into deliveries, with a job for each,
// and moves the cursor, in one transaction: a fact that a webhook wants is
// delivered to it whoever dies when, and put on its way once. Another node that is
// at it already is left to it. more tells that there may be further facts to come
// without any being announced: call again, soon.
func (s *Store) FanOut(ctx context.Context, now time.Time) (made int, more bool, err error) {
	var any bool
	if err := s.db.Pool.QueryRow(ctx, `select exists (select from webhooks where enabled)`).Scan(&any); err != nil || !any {
		return 0, false, wrap(err)
	}
	err = s.db.In(ctx, func(tx *pg.Tx) error {
		var from struct {
			tx uint64
			id int64
		}
		err := tx.QueryRow(ctx, `select tx, id from webhook_cursor for update skip locked`).Scan(&from.tx, &from.id)
		if errors.Is(err, pgx.ErrNoRows) {
			more = true // whoever has it may die
			return nil
		}
		if err != nil {
			return err
		}
		hooks, err := wishes(ctx, tx)
		if err != nil {
			return err
		}
		facts, err := since(ctx, tx, from.tx, from.id)
		if err != nil {
			return err
		}
		if len(facts) == 0 {
			more, err = held(ctx, tx, from.tx, from.id)
			return err
		}
		if made, err = put(ctx, tx, hooks, facts, now); err != nil {
			return err
		}
		last := facts[len(facts)-1]
		if more = len(facts) == batch; !more {
			if more, err = held(ctx, tx, last.Tx, last.ID); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `update webhook_cursor set tx = $1, id = $2`, last.Tx, last.ID)
		return err
	})
	return made, more, wrap(err)
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("turn the ledger into deliveries: %w", err)
}

// wish is a webhook and what could be seen when it was enabled: the snapshot's
// transactions below xmin, and those below xmax that were not open.
type wish struct {
	webhooks.Webhook
	xmin, xmax uint64
	open       []uint64
}

// fresh reports whether a transaction's facts are for the webhook.
func (w wish) fresh(tx uint64) bool {
	return tx >= w.xmax || tx >= w.xmin && slices.Contains(w.open, tx)
}

func wishes(ctx context.Context, tx *pg.Tx) ([]wish, error) {
	rows, _ := tx.Query(ctx, `
		select id, events, pg_snapshot_xmin(begun), pg_snapshot_xmax(begun), array(select pg_snapshot_xip(begun)) from webhooks
		where enabled order by id`)
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (w wish, err error) {
		return w, row.Scan(&w.ID, &w.Events, &w.xmin, &w.xmax, &w.open)
	})
}

// entry is a fact as it comes from the table.
type entry struct {
	call.Event
	Tx uint64
}

func since(ctx context.Context, tx *pg.Tx, fromTx uint64, fromID int64) ([]entry, error) {
	rows, _ := tx.Query(ctx, `
		select id, call_id, seq, at, type, leg, park, lot, slot, queue, actor, age_ms, flow, version, node, cause, data, tx from call_events
		where (tx, id) > ($1, $2) and tx < pg_snapshot_xmin(pg_current_snapshot())
		order by tx, id limit $3`, fromTx, fromID, batch)
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (e entry, err error) {
		var age int64
		err = row.Scan(&e.ID, &e.Call, &e.Seq, &e.At, &e.Type, &e.Leg, &e.Park, &e.Lot, &e.Slot, &e.Queue,
			&e.Actor, &age, &e.Flow, &e.Version, &e.Node, &e.Cause, &e.Data, &e.Tx)
		e.At, e.Age = e.At.UTC(), time.Duration(age)*time.Millisecond
		return e, err
	})
}

// held tells whether facts are written that an open transaction holds back, whose
// end nobody may announce.
func held(ctx context.Context, tx *pg.Tx, fromTx uint64, fromID int64) (bool, error) {
	var id int64
	err := tx.QueryRow(ctx, `select id from call_events where (tx, id) > ($1, $2) order by tx, id limit 1`, fromTx, fromID).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// put writes the deliveries of facts and their jobs.
func put(ctx context.Context, tx *pg.Tx, hooks []wish, facts []entry, now time.Time) (int, error) {
	var ids, to, messages, events, calls []string
	var bodies [][]byte
	for _, f := range facts {
		var message string
		var body []byte
		for _, h := range hooks {
			if !h.fresh(f.Tx) || !h.Wants(f.Type) {
				continue
			}
			if body == nil {
				var err error
				if message, body, err = webhooks.MessageOf(f.Event); err != nil {
					return 0, err
				}
			}
			ids, to, messages = append(ids, call.NewID("whd", now)), append(to, h.ID), append(messages, message)
			events, calls, bodies = append(events, string(f.Type)), append(calls, string(f.Call)), append(bodies, body)
		}
	}
	if len(ids) == 0 {
		return 0, nil
	}
	slices.Sort(ids) // in the order of the facts, also those of the same moment
	rows, _ := tx.Query(ctx, `
		insert into webhook_deliveries (id, webhook, message, event, call_id, body, created_at, next_at)
		select d.*, $7, $7 from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[]) as d
		on conflict (webhook, message) do nothing returning id`, ids, to, messages, events, calls, bodies, now)
	made, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, err
	}
	jobs := make([]job.Job, len(made))
	for i, id := range made {
		jobs[i] = job.Job{Args: webhooks.Deliver{Delivery: id}, Queue: job.Webhooks}
	}
	_, err = tx.Enqueue(ctx, jobs...)
	return len(made), err
}
