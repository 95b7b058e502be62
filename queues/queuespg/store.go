// Package queuespg keeps queues, agents, entries and offers in Postgres.
//
// Locks are always taken in the same order, so that no two changes can wait for
// each other: entries, agents (by name), offers, queues (by name), and last the
// rows of calls, which the ledger locks. Decide alone begins with its queue; it
// never waits for an entry or an agent but skips those that are locked, because
// whoever holds one of them enqueues a Distribute if it leaves work behind.
package queuespg

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/queues"
)

var _ queues.Store = (*Store)(nil)

// Store is queues.Store in Postgres. The counts of devices in what Agent and
// Agents return are the only values that come from the database's clock.
type Store struct{ db *pg.DB }

// New keeps queues in a migrated database.
func New(db *pg.DB) *Store { return &Store{db: db} }

// change is one transaction and what is to be written at its end.
type change struct {
	*pg.Tx
	awake map[string]bool      // queues to distribute at once
	later map[string]time.Time // queues to distribute then
	jobs  []job.Job
	facts []call.Event

	serves map[string][]string // of agents whose queues were read already
}

func (s *Store) change(ctx context.Context, f func(*change) error) error {
	return s.db.In(ctx, func(tx *pg.Tx) error {
		c := &change{Tx: tx, awake: map[string]bool{}, later: map[string]time.Time{}}
		if err := f(c); err != nil {
			return err
		}
		return c.finish(ctx)
	})
}

func (c *change) note(e ...call.Event)  { c.facts = append(c.facts, e...) }
func (c *change) enqueue(j ...job.Job)  { c.jobs = append(c.jobs, j...) }
func (c *change) wake(queues ...string) { c.wakeAt(time.Time{}, queues...) }

// wakeAt has the queues distributed then, at once when at is zero.
func (c *change) wakeAt(at time.Time, queues ...string) {
	for _, q := range queues {
		if at.IsZero() {
			c.awake[q] = true
		} else {
			c.later[q] = at
		}
	}
}

func (c *change) finish(ctx context.Context) error {
	if err := c.distribute(ctx); err != nil {
		return err
	}
	if _, err := c.Enqueue(ctx, c.jobs...); err != nil {
		return err
	}
	c.Note(c.facts...)
	return nil
}

// distribute enqueues Distribute for the queues to wake in which somebody waits.
// The share lock makes it certain that a decision either sees this change or
// comes after it, in which case the round says so.
func (c *change) distribute(ctx context.Context) error {
	var names []string
	for q := range c.awake {
		names = append(names, q)
	}
	for q := range c.later {
		names = append(names, q)
	}
	if len(names) == 0 {
		return nil
	}
	c.Later(`select 1 from queues where name = any($1) order by name for share`, names)
	rows, _ := c.Query(ctx, `select name, round from queues
		where name = any($1) and exists (select from entries where queue = name) order by name`, names)
	type line struct {
		Name  string
		Round int64
	}
	lines, err := pgx.CollectRows(rows, pgx.RowToStructByPos[line])
	if err != nil {
		return err
	}
	for _, q := range lines {
		if c.awake[q.Name] {
			c.enqueue(job.Job{
				Args:  queues.Distribute{Queue: q.Name, Round: q.Round},
				Queue: job.Dispatch, Unique: true,
			})
		}
		if at, ok := c.later[q.Name]; ok {
			at = queues.RetryAt(at)
			c.enqueue(job.Job{
				Args: queues.Distribute{Queue: q.Name, Round: q.Round, At: at},
				At:   at, Queue: job.Dispatch, Unique: true,
			})
		}
	}
	return nil
}

const queuesOf = `select distinct queue from queue_agents where agent = any($1)`

// queuesOf are the queues that the agents serve.
func (c *change) queuesOf(ctx context.Context, agents ...string) ([]string, error) {
	if len(agents) == 1 {
		if serves, ok := c.serves[agents[0]]; ok {
			return serves, nil
		}
	}
	rows, _ := c.Query(ctx, queuesOf, agents)
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// wakeFor wakes the queues that the agents serve.
func (c *change) wakeFor(ctx context.Context, agents ...string) error {
	if len(agents) == 0 {
		return nil
	}
	names, err := c.queuesOf(ctx, agents...)
	c.wake(names...)
	return err
}

const queueColumns = `q.id, q.name, q.strategy, q.ring_ms, q.retry_ms, q.wrap_up_ms, q.max_wait_ms, q.target_ms, q.max_len, q.music,
	coalesce((select json_agg(json_build_object('agent', a.agent, 'tier', a.tier, 'order', a.position) order by a.tier, a.position, a.agent)
	          from queue_agents a where a.queue = q.name), '[]')`

func scanQueue(row pgx.CollectableRow) (queues.Queue, error) {
	var q queues.Queue
	var ring, retry, wrapUp, maxWait, target int64
	var agents []byte
	err := row.Scan(&q.ID, &q.Name, &q.Strategy, &ring, &retry, &wrapUp, &maxWait, &target, &q.MaxLen, &q.Music, &agents)
	if err != nil {
		return q, err
	}
	q.Ring, q.Retry, q.WrapUp = millis(ring), millis(retry), millis(wrapUp)
	q.MaxWait, q.Target = millis(maxWait), millis(target)
	return q, json.Unmarshal(agents, &q.Agents)
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// one reads exactly one row; missing is returned when there is none.
func one[T any](rows pgx.Rows, scan pgx.RowToFunc[T], missing error) (T, error) {
	v, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		err = missing
	}
	return v, err
}

func unknown(kind, name string) error { return &queues.UnknownError{Kind: kind, Name: name} }

// null stores a zero time as null.
func null(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// zero reads null as a zero time.
func zero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
