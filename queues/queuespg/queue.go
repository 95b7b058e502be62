package queuespg

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

// Queue implements queues.Store.
func (s *Store) Queue(ctx context.Context, name string) (queues.Queue, error) {
	rows, _ := s.db.Pool.Query(ctx, `select `+queueColumns+` from queues q where name = $1`, name)
	q, err := one(rows, scanQueue, unknown("queue", name))
	if err != nil {
		return q, fmt.Errorf("read queue %s: %w", name, err)
	}
	return q, nil
}

// Queues implements queues.Store.
func (s *Store) Queues(ctx context.Context) ([]queues.Queue, error) {
	rows, _ := s.db.Pool.Query(ctx, `select `+queueColumns+` from queues q order by name`)
	all, err := pgx.CollectRows(rows, scanQueue)
	if err != nil {
		return nil, fmt.Errorf("read queues: %w", err)
	}
	return all, nil
}

// SaveQueue implements queues.Store.
func (s *Store) SaveQueue(ctx context.Context, q queues.Queue) error {
	q = q.WithDefaults()
	if err := q.Validate(); err != nil {
		return err
	}
	err := s.change(ctx, func(c *change) error {
		names := make([]string, len(q.Agents))
		tiers, places := make([]int, len(q.Agents)), make([]int, len(q.Agents))
		for i, a := range q.Agents {
			names[i], tiers[i], places[i] = a.Agent, a.Tier, a.Order
		}
		rows, _ := c.Query(ctx, `select n from unnest($1::text[]) n where not exists (select from agents where name = n) order by n`, names)
		strangers, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if len(strangers) > 0 {
			return unknown("agent", strangers[0])
		}
		// An identifier is no fact: it may take its time from the clock.
		id := cmp.Or(q.ID, call.NewID("que", time.Now()))
		if _, err := c.Exec(ctx, `
			insert into queues (id, name, strategy, ring_ms, retry_ms, wrap_up_ms, max_wait_ms, target_ms, max_len, music)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			on conflict (name) do update set strategy = excluded.strategy, ring_ms = excluded.ring_ms, retry_ms = excluded.retry_ms,
				wrap_up_ms = excluded.wrap_up_ms, max_wait_ms = excluded.max_wait_ms, target_ms = excluded.target_ms,
				max_len = excluded.max_len, music = excluded.music`,
			id, q.Name, q.Strategy, q.Ring.Milliseconds(), q.Retry.Milliseconds(), q.WrapUp.Milliseconds(),
			q.MaxWait.Milliseconds(), q.Target.Milliseconds(), q.MaxLen, q.Music); err != nil {
			return err
		}
		if _, err := c.Exec(ctx, `delete from queue_agents where queue = $1 and agent <> all ($2::text[])`, q.Name, names); err != nil {
			return err
		}
		if _, err := c.Exec(ctx, `insert into queue_agents (queue, agent, tier, position)
			select $1, * from unnest($2::text[], $3::int[], $4::int[])
			on conflict (queue, agent) do update set tier = excluded.tier, position = excluded.position`, q.Name, names, tiers, places); err != nil {
			return err
		}
		c.wake(q.Name)
		return nil
	})
	if err != nil {
		return fmt.Errorf("save queue %s: %w", q.Name, err)
	}
	return nil
}

// DeleteQueue implements queues.Store.
func (s *Store) DeleteQueue(ctx context.Context, name string) error {
	err := s.change(ctx, func(c *change) error {
		var waiting int
		if err := c.QueryRow(ctx, `select count(e) from queues q left join entries e on e.queue = q.name where q.name = $1`, name).Scan(&waiting); err != nil {
			return err
		}
		if waiting > 0 {
			return &queues.InUseError{Queue: name, Waiting: waiting}
		}
		tag, err := c.Exec(ctx, `delete from queues where name = $1`, name)
		if err == nil && tag.RowsAffected() == 0 {
			return unknown("queue", name)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("delete queue %s: %w", name, err)
	}
	return nil
}
