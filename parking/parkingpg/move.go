package parkingpg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/parking"
)

// Move implements parking.Store.
func (s *Store) Move(ctx context.Context, m parking.Move) (parking.Park, error) {
	var (
		next parking.Park
		err  error
	)
	for range tries {
		err = s.db.In(ctx, func(tx *pg.Tx) (err error) {
			next, err = s.move(ctx, tx, m)
			return err
		})
		if !deadlocked(err) {
			break
		}
	}
	if err != nil {
		var occ *parking.OccupiedError
		if errors.As(err, &occ) {
			by, _, _ := s.one(ctx, s.db.Pool, `where lot = $1 and slot = $2 and ended_at is null`, occ.Lot, occ.Slot)
			return parking.Park{}, &parking.OccupiedError{Lot: occ.Lot, Slot: occ.Slot, By: by, For: s.heldFor(ctx, occ.Lot, occ.Slot, by)}
		}
		return parking.Park{}, fmt.Errorf("move park %s: %w", m.Park, err)
	}
	s.db.Announce()
	return next, nil
}

// move locks the park before any slot, as all do who end one.
func (s *Store) move(ctx context.Context, tx *pg.Tx, m parking.Move) (parking.Park, error) {
	was, found, err := s.one(ctx, tx, `where id = $1 for update`, m.Park)
	if err != nil {
		return was, err
	}
	if !found {
		return was, &parking.NotParkedError{What: "park " + m.Park}
	}
	l, err := lot(ctx, tx, m.Into(was))
	if err != nil {
		return was, err
	}
	ended, next, lapsed, err := was.Moved(l, m)
	if err != nil {
		return was, err
	}
	slots, err := free(ctx, tx, l, parking.Reservation{Lot: l.Name, Slot: next.Slot, At: parking.Moment(m.At)})
	switch {
	case err != nil:
		return was, err
	case len(slots) == 0 && next.Slot == 0:
		return was, &parking.FullError{Lot: l.Name}
	case len(slots) == 0:
		return was, &parking.OccupiedError{Lot: l.Name, Slot: next.Slot}
	}
	next.Slot = slots[0]
	var job int64
	err = tx.QueryRow(ctx, `update parks set state = 'ended', reason = $2, ended_by = $3, ended_at = $4,
		claimed_by = '{}', claimed_at = null, claim_until = null where id = $1 returning job_id`,
		ended.ID, string(ended.Reason), ended.EndedBy, ended.EndedAt).Scan(&job)
	if err != nil {
		return was, err
	}
	tx.Later(`update slots set park = null, freed_at = $4 where lot = $1 and slot = $2 and park = $3`, ended.Lot, ended.Slot, ended.ID, ended.EndedAt)
	tx.Later(`update slots set park = $3, held = null, held_until = null, held_doc = null where lot = $1 and slot = $2`, next.Lot, next.Slot, next.ID)
	tx.Later(`insert into parks (id, call_id, node, lot, slot, parker, via, from_number, from_name, note, owner,
			state, parked_at, deadline, ladder, next, next_at, job_id, takers)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'parked', $12, $13, $14, $15, $16, 0, coalesce($17, '{}'::text[]))`,
		next.ID, string(next.Call), string(next.Node), next.Lot, next.Slot, next.Parker, next.Via, string(next.From), next.Name, next.Note, next.Owner,
		next.ParkedAt, next.Deadline, next.Ladder, next.Next, next.NextAt, next.Takers)
	tx.Note(append(lapsed, parking.MovedFacts(ended, next)...)...)
	if err := tx.CancelJobs(ctx, job); err != nil {
		return was, err
	}
	return next, expect(ctx, tx, next)
}

// Annotate implements parking.Store.
func (s *Store) Annotate(ctx context.Context, id, note string, by call.Actor, at time.Time) (parking.Park, error) {
	p, _, err := s.change(ctx, id, func(_ *pg.Tx, p parking.Park) (parking.Park, bool, []call.Event, error) {
		noted, err := p.Noted(note)
		return noted, err == nil, []call.Event{noted.NotedFact(by, at)}, err
	})
	if err == nil {
		s.db.Announce()
	}
	return p, err
}
