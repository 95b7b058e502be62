// Package callbackpg keeps callbacks in Postgres.
package callbackpg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/callback"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
)

// Store keeps callbacks. Safe for use by many goroutines and many nodes.
type Store struct{ db *pg.DB }

// New makes a store on a migrated database.
func New(db *pg.DB) *Store { return &Store{db} }

const columns = `id, call_id, number, name, to_number, queue, owner, priority, joined_at, first, tries, retry_ms, until, flow, version, subflows, node,
	made_at, due_at, state, begun, tried, hub, last_call, result, ended_at`

func scan(row pgx.CollectableRow) (c callback.Callback, err error) {
	var joined, ended *time.Time
	var retry int64
	err = row.Scan(&c.ID, &c.Call, &c.Number, &c.Name, &c.To, &c.Queue, &c.Owner, &c.Priority, &joined, &c.First, &c.Tries, &retry, &c.Until,
		&c.Flow, &c.Version, &c.Subflows, &c.Node, &c.MadeAt, &c.Due, &c.State, &c.Begun, &c.Tried, &c.Hub, &c.Last, &c.Result, &ended)
	c.Retry = time.Duration(retry) * time.Millisecond
	if joined != nil {
		c.JoinedAt = joined.UTC()
	}
	if ended != nil {
		c.EndedAt = ended.UTC()
	}
	return c, err
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// find reads the callbacks that a condition holds for.
func find(ctx context.Context, q querier, where string, args ...any) ([]callback.Callback, error) {
	rows, _ := q.Query(ctx, `select `+columns+` from callbacks where `+where, args...)
	return pgx.CollectRows(rows, scan)
}

// locked reads one and keeps others from changing it. *callback.UnknownError.
func locked(ctx context.Context, tx *pg.Tx, id string) (callback.Callback, error) {
	found, err := find(ctx, tx, `id = $1 for update`, id)
	if err == nil && len(found) == 0 {
		err = &callback.UnknownError{ID: id}
	}
	if err != nil {
		return callback.Callback{}, err
	}
	return found[0], nil
}

// write stores what changes in the life of a callback.
func write(tx *pg.Tx, c callback.Callback) {
	tx.Later(`update callbacks set due_at = $2, state = $3, begun = $4, tried = $5, hub = $6, last_call = $7, result = $8, ended_at = $9 where id = $1`,
		c.ID, c.Due, c.State, c.Begun, c.Tried, c.Hub, c.Last, c.Result, known(c.EndedAt))
}

func due(ctx context.Context, tx *pg.Tx, c callback.Callback) error {
	_, err := tx.Enqueue(ctx, job.Job{Args: callback.Due{Callback: c.ID, Begun: c.Begun}, At: c.Due, Queue: job.Dispatch, Unique: true})
	return err
}

// Schedule keeps a promise, with the job that carries it out. A number that is
// owed a call already is owed no second one: the open one is returned.
func (s *Store) Schedule(ctx context.Context, c callback.Callback) (callback.Callback, error) {
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		tag, err := tx.Exec(ctx, `insert into callbacks
			(id, call_id, number, name, to_number, queue, owner, priority, joined_at, first, tries, retry_ms, until, flow, version, subflows, node, made_at, due_at)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) on conflict do nothing`,
			c.ID, c.Call, c.Number, c.Name, c.To, c.Queue, c.Owner, c.Priority, known(c.JoinedAt), c.First, c.Tries, c.Retry.Milliseconds(), c.Until,
			c.Flow, c.Version, c.Subflows, c.Node, c.MadeAt, c.Due)
		if err != nil {
			return err
		}
		more := map[string]any{"due_at": c.Due, "first": c.First}
		asked, at := c.Call, c.MadeAt
		if tag.RowsAffected() == 0 {
			open, err := find(ctx, tx, `number = $1 and state in ('waiting', 'calling')`, c.Number)
			if err != nil {
				return err
			}
			if len(open) == 0 { // it has ended this moment, or this is the same wish once more
				return nil
			}
			c = open[0]
			more = map[string]any{"due_at": c.Due, "first": c.First, "owed_already": true}
		} else if err := due(ctx, tx, c); err != nil {
			return err
		}
		tx.Note(c.Fact(call.CallbackScheduled, asked, call.Actor{Via: "flow"}, at, more))
		return nil
	})
	if err != nil {
		return c, fmt.Errorf("schedule a callback for %s: %w", c.Call, err)
	}
	c.State = callback.Waiting
	return c, nil
}

// Begin begins an attempt as the call given, once: no is said to a job that comes
// twice, or for a callback that is over.
func (s *Store) Begin(ctx context.Context, d callback.Due, hub call.NodeID, as call.ID, now time.Time) (c callback.Callback, ok bool, err error) {
	err = s.db.In(ctx, func(tx *pg.Tx) error {
		c, err = locked(ctx, tx, d.Callback)
		var unknown *callback.UnknownError
		if errors.As(err, &unknown) {
			return nil
		}
		if err != nil || c.State != callback.Waiting || c.Begun != d.Begun {
			return err
		}
		ok = true
		c.State, c.Hub, c.Last = callback.Calling, hub, as
		c.Begun++
		write(tx, c)
		return nil
	})
	if err != nil {
		return c, false, fmt.Errorf("begin callback %s: %w", d.Callback, err)
	}
	return c, ok, nil
}

