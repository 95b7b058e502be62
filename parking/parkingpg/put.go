package parkingpg

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/parking"
)

// place takes a slot (%s finds it), writes the park into it and notes it: one
// statement, so that nothing is locked while we think.
const place = `with free as (%s),
	taken as (update slots set park = $1, held = null, held_until = null, held_doc = null from free where slots.lot = $4 and slots.slot = free.slot returning slots.slot),
	put as (
		insert into parks (id, call_id, node, lot, slot, parker, via, from_number, from_name, note, owner,
			state, parked_at, deadline, ladder, next, next_at, job_id, takers)
		select $1, $2, $3, $4, slot, $5, $6, $7, $8, $9, $10, 'parked', $11, $12, $13, $14, $15, $16, coalesce($18, '{}'::text[]) from taken
		returning slot)
	select slot, note($2, $11, 'park.parked', $17::jsonb || jsonb_build_object('slot', slot::text)) from put`

// Slots that are free: the cool ones by number, then those that have cooled
// longest. $19 is the cool-down in ms, $20 is now: $11 is when the caller began
// to wait.
const nextSlot = `select slot from slots where lot = $4 and park is null and (held is null or held_until <= $20)
	order by coalesce(freed_at + $19 * interval '1 ms' > $11, false),
		case when freed_at + $19 * interval '1 ms' > $11 then freed_at end, slot
	limit 1 for update`

// thatSlot is the one asked for, $19, if it is free, or held by the reservation $21.
const thatSlot = `select slot from slots where lot = $4 and slot = $19 and park is null
	and (held is null or held_until <= $20 or held = $21) for update`

var (
	placeNext    = fmt.Sprintf(place, nextSlot+` skip locked`)
	placeWaiting = fmt.Sprintf(place, nextSlot)
	placeThere   = fmt.Sprintf(place, thatSlot)
)

// tries bounds how often a transaction is begun again that Postgres broke off.
const tries = 3

// Put implements parking.Store.
func (s *Store) Put(ctx context.Context, p parking.Park) (parking.Park, error) {
	var (
		put parking.Park
		err error
	)
	for range tries {
		err = s.db.In(ctx, func(tx *pg.Tx) (err error) {
			put, err = s.put(ctx, tx, p)
			return err
		})
		if !deadlocked(err) {
			break
		}
	}
	if err == nil {
		s.db.Announce()
		return put, nil
	}
	if p.ParkedAt.IsZero() || p.Call == "" {
		return parking.Park{}, err
	}
	refusal := s.refusal(ctx, p, err)
	if refusal == nil {
		return parking.Park{}, fmt.Errorf("park call %s in %s: %w", p.Call, p.Lot, err)
	}
	err = s.db.In(ctx, func(tx *pg.Tx) error { tx.Note(p.RefusedFact(refusal)); return nil })
	if err != nil {
		return parking.Park{}, fmt.Errorf("%w; not noted: %w", refusal, err)
	}
	return parking.Park{}, refusal
}

func (s *Store) put(ctx context.Context, tx *pg.Tx, p parking.Park) (parking.Park, error) {
	l, err := lot(ctx, tx, p.Lot)
	if err != nil {
		return p, err
	}
	now := parking.Moment(p.ParkedAt)
	if p.Reservation != "" {
		r, ok, err := reservation(ctx, tx, p.Reservation)
		if err != nil {
			return p, err
		}
		if !ok || r.Lot != p.Lot || !r.Until.After(now) {
			return p, &parking.NotReservedError{Reservation: p.Reservation}
		}
		p = p.Into(r)
	}
	if p, err = l.Admit(p); err != nil {
		return p, err
	}
	if p.Slot != 0 && (p.Slot < l.First || p.Slot > l.Last) {
		return p, &parking.UnknownSlotError{Lot: l.Name, Slot: p.Slot}
	}
	var id int64
	if j, ok := p.Pending(); ok {
		ids, err := tx.Enqueue(ctx, j)
		if err != nil {
			return p, err
		}
		id = ids[0]
	}
	fact := p.ParkedFact()
	fact.Slot = "" // known to the statement only
	doc, err := pg.EventJSON(fact)
	if err != nil {
		return p, err
	}
	try := func(sql string, which ...any) (int, error) {
		args := append([]any{
			p.ID, string(p.Call), string(p.Node), p.Lot, p.Parker, p.Via, string(p.From), p.Name, p.Note, p.Owner,
			p.ParkedAt, p.Deadline, p.Ladder, p.Next, p.NextAt, id, doc, p.Takers,
		}, which...)
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return 0, err
		}
		slots, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (n int, err error) {
			return n, row.Scan(&n, nil)
		})
		if err != nil || len(slots) == 0 {
			return 0, err
		}
		return slots[0], nil
	}
	if p.Slot != 0 {
		n, err := try(placeThere, p.Slot, now, p.Reservation)
		if err == nil && n == 0 {
			err = &parking.OccupiedError{Lot: p.Lot, Slot: p.Slot}
		}
		return p, err
	}
	n, err := try(placeNext, ms(l.CoolDown), now)
	if err == nil && n == 0 {
		// Free slots may only have been locked by others who came to nothing.
		n, err = try(placeWaiting, ms(l.CoolDown), now)
	}
	if err == nil && n == 0 {
		err = &parking.FullError{Lot: p.Lot}
	}
	p.Slot = n
	return p, err
}

// refusal is why a call was not parked, with who is in its place; nil if err is
// about something else.
func (s *Store) refusal(ctx context.Context, p parking.Park, err error) error {
	var (
		full *parking.FullError
		occ  *parking.OccupiedError
		nlot *parking.UnknownLotError
		nslt *parking.UnknownSlotError
		nrsv *parking.NotReservedError
	)
	switch v := violated(err); {
	case errors.As(err, &full), errors.As(err, &nlot), errors.As(err, &nslt), errors.As(err, &nrsv):
		return err
	case errors.As(err, &occ), v == "parks_one_per_slot":
		// Unknown again if it has just been freed: the caller may ask once more.
		by, _, _ := s.one(ctx, s.db.Pool, `where lot = $1 and slot = $2 and ended_at is null`, p.Lot, p.Slot)
		return &parking.OccupiedError{Lot: p.Lot, Slot: p.Slot, By: by, For: s.heldFor(ctx, p.Lot, p.Slot, by)}
	case v == "parks_one_per_call":
		in, ok, _ := s.one(ctx, s.db.Pool, `where call_id = $1 and ended_at is null`, string(p.Call))
		if !ok {
			in = parking.Park{Call: p.Call, Lot: p.Lot}
		}
		return &parking.AlreadyParkedError{In: in}
	}
	return nil
}
