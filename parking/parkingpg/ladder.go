package parkingpg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/parking"
)

// Advance implements parking.Store.
func (s *Store) Advance(ctx context.Context, id string, n int, now time.Time) (parking.Park, int, bool, error) {
	var c parking.Climbing
	p, ok, err := s.change(ctx, id, func(tx *pg.Tx, p parking.Park) (parking.Park, bool, []call.Event, error) {
		var ok bool
		if c, ok = p.Begin(n, now); !ok {
			return p, false, nil, nil
		}
		events := c.Facts(p, now)
		p.Next, p.NextAt = c.Next, parking.Moment(c.NextAt)
		return p, true, events, expect(ctx, tx, p)
	})
	return p, c.Begin, ok, err
}

// StepResult implements parking.Store.
func (s *Store) StepResult(ctx context.Context, id string, n int, result string, data map[string]any, at time.Time) error {
	p, err := s.Park(ctx, id) // what the fact tells of it does not change
	if err != nil {
		return err
	}
	err = s.db.In(ctx, func(tx *pg.Tx) error { tx.Note(p.StepResultFact(n, result, data, at)); return nil })
	if err != nil {
		return fmt.Errorf("result of step %d of park %s: %w", n, id, err)
	}
	return nil
}

// Adopt implements parking.Store.
func (s *Store) Adopt(ctx context.Context, id string, node call.NodeID, at time.Time) (parking.Park, error) {
	p, _, err := s.change(ctx, id, func(tx *pg.Tx, p parking.Park) (parking.Park, bool, []call.Event, error) {
		if p.State == parking.StateEnded {
			return p, false, nil, &parking.NotParkedError{What: "park " + id, Taken: &p}
		}
		from := p.Node
		p.Node = node
		if err := withdraw(ctx, tx, id); err != nil {
			return p, false, nil, err
		}
		return p, true, []call.Event{p.RecoveredFact(from, at)}, expect(ctx, tx, p)
	})
	return p, err
}

// withdraw takes the park's pending job out of its node's queue. A job is moved
// by deleting it: cancelled, a running one would stay, and its like not be
// enqueued beside it (see job.Job.Unique).
func withdraw(ctx context.Context, tx *pg.Tx, id string) error {
	_, err := tx.Exec(ctx, `delete from river_job where id = (select job_id from parks where id = $1)`, id)
	return err
}

// pending: River's states of a job that will still run.
const pending = `j.state in ('available', 'pending', 'running', 'retryable', 'scheduled')`

// suspects are the parks that look broken at $1.
const suspects = `select p.id from parks p join calls c on c.id = p.call_id left join river_job j on j.id = p.job_id
	where p.ended_at is null and (
		p.state = 'claimed' and p.claim_until <= $1
		or p.next >= jsonb_array_length(p.ladder) and p.next_at <= $1
		or p.next < jsonb_array_length(p.ladder) and (j.id is null or not ` + pending + `)
		or c.ended_at <= $1::timestamptz - $2 * interval '1 ms')
	order by p.id`

// Check implements parking.Store.
func (s *Store) Check(ctx context.Context, now time.Time) ([]parking.Fault, error) {
	rows, err := s.db.Pool.Query(ctx, suspects, now, parking.CallEndGrace.Milliseconds())
	if err != nil {
		return nil, fmt.Errorf("check parks: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("check parks: %w", err)
	}
	var found []parking.Fault
	for _, id := range ids {
		faults, err := s.mend(ctx, id, now)
		if err != nil {
			return found, fmt.Errorf("check parks: %w", err)
		}
		found = append(found, faults...)
	}
	left, err := s.giveUpLeft(ctx, now)
	if found = append(found, left...); err != nil {
		return found, err
	}
	slots, err := s.mendSlots(ctx, now)
	return append(found, slots...), err
}

// mend looks again, with the park locked, before it touches anything.
func (s *Store) mend(ctx context.Context, id string, now time.Time) (faults []parking.Fault, err error) {
	_, _, err = s.change(ctx, id, func(tx *pg.Tx, p parking.Park) (parking.Park, bool, []call.Event, error) {
		var (
			waits bool
			ended *time.Time
		)
		err := tx.QueryRow(ctx, `select exists (select from river_job j where j.id = p.job_id and `+pending+`), c.ended_at
			from parks p join calls c on c.id = p.call_id where p.id = $1`, id).Scan(&waits, &ended)
		if err != nil {
			return p, false, nil, err
		}
		var (
			mended parking.Park
			events []call.Event
		)
		faults, mended, events = p.Mend(waits, at(ended), now)
		if len(faults) == 0 {
			return p, false, nil, nil
		}
		if mended.State == parking.StateEnded {
			_, _, err := finish(ctx, tx, id, 0, mended.Reason, mended.EndedBy, mended.EndedAt)
			return p, false, nil, err
		}
		return mended, true, events, expect(ctx, tx, mended)
	})
	var gone *parking.NotParkedError
	if errors.As(err, &gone) {
		return nil, nil
	}
	if err == nil && len(faults) > 0 {
		s.db.Announce()
	}
	return faults, err
}

// mendSlots puts right what slots say where it is not what parks say. The two are
// only ever written together, so this finds nothing unless somebody else wrote.
func (s *Store) mendSlots(ctx context.Context, now time.Time) ([]parking.Fault, error) {
	rows, err := s.db.Pool.Query(ctx, `with freed as (
			update slots s set park = null, freed_at = $1 where park is not null
				and not exists (select from parks p where p.lot = s.lot and p.slot = s.slot and p.ended_at is null)
			returning park),
		given as (
			update slots s set park = p.id from parks p
			where p.lot = s.lot and p.slot = s.slot and p.ended_at is null and s.park is distinct from p.id
			returning p.id)
		select '', 'slot freed' from freed union all select id, 'slot given back' from given`, now)
	if err != nil {
		return nil, fmt.Errorf("check slots: %w", err)
	}
	faults, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (parking.Fault, error) {
		f := parking.Fault{What: "slot_lost"}
		return f, row.Scan(&f.Park, &f.Repair)
	})
	if err != nil {
		return nil, fmt.Errorf("check slots: %w", err)
	}
	return faults, nil
}
