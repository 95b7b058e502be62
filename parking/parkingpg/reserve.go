package parkingpg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/parking"
)

// Slots that can be reserved: as those that can be taken, see nextSlot.
const (
	nextToHold = `select slot from slots where lot = $1 and park is null and (held is null or held_until <= $2)
		order by coalesce(freed_at + $3 * interval '1 ms' > $2, false),
			case when freed_at + $3 * interval '1 ms' > $2 then freed_at end, slot
		limit 1 for update`
	thatToHold = `select slot from slots where lot = $1 and slot = $3 and park is null and (held is null or held_until <= $2) for update`
)

// Reserve implements parking.Store.
func (s *Store) Reserve(ctx context.Context, r parking.Reservation) (parking.Reservation, error) {
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		l, err := lot(ctx, tx, r.Lot)
		if err != nil {
			return err
		}
		if r, err = r.Admit(l); err != nil {
			return err
		}
		slots, err := free(ctx, tx, l, r)
		if err != nil {
			return err
		}
		if len(slots) == 0 {
			if r.Slot == 0 {
				return &parking.FullError{Lot: r.Lot}
			}
			by, _, _ := s.one(ctx, tx, `where lot = $1 and slot = $2 and ended_at is null`, r.Lot, r.Slot)
			return &parking.OccupiedError{Lot: r.Lot, Slot: r.Slot, By: by, For: s.heldFor(ctx, r.Lot, r.Slot, by)}
		}
		r.Slot = slots[0]
		if _, err := tx.Exec(ctx, `update slots set held = $3, held_until = $4, held_doc = $5 where lot = $1 and slot = $2`, r.Lot, r.Slot, r.ID, r.Until, r); err != nil {
			return err
		}
		tx.Note(r.MadeFact())
		return nil
	})
	if err != nil {
		return parking.Reservation{}, fmt.Errorf("reserve a slot of lot %s: %w", r.Lot, err)
	}
	s.db.Announce()
	return r, nil
}

// free is the slot to hold, locked. Free slots may be locked by others who come
// to nothing, so the next one is looked for past them first.
func free(ctx context.Context, tx *pg.Tx, l parking.Lot, r parking.Reservation) ([]int, error) {
	ask := func(sql string, last any) ([]int, error) {
		rows, err := tx.Query(ctx, sql, r.Lot, r.At, last)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowTo[int])
	}
	if r.Slot != 0 {
		return ask(thatToHold, r.Slot)
	}
	found, err := ask(nextToHold+` skip locked`, ms(l.CoolDown))
	if err != nil || len(found) > 0 {
		return found, err
	}
	return ask(nextToHold, ms(l.CoolDown))
}

// Unreserve implements parking.Store.
func (s *Store) Unreserve(ctx context.Context, id, why string, at time.Time) error {
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		r, ok, err := reservation(ctx, tx, id)
		if err != nil || !ok {
			return err
		}
		_, err = tx.Exec(ctx, `update slots set held = null, held_until = null, held_doc = null, freed_at = $3 where lot = $1 and slot = $2`, r.Lot, r.Slot, parking.Moment(at))
		if err != nil {
			return err
		}
		tx.Note(r.LapsedFact(why, at))
		return nil
	})
	if err != nil {
		return fmt.Errorf("give up reservation %s: %w", id, err)
	}
	s.db.Announce()
	return nil
}

// Reservations implements parking.Store.
func (s *Store) Reservations(ctx context.Context, lot string, at time.Time) ([]parking.Reservation, error) {
	rows, err := s.db.Pool.Query(ctx, `select held_doc from slots where lot = $1 and park is null and held_until > $2 order by slot`, lot, at)
	if err != nil {
		return nil, fmt.Errorf("read reservations of lot %s: %w", lot, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[parking.Reservation])
	if err != nil {
		return nil, fmt.Errorf("read reservations of lot %s: %w", lot, err)
	}
	return found, nil
}

// giveUpLeft gives up reservations whose holder died before they could.
func (s *Store) giveUpLeft(ctx context.Context, now time.Time) ([]parking.Fault, error) {
	rows, err := s.db.Pool.Query(ctx, `select held_doc from slots where held_until <= $1`, now.Add(-parking.CallEndGrace))
	if err != nil {
		return nil, fmt.Errorf("check reservations: %w", err)
	}
	left, err := pgx.CollectRows(rows, pgx.RowTo[parking.Reservation])
	if err != nil {
		return nil, fmt.Errorf("check reservations: %w", err)
	}
	var found []parking.Fault
	for _, r := range left {
		if err := s.Unreserve(ctx, r.ID, "check", now); err != nil {
			return found, fmt.Errorf("check reservations: %w", err)
		}
		found = append(found, r.LeftFault())
	}
	return found, nil
}

// reservation finds one, also if it has lapsed, and locks its slot.
func reservation(ctx context.Context, tx *pg.Tx, id string) (_ parking.Reservation, ok bool, _ error) {
	rows, err := tx.Query(ctx, `select held_doc from slots where held = $1 for update`, id)
	if err != nil {
		return parking.Reservation{}, false, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[parking.Reservation])
	if err != nil || len(found) == 0 {
		return parking.Reservation{}, false, err
	}
	return found[0], true, nil
}

// heldFor is whom an empty slot is reserved for, "" if somebody is in it.
func (s *Store) heldFor(ctx context.Context, lot string, slot int, by parking.Park) string {
	if by.ID != "" {
		return ""
	}
	var who string
	_ = s.db.Pool.QueryRow(ctx, `select coalesce(held_doc->'By'->>'user', '') from slots where lot = $1 and slot = $2 and held is not null`, lot, slot).Scan(&who)
	return who
}