// Standing tells whether an attempt is still wanted: the caller may have called
// again, or somebody may have cancelled it.
func (s *Store) Standing(ctx context.Context, id string, as call.ID) (bool, error) {
	var yes bool
	err := s.db.Pool.QueryRow(ctx, `select exists (select 1 from callbacks where id = $1 and state = 'calling' and last_call = $2)`, id, as).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("look at callback %s: %w", id, err)
	}
	return yes, nil
}

// Settle writes down what came of an attempt, in the ledgers of its call and of
// the first, and has it tried again if it is to be. An attempt that is not the
// one under way is left alone.
func (s *Store) Settle(ctx context.Context, id string, as call.ID, o callback.Outcome, now time.Time) error {
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		c, err := locked(ctx, tx, id)
		var unknown *callback.UnknownError
		if errors.As(err, &unknown) {
			return nil
		}
		if err != nil || c.State != callback.Calling || c.Last != as {
			return err
		}
		return settle(ctx, tx, c, o, now)
	})
	if err != nil {
		return fmt.Errorf("settle callback %s: %w", id, err)
	}
	return nil
}

func settle(ctx context.Context, tx *pg.Tx, c callback.Callback, o callback.Outcome, now time.Time) error {
	c = c.After(o, now)
	write(tx, c)
	more := map[string]any{"result": o.What, "state": string(c.State), "tried": c.Tried, "tries": c.Tries, "as": c.Last}
	if c.State == callback.Waiting {
		more["due_at"] = c.Due
		if err := due(ctx, tx, c); err != nil {
			return err
		}
	}
	tx.Note(c.Fact(call.CallbackResult, c.Last, call.Actor{}, now, more), c.Fact(call.CallbackResult, c.Call, call.Actor{}, now, more))
	return nil
}

// Cancel ends a callback that is open. *callback.UnknownError, callback.ErrOver.
func (s *Store) Cancel(ctx context.Context, id, why string, by call.Actor, now time.Time) (c callback.Callback, err error) {
	err = s.db.In(ctx, func(tx *pg.Tx) error {
		if c, err = locked(ctx, tx, id); err != nil {
			return err
		}
		if !c.State.Open() {
			return callback.ErrOver
		}
		c = cancel(tx, c, why, by, now)
		return nil
	})
	if err != nil {
		return c, fmt.Errorf("cancel callback %s: %w", id, err)
	}
	return c, nil
}

func cancel(tx *pg.Tx, c callback.Callback, why string, by call.Actor, now time.Time) callback.Callback {
	c.State, c.Result, c.EndedAt = callback.Cancelled, why, now
	write(tx, c)
	tx.Note(c.Fact(call.CallbackCancelled, c.Call, by, now, map[string]any{"why": why}))
	return c
}

// Supersede cancels what a number is owed because it calls again, and says what
// that was.
func (s *Store) Supersede(ctx context.Context, n call.Number, by call.ID, now time.Time) (c callback.Callback, ok bool, err error) {
	var id string
	err = s.db.Pool.QueryRow(ctx, `select id from callbacks where number = $1 and state in ('waiting', 'calling')`, n).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, false, nil
	}
	if err == nil {
		err = s.db.In(ctx, func(tx *pg.Tx) error {
			if c, err = locked(ctx, tx, id); err != nil || !c.State.Open() {
				return err
			}
			ok = true
			c = cancel(tx, c, "called_again", call.Actor{Via: "caller"}, now)
			tx.Note(c.Fact(call.CallbackCancelled, by, call.Actor{Via: "caller"}, now, map[string]any{"why": "called_again"}))
			return nil
		})
	}
	if err != nil {
		return c, false, fmt.Errorf("callback of who calls again: %w", err)
	}
	return c, ok, nil
}

// Reset has the attempts tried again that a node was carrying out when it died.
func (s *Store) Reset(ctx context.Context, hub call.NodeID, now time.Time) error {
	cut, err := find(ctx, s.db.Pool, `hub = $1 and state = 'calling'`, hub)
	for _, c := range cut {
		if err == nil {
			err = s.Settle(ctx, c.ID, c.Last, callback.Outcome{What: callback.Stopped, Again: now.Add(callback.Soon)}, now)
		}
	}
	if err != nil {
		return fmt.Errorf("callbacks of node %s: %w", hub, err)
	}
	return nil
}

// Callback reads one. *callback.UnknownError.
func (s *Store) Callback(ctx context.Context, id string) (callback.Callback, error) {
	found, err := find(ctx, s.db.Pool, `id = $1`, id)
	if err == nil && len(found) == 0 {
		err = &callback.UnknownError{ID: id}
	}
	if err != nil {
		return callback.Callback{}, fmt.Errorf("read callback: %w", err)
	}
	return found[0], nil
}

// Callbacks lists them, the latest first.
func (s *Store) Callbacks(ctx context.Context, f callback.Filter) ([]callback.Callback, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	list, err := find(ctx, s.db.Pool, `($1 = '' or state = $1) and ($2 = '' or number = $2) and (not $3 or state in ('waiting', 'calling'))
		and ($4 = '' or id < $4) order by id desc limit $5`, f.State, f.Number, f.Open, f.Before, f.Limit)
	if err != nil {
		return nil, fmt.Errorf("list callbacks: %w", err)
	}
	return list, nil
}
