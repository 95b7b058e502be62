package queuespg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/queues"
)

const entryColumns = `e.call_id, e.node, e.queue, e.park, e.from_number, e.from_name, e.priority, e.joined_at, e.tried, e.next_at, e.owner, e.reach, e.first_at`

const inLine = ` order by e.first_at desc nulls last, e.priority desc, e.joined_at, e.call_id`

func scanEntry(row pgx.CollectableRow) (queues.Entry, error) {
	var e queues.Entry
	var joined, next, first *time.Time
	err := row.Scan(&e.Call, &e.Node, &e.Queue, &e.Park, &e.From, &e.Name, &e.Priority, &joined, &e.Tried, &next, &e.Owner, &e.Reach, &first)
	e.JoinedAt, e.NextAt, e.FirstAt = zero(joined), zero(next), zero(first)
	return e, err
}

// reachOf is what is stored of who may be offered the call, null if everybody may.
func reachOf(e queues.Entry) any {
	if len(e.Reach) == 0 {
		return nil
	}
	return e.Reach
}

// Join implements queues.Store.
func (s *Store) Join(ctx context.Context, e queues.Entry, now time.Time) error {
	err := s.change(ctx, func(c *change) error {
		round, err := c.lockQueue(ctx, e.Queue)
		if err != nil {
			return err
		}
		if again, err := c.rejoin(ctx, e); again || err != nil {
			return err
		}
		if err := c.admit(ctx, e.Queue, now); err != nil {
			return err
		}
		if e.JoinedAt.IsZero() {
			e.JoinedAt = now
		}
		c.enter(e, round, e.JoinedFact("", call.Actor{}, now), now)
		return nil
	})
	if err != nil {
		return fmt.Errorf("join %s: %w", e.Call, err)
	}
	return nil
}

// lockQueue keeps the line from outgrowing its bound, and decisions out.
func (c *change) lockQueue(ctx context.Context, name string) (round int64, err error) {
	err = c.QueryRow(ctx, `select round from queues where name = $1 for no key update`, name).Scan(&round)
	if errors.Is(err, pgx.ErrNoRows) {
		err = unknown("queue", name)
	}
	return round, err
}

// enter puts an entry in line that has been admitted.
func (c *change) enter(e queues.Entry, round int64, fact call.Event, now time.Time) {
	c.Later(`
		insert into entries (call_id, queue, node, park, from_number, from_name, priority, joined_at, tried, next_at, owner, reach)
		values ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, '{}'::text[]), $10, $11, $12)`,
		e.Call, e.Queue, e.Node, e.Park, string(e.From), e.Name, e.Priority, e.JoinedAt, e.Tried, null(e.NextAt), e.Owner, reachOf(e))
	c.note(fact)
	c.enqueue(job.Job{Args: queues.Distribute{Queue: e.Queue, Round: round}, Queue: job.Dispatch, Unique: true})
	for _, at := range e.Widens(now) {
		at = queues.RetryAt(at)
		c.enqueue(job.Job{Args: queues.Distribute{Queue: e.Queue, Round: round, At: at}, At: at, Queue: job.Dispatch, Unique: true})
	}
}

// rejoin reports whether the call waits already. It skips an entry that is
// locked: its call is just being answered or leaving, which will be true the
// moment we would be let in. Waiting for it with the queue locked could be for ever.
func (c *change) rejoin(ctx context.Context, e queues.Entry) (bool, error) {
	var waits bool
	if err := c.QueryRow(ctx, `select exists (select from entries where call_id = $1 and queue = $2)`, e.Call, e.Queue).Scan(&waits); err != nil || !waits {
		return false, err
	}
	rows, _ := c.Query(ctx, `select `+entryColumns+` from entries e where call_id = $1 and queue = $2 for update skip locked`, e.Call, e.Queue)
	found, err := pgx.CollectRows(rows, scanEntry)
	if err != nil || len(found) == 0 {
		return true, err
	}
	old := found[0]
	old.Rejoin(e)
	_, err = c.Exec(ctx, `update entries set park = $3, from_name = $4, owner = $5 where call_id = $1 and queue = $2`,
		e.Call, e.Queue, old.Park, old.Name, old.Owner)
	return true, err
}

func (c *change) admit(ctx context.Context, queue string, now time.Time) error {
	rows, _ := c.Query(ctx, `select `+queueColumns+` from queues q where name = $1`, queue)
	q, err := pgx.CollectExactlyOneRow(rows, scanQueue)
	if err != nil {
		return err
	}
	rows, _ = c.Query(ctx, `select `+agentColumns("$2")+` from agents a join queue_agents m on m.agent = a.name where m.queue = $1`, queue, now)
	agents, err := pgx.CollectRows(rows, scanAgent)
	if err != nil {
		return err
	}
	var waiting int
	if err := c.QueryRow(ctx, `select count(*) from entries where queue = $1`, queue).Scan(&waiting); err != nil {
		return err
	}
	if why := queues.Refusal(q, waiting, agents); why != "" {
		return &queues.RefusedError{Queue: queue, Why: why}
	}
	return nil
}

// Leave implements queues.Store. Offers of the queue for the call are withdrawn.
func (s *Store) Leave(ctx context.Context, id call.ID, queue, outcome string, by call.Actor, now time.Time) error {
	err := s.change(ctx, func(c *change) error {
		_, err := c.leave(ctx, id, queue, map[string]any{"outcome": outcome}, by, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s leaves queue %s: %w", id, queue, err)
	}
	return nil
}

func (c *change) leave(ctx context.Context, id call.ID, queue string, how map[string]any, by call.Actor, now time.Time) (left bool, err error) {
	e, err := c.lockEntry(ctx, id, queue)
	if err != nil {
		return false, err
	}
	if err := c.withdrawAll(ctx, id, queue, now); err != nil || e == nil {
		return false, err
	}
	c.drop(*e, how, by, now)
	return true, nil
}

// withdrawAll ends the queue's open offers of a call.
func (c *change) withdrawAll(ctx context.Context, id call.ID, queue string, now time.Time) error {
	rows, _ := c.Query(ctx, `select id from offers where call_id = $1 and queue = $2 order by id`, id, queue)
	open, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, offer := range open {
		if _, err := c.withdraw(ctx, offer, now); err != nil {
			return err
		}
	}
	return nil
}

// lockEntry returns nil when the call does not wait there.
func (c *change) lockEntry(ctx context.Context, id call.ID, queue string) (*queues.Entry, error) {
	rows, _ := c.Query(ctx, `select `+entryColumns+` from entries e where call_id = $1 and queue = $2 for update`, id, queue)
	found, err := pgx.CollectRows(rows, scanEntry)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// drop takes a locked entry out of line.
func (c *change) drop(e queues.Entry, how map[string]any, by call.Actor, now time.Time) {
	c.Later(`delete from entries where call_id = $1 and queue = $2`, e.Call, e.Queue)
	c.note(e.Fact(call.QueueLeft, by, now, how))
}

// Waiting implements queues.Store.
func (s *Store) Waiting(ctx context.Context, queue string) ([]queues.Entry, error) {
	rows, _ := s.db.Pool.Query(ctx, `select `+entryColumns+` from entries e where $1 in ('', queue)`+inLine, queue)
	line, err := pgx.CollectRows(rows, scanEntry)
	if err != nil {
		return nil, fmt.Errorf("read who waits in %s: %w", queue, err)
	}
	return line, nil
}
