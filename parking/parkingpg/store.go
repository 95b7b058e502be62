// Package parkingpg keeps lots and parks in Postgres.
package parkingpg

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/parking"
)

// Store is a parking.Store. Safe for use by many goroutines and many nodes.
type Store struct{ db *pg.DB }

var _ parking.Store = (*Store)(nil)

// New makes a store on a migrated database.
func New(db *pg.DB) *Store { return &Store{db: db} }

// Live implements parking.Store.
func (s *Store) Live(ctx context.Context, f parking.Filter) ([]parking.Park, error) {
	parks, err := s.parks(ctx, s.db.Pool, `where ended_at is null
		and ($1 = '' or lot = $1) and ($2 = '' or node = $2) and ($3 = '' or call_id = $3)
		and ($4::timestamptz is null or (parked_at, id) > ($4, $5))
		order by parked_at, id limit nullif($6, 0)`, f.Lot, string(f.Node), string(f.Call), when(f.After.ParkedAt), f.After.Park, f.Limit)
	if err != nil {
		return nil, fmt.Errorf("live parks: %w", err)
	}
	return parks, nil
}

// Park implements parking.Store.
func (s *Store) Park(ctx context.Context, id string) (parking.Park, error) {
	p, ok, err := s.one(ctx, s.db.Pool, `where id = $1`, id)
	if err != nil {
		return parking.Park{}, fmt.Errorf("park %s: %w", id, err)
	}
	if !ok {
		return parking.Park{}, &parking.NotParkedError{What: "park " + id}
	}
	return p, nil
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func (s *Store) parks(ctx context.Context, q querier, where string, args ...any) ([]parking.Park, error) {
	rows, err := q.Query(ctx, `select `+columns+` from parks `+where, args...)
	if err != nil {
		return nil, err
	}
	var d reader
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (parking.Park, error) { return d.park(row) })
}

// one is the first park found.
func (s *Store) one(ctx context.Context, q querier, where string, args ...any) (_ parking.Park, ok bool, err error) {
	found, err := s.parks(ctx, q, where, args...)
	if err != nil || len(found) == 0 {
		return parking.Park{}, false, err
	}
	return found[0], true, nil
}

// tooLate says who has, or had, the park.
func (s *Store) tooLate(ctx context.Context, id string) error {
	p, ok, err := s.one(ctx, s.db.Pool, `where id = $1`, id)
	if err != nil {
		return fmt.Errorf("park %s: %w", id, err)
	}
	if !ok {
		return &parking.NotParkedError{What: "park " + id}
	}
	return &parking.NotParkedError{What: "park " + id, Taken: &p}
}

// change locks a park, lets f decide what it becomes and with which events, and
// writes it. f may refuse by its error, or leave the park alone by ok = false.
func (s *Store) change(ctx context.Context, id string, f func(tx *pg.Tx, p parking.Park) (_ parking.Park, ok bool, _ []call.Event, _ error)) (parking.Park, bool, error) {
	var (
		p  parking.Park
		ok bool
	)
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		was, found, err := s.one(ctx, tx, `where id = $1 for update`, id)
		if err != nil {
			return err
		}
		if !found {
			return &parking.NotParkedError{What: "park " + id}
		}
		var events []call.Event
		if p, ok, events, err = f(tx, was); err != nil || !ok {
			return err
		}
		tx.Note(events...)
		write(tx, p)
		return nil
	})
	var np *parking.NotParkedError
	switch {
	case errors.As(err, &np):
		return parking.Park{}, false, err
	case err != nil:
		return parking.Park{}, false, fmt.Errorf("park %s: %w", id, err)
	}
	return p, ok, nil
}

// write stores what may change in a live park. Its job is written by expect.
func write(tx *pg.Tx, p parking.Park) {
	tx.Later(`update parks set node = $2, state = $3, next = $4, next_at = $5,
		claimed_by = $6, claimed_at = $7, claim_until = $8, note = $9 where id = $1`,
		p.ID, string(p.Node), string(p.State), p.Next, p.NextAt, p.ClaimedBy, when(p.ClaimedAt), when(p.ClaimUntil), p.Note)
}

// expect enqueues the park's next step in place of the one before.
func expect(ctx context.Context, tx *pg.Tx, p parking.Park) error {
	var id int64
	if j, ok := p.Pending(); ok {
		ids, err := tx.Enqueue(ctx, j)
		if err != nil {
			return err
		}
		id = ids[0]
	}
	_, err := tx.Exec(ctx, `update parks set job_id = $2 where id = $1`, p.ID, id)
	return err
}

// violated is the constraint that an error names, "" if it is about something else.
func violated(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) && (pe.Code == "23505" || pe.Code == "23503") {
		return pe.ConstraintName
	}
	return ""
}

// deadlocked: Postgres chose this transaction to give way; it may be tried again.
func deadlocked(err error) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && pe.Code == "40P01"
}
