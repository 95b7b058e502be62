package queuespg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/queues"
)

// Decide implements queues.Store.
func (s *Store) Decide(ctx context.Context, queue string, now time.Time,
	f func(queues.Queue, []queues.Entry, []queues.Agent, time.Time) []queues.Offer,
) ([]queues.Offer, error) {
	var made []queues.Offer
	err := s.change(ctx, func(c *change) error {
		// From here on new arrivals and agents who become free ask for the next round.
		tag, err := c.Exec(ctx, `update queues set round = round + 1 where name = $1`, queue)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return unknown("queue", queue)
		}
		rows, _ := c.Query(ctx, `select `+queueColumns+` from queues q where name = $1`, queue)
		q, err := pgx.CollectExactlyOneRow(rows, scanQueue)
		if err != nil {
			return err
		}
		rows, _ = c.Query(ctx, `select `+entryColumns+` from entries e
			where e.queue = $1 and not exists (select from offers o where o.call_id = e.call_id and o.queue = e.queue)`+
			inLine+` for update of e skip locked`, queue)
		waiting, err := pgx.CollectRows(rows, scanEntry)
		if err != nil || len(waiting) == 0 {
			return err
		}
		rows, _ = c.Query(ctx, `select `+agentColumns("$2")+` from agents a
			where a.state = 'idle' and a.status = 'available' and a.name in (select agent from queue_agents where queue = $1)
			order by a.name for no key update of a skip locked`, queue, now)
		free, err := pgx.CollectRows(rows, scanAgent)
		if err != nil {
			return err
		}
		made = queues.Possible(f(q, waiting, free, now), waiting, free, now)
		for _, o := range made {
			c.enqueue(job.Job{Args: queues.Ring{Offer: o.ID}, Queue: job.OfNode(string(o.Node))})
		}
		c.make(made, free, now)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("decide queue %s: %w", queue, err)
	}
	return made, nil
}

// make stores offers and reserves their agents, who are locked and idle.
func (c *change) make(offers []queues.Offer, locked []queues.Agent, now time.Time) {
	byName := make(map[string]queues.Agent, len(locked))
	for _, a := range locked {
		byName[a.Name] = a
	}
	var reserved []queues.Agent
	for _, o := range offers {
		c.Later(`insert into offers (id, call_id, node, queue, made_at, until, joined_at) values ($1, $2, $3, $4, $5, $6, $7)`,
			o.ID, o.Call, o.Node, o.Queue, o.At, o.Until, null(o.JoinedAt))
		c.Later(`insert into offer_agents (offer, agent, position) select $1, name, n from unnest($2::text[]) with ordinality x (name, n)`,
			o.ID, o.Agents)
		for _, name := range o.Agents {
			a := byName[name]
			a.Reserve(o.Call, now)
			reserved = append(reserved, a)
			c.note(o.Fact(call.OfferMade, name, now, nil))
		}
	}
	c.writeAgents(reserved...)
}

// Reserve implements queues.Store.
func (s *Store) Reserve(ctx context.Context, o queues.Offer, whoever bool) (queues.Offer, error) {
	if o.ID == "" {
		o.ID = call.NewID("ofr", o.At)
	}
	asked := o.Agents
	err := s.change(ctx, func(c *change) error {
		o.Agents = nil
		locked, err := c.lockAgents(ctx, asked...)
		if err != nil {
			return err
		}
		reachable := map[string]bool{}
		for _, a := range locked {
			reachable[a.Name] = a.Reachable(whoever)
		}
		for _, name := range asked {
			if reachable[name] {
				o.Agents = append(o.Agents, name)
				delete(reachable, name) // once
			}
		}
		if len(o.Agents) == 0 {
			return nil
		}
		c.make([]queues.Offer{o}, locked, o.At)
		return nil
	})
	if err != nil {
		return o, fmt.Errorf("reserve for %s: %w", o.Call, err)
	}
	return o, nil
}
