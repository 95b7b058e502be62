package parkingpg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/parking"
)

// fact is the ledger's document of a park's event in SQL; %s are the actor, the
// time and the data. It says what parking.Park.Fact says.
const fact = `jsonb_build_object('park', id, 'lot', lot, 'slot', slot::text, 'actor', %s::jsonb,
	'age_ms', greatest(0, (extract(epoch from %s::timestamptz - parked_at) * 1000)::bigint), 'data', %s)`

// claim is one statement and one round trip: a rep's phone waits for it. The
// rows of losers are not locked in vain: who waited for the winner is re-checked
// and finds nothing. A soft claim need not survive a crash, so its commit does
// not wait for the disk. %s finds the park; $1 and $2 are who and when.
const claim = `with t as (
		select id, state, claimed_by, epoch from parks
		where %s and ended_at is null and (state = 'parked' or claim_until <= $2)
			and (takers = '{}' or $1::jsonb ->> 'via' in ('offer', 'recall', 'queue') or $1::jsonb ->> 'user' = any (takers)) for update),
	c as (
		update parks p set state = 'claimed', epoch = p.epoch + 1, claimed_by = $1, claimed_at = $2,
			claim_until = $2::timestamptz + l.claim_ms * interval '1 ms'
		from t, lots l where p.id = t.id and l.name = p.lot
		returning p.*, t.state as was, t.claimed_by as had, t.epoch as before)
	select ` + columns + `,
		case when was = 'claimed' then note(call_id, $2, 'park.claim_lost', %s) end,
		note(call_id, $2, 'park.claimed', %s),
		set_config('synchronous_commit', 'off', true)
	from c`

var (
	claimLost  = fmt.Sprintf(fact, `had`, `$2`, `jsonb_build_object('epoch', before, 'why', 'taken_over')`)
	claimed    = fmt.Sprintf(fact, `$1`, `$2`, `jsonb_build_object('epoch', epoch, 'until', to_jsonb(claim_until))`)
	claimPark  = fmt.Sprintf(claim, `id = $3`, claimLost, claimed)
	claimInLot = fmt.Sprintf(claim, `lot = $3 and slot = $4`, claimLost, claimed)
)

// Claim implements parking.Store.
func (s *Store) Claim(ctx context.Context, t parking.Target, by call.Actor, now time.Time) (parking.Park, error) {
	now = parking.Moment(now)
	sql, args := claimPark, []any{by, now, t.Park}
	if t.Park == "" {
		sql, args = claimInLot, []any{by, now, t.Lot, t.Slot}
	}
	rows, err := s.db.Pool.Query(ctx, sql, args...)
	if err != nil {
		return parking.Park{}, fmt.Errorf("claim %s: %w", t, err)
	}
	won, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (parking.Park, error) { return readPark(row, nil, nil, nil) })
	if err != nil {
		return parking.Park{}, fmt.Errorf("claim %s: %w", t, err)
	}
	if len(won) == 0 {
		return parking.Park{}, s.notWon(ctx, t, by, now)
	}
	s.db.Announce()
	return won[0], nil
}

// notWon says who has what was to be claimed, or who may.
func (s *Store) notWon(ctx context.Context, t parking.Target, by call.Actor, now time.Time) error {
	where, args := `where id = $1`, []any{t.Park}
	if t.Park == "" {
		where, args = `where lot = $1 and slot = $2 and (ended_at is null or ended_at > $3)
			order by ended_at desc nulls first limit 1`, []any{t.Lot, t.Slot, now.Add(-parking.Remembered)}
	}
	p, ok, err := s.one(ctx, s.db.Pool, where, args...)
	switch {
	case err != nil:
		return fmt.Errorf("claim %s: %w", t, err)
	case !ok:
		return &parking.NotParkedError{What: t.String()}
	case p.State != parking.StateEnded && !p.MayTake(by) && (p.State == parking.StateParked || !p.ClaimUntil.After(now)):
		return &parking.DeniedError{What: t.String(), Takers: p.Takers}
	}
	return &parking.NotParkedError{What: t.String(), Taken: &p}
}

// Extend implements parking.Store.
func (s *Store) Extend(ctx context.Context, id string, epoch int, until time.Time) error {
	tag, err := s.db.Pool.Exec(ctx, `update parks set claim_until = $3 where id = $1 and epoch = $2 and state = 'claimed'`,
		id, epoch, parking.Moment(until))
	if err != nil {
		return fmt.Errorf("extend the claim of park %s: %w", id, err)
	}
	if tag.RowsAffected() == 0 {
		return s.tooLate(ctx, id)
	}
	return nil
}

// Release implements parking.Store.
func (s *Store) Release(ctx context.Context, id string, epoch int, why string, at time.Time) (parking.Park, error) {
	p, _, err := s.change(ctx, id, func(_ *pg.Tx, p parking.Park) (parking.Park, bool, []call.Event, error) {
		freed, ok := p.Released(epoch)
		return freed, ok, []call.Event{p.ReleasedFact(at, why)}, nil
	})
	return p, err
}

// end is one statement too: the reason, the slot that cools from now on, and the
// fact. $1 is the park, $2 the epoch or 0, $3 to $5 why, who and when, $6 the
// kind of fact.
var end = `with e as (
		update parks set state = 'ended', reason = $3, ended_by = $4, ended_at = $5
		where id = $1 and ended_at is null and ($2 = 0 or state = 'claimed' and epoch = $2)
		returning *),
	s as (update slots set park = null, freed_at = $5 from e where slots.lot = e.lot and slots.slot = e.slot and slots.park = e.id)
	select ` + columns + `, job_id, note(call_id, $5, $6, ` + fmt.Sprintf(fact, `$4`, `$5`, `jsonb_build_object('reason', reason)`) + `) from e`

// End implements parking.Store.
func (s *Store) End(ctx context.Context, id string, epoch int, reason parking.Reason, by call.Actor, at time.Time) (parking.Park, error) {
	var p parking.Park
	ok := false
	err := s.db.In(ctx, func(tx *pg.Tx) (err error) {
		p, ok, err = finish(ctx, tx, id, epoch, reason, by, at)
		return err
	})
	if err != nil {
		return parking.Park{}, fmt.Errorf("end park %s: %w", id, err)
	}
	if !ok {
		return parking.Park{}, s.tooLate(ctx, id)
	}
	s.db.Announce()
	return p, nil
}

func finish(ctx context.Context, tx *pg.Tx, id string, epoch int, reason parking.Reason, by call.Actor, at time.Time) (parking.Park, bool, error) {
	rows, err := tx.Query(ctx, end, id, epoch, string(reason), by, parking.Moment(at), string(reason.Fact()))
	if err != nil {
		return parking.Park{}, false, err
	}
	var job int64
	done, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (parking.Park, error) { return readPark(row, &job, nil) })
	if err != nil || len(done) == 0 {
		return parking.Park{}, false, err
	}
	return done[0], true, tx.CancelJobs(ctx, job)
}
