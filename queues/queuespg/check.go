package queuespg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

// Check implements queues.Store. Each thing is mended in a transaction of its
// own. Queues with free agents where somebody waits are distributed, in case
// the job that should have done so was lost.
func (s *Store) Check(ctx context.Context, now time.Time) ([]string, error) {
	over := now.Add(-queues.CheckGrace)
	mended, err := s.mend(ctx, now, sweep{
		offers:  `select o.id from offers o left join calls c on c.id = o.call_id where o.until <= $1 or c.ended_at <= $2`,
		entries: `select e.call_id, e.queue from entries e join calls c on c.id = e.call_id where $1 >= c.ended_at and c.ended_at <= $2`,
		agents: `select a.name from agents a left join calls c on c.id = a.call_id
			where a.state = 'talking' and $1 >= c.ended_at and c.ended_at <= $2
			   or a.state in ('reserved', 'ringing') and not exists (select from offer_agents x where x.agent = a.name)`,
		outcome: queues.OutcomeEnded,
	}, now, over)
	if err != nil {
		return mended, fmt.Errorf("check queues: %w", err)
	}
	err = s.change(ctx, func(c *change) error {
		if _, err := c.Exec(ctx, `delete from devices where expires_at <= $1`, now); err != nil {
			return err
		}
		rows, _ := c.Query(ctx, `select distinct m.queue from queue_agents m join agents a on a.name = m.agent
			where a.state = 'idle' and a.status = 'available' and exists (select from devices d where d.agent = a.name)`)
		idle, err := pgx.CollectRows(rows, pgx.RowTo[string])
		c.wake(idle...)
		return err
	})
	if err != nil {
		return mended, fmt.Errorf("check queues: %w", err)
	}
	return mended, nil
}

// ResetNode frees what belongs to calls that a node carried before it crashed:
// to be called when it starts, before it takes calls.
func (s *Store) ResetNode(ctx context.Context, node call.NodeID, now time.Time) error {
	_, err := s.mend(ctx, now, sweep{
		offers:  `select id from offers where node = $1`,
		entries: `select call_id, queue from entries where node = $1`,
		agents:  `select a.name from agents a join calls c on c.id = a.call_id where a.state in ('talking', 'reserved', 'ringing') and c.node = $1`,
		outcome: "outage",
	}, node)
	if err != nil {
		return fmt.Errorf("reset node %s: %w", node, err)
	}
	return nil
}

// sweep finds what is to be mended: three queries with the same arguments.
type sweep struct {
	offers, entries, agents string
	outcome                 string // of entries
}

func (s *Store) mend(ctx context.Context, now time.Time, w sweep, args ...any) ([]string, error) {
	var mended []string
	did := func(format string, args ...any) { mended = append(mended, fmt.Sprintf(format, args...)) }

	rows, _ := s.db.Pool.Query(ctx, w.offers, args...)
	offers, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return mended, err
	}
	for _, id := range offers {
		err := s.change(ctx, func(c *change) error {
			queue, err := c.optional(ctx, `select queue from offers where id = $1`, id)
			if err != nil {
				return err
			}
			c.wake(queue)
			ended, err := c.withdraw(ctx, id, now)
			if ended {
				did("offer %s was past its time: withdrawn", id)
			}
			return err
		})
		if err != nil {
			return mended, err
		}
	}

	rows, _ = s.db.Pool.Query(ctx, w.entries, args...)
	entries, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		Call  call.ID
		Queue string
	}])
	if err != nil {
		return mended, err
	}
	for _, e := range entries {
		err := s.change(ctx, func(c *change) error {
			left, err := c.leave(ctx, e.Call, e.Queue, map[string]any{"outcome": w.outcome}, call.Actor{}, now)
			if left {
				did("%s waited in %s after its end: removed", e.Call, e.Queue)
			}
			return err
		})
		if err != nil {
			return mended, err
		}
	}

	rows, _ = s.db.Pool.Query(ctx, w.agents, args...)
	agents, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return mended, err
	}
	for _, name := range agents {
		err := s.live(ctx, "mend", name, func(c *change, a *queues.Agent) error {
			// What was seen may have passed: an offer holds its agent rightly, and who
			// talks must still talk on a call that is found.
			still, err := c.optional(ctx, `select 'yes' from (`+w.agents+`) x (name) where name = `+fmt.Sprintf("$%d", len(args)+1), append(args, name)...)
			if err != nil || still == "" {
				return err
			}
			did("agent %s was %s without a call: idle", name, a.State)
			a.Hangup(a.Call, 0, now)
			a.Rest(now)
			return c.wakeFor(ctx, name)
		})
		if err != nil {
			return mended, err
		}
	}
	return mended, nil
}
