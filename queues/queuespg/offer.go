package queuespg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/queues"
)

const offerColumns = `o.id, o.call_id, o.node, o.queue, o.made_at, o.until, o.joined_at,
	array(select a.agent from offer_agents a where a.offer = o.id order by a.position)`

func scanOffer(row pgx.CollectableRow) (queues.Offer, error) {
	var o queues.Offer
	var joined *time.Time
	err := row.Scan(&o.ID, &o.Call, &o.Node, &o.Queue, &o.At, &o.Until, &joined, &o.Agents)
	o.JoinedAt = zero(joined)
	return o, err
}

// Offer implements queues.Store.
func (s *Store) Offer(ctx context.Context, id string) (queues.Offer, error) {
	rows, _ := s.db.Pool.Query(ctx, `select `+offerColumns+` from offers o where id = $1`, id)
	o, err := one(rows, scanOffer, &queues.TooLateError{Offer: id})
	if err != nil {
		return o, fmt.Errorf("read offer: %w", err)
	}
	return o, nil
}

// lockOffer locks what an offer holds, in order: its entry (nil if there is
// none), its agents, itself. *queues.TooLateError when it is over.
func (c *change) lockOffer(ctx context.Context, id string) (queues.Offer, *queues.Entry, []queues.Agent, error) {
	tooLate := &queues.TooLateError{Offer: id}
	rows, _ := c.Query(ctx, `select `+offerColumns+` from offers o where id = $1`, id)
	o, err := one(rows, scanOffer, tooLate)
	if err != nil {
		return o, nil, nil, err
	}
	var e *queues.Entry
	if o.Queue != "" {
		if e, err = c.lockEntry(ctx, o.Call, o.Queue); err != nil {
			return o, nil, nil, err
		}
	}
	// In one round trip, and the offer again now that nobody else can end it: the
	// first look saw an older state. An offer never gains agents, so that those
	// locked suffice.
	var b pgx.Batch
	b.Queue(lockAgents, o.Agents)
	b.Queue(`select 1 from offers where id = $1 for update`, id)
	b.Queue(`select `+offerColumns+` from offers o where id = $1`, id)
	res := c.SendBatch(ctx, &b)
	defer func() { _ = res.Close() }()
	rows, _ = res.Query()
	agents, err := pgx.CollectRows(rows, scanAgent)
	if err != nil {
		return o, nil, nil, err
	}
	if _, err := res.Exec(); err != nil {
		return o, nil, nil, err
	}
	rows, _ = res.Query()
	if o, err = one(rows, scanOffer, tooLate); err != nil {
		return o, nil, nil, err
	}
	agents = slices.DeleteFunc(agents, func(a queues.Agent) bool { return !slices.Contains(o.Agents, a.Name) })
	return o, e, agents, nil
}

// withdraw ends an offer that nobody answered: its agents are free again. One
// that is over is left alone.
func (c *change) withdraw(ctx context.Context, id string, now time.Time) (bool, error) {
	o, _, agents, err := c.lockOffer(ctx, id)
	if err != nil {
		var over *queues.TooLateError
		if errors.As(err, &over) {
			return false, nil
		}
		return false, err
	}
	return true, c.release(ctx, o, agents, now)
}

// release frees locked agents of a locked offer and deletes it.
func (c *change) release(ctx context.Context, o queues.Offer, agents []queues.Agent, now time.Time) error {
	c.Later(`delete from offers where id = $1`, o.ID)
	names := make([]string, len(agents))
	for i := range agents {
		agents[i].Rest(now)
		names[i] = agents[i].Name
		c.note(o.MissFact(names[i], queues.Withdrawn, now))
	}
	c.writeAgents(agents...)
	return c.wakeFor(ctx, names...)
}

// Rang implements queues.Store.
func (s *Store) Rang(ctx context.Context, offer, agent string, now time.Time) error {
	err := s.change(ctx, func(c *change) error {
		var b pgx.Batch
		b.Queue(lockAgents, []string{agent})
		b.Queue(`select exists (select from offer_agents where offer = $1 and agent = $2)`, offer, agent)
		res := c.SendBatch(ctx, &b)
		rows, _ := res.Query()
		locked, err := pgx.CollectRows(rows, scanAgent)
		var in bool
		if err == nil {
			err = res.QueryRow().Scan(&in)
		}
		if err = errors.Join(err, res.Close()); err != nil {
			return err
		}
		if !in || len(locked) == 0 {
			return &queues.TooLateError{Offer: offer}
		}
		a := locked[0]
		a.Ring(now)
		c.writeAgents(a)
		return nil
	})
	if err != nil {
		return fmt.Errorf("phone of %s rang: %w", agent, err)
	}
	return nil
}

// Answer implements queues.Store.
func (s *Store) Answer(ctx context.Context, offer, agent string, now time.Time) error {
	err := s.change(ctx, func(c *change) error {
		o, e, agents, err := c.lockOffer(ctx, offer)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(agents, func(a queues.Agent) bool { return a.Name == agent })
		if i < 0 {
			return &queues.TooLateError{Offer: offer}
		}
		winner := agents[i]
		winner.Talk(o.Call, now)
		c.note(o.Fact(call.OfferAnswered, agent, now, nil))
		c.writeAgents(winner)
		if err := c.release(ctx, o, slices.Delete(agents, i, i+1), now); err != nil {
			return err
		}
		if e == nil {
			return nil
		}
		c.drop(*e, map[string]any{"outcome": "answered"}, call.Actor{User: agent, Via: "queue"}, now)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s answers: %w", agent, err)
	}
	return nil
}

// Miss implements queues.Store. A part of an offer that has ended is left alone.
func (s *Store) Miss(ctx context.Context, offer, agent, why string, now time.Time) error {
	err := s.change(ctx, func(c *change) error {
		o, e, agents, err := c.lockOffer(ctx, offer)
		if err != nil {
			return err
		}
		for i := range agents {
			if agents[i].Name == agent {
				if err := c.miss(ctx, o, e, &agents[i], why, now); err != nil {
					return err
				}
				c.writeAgents(agents[i])
				return nil
			}
		}
		return nil
	})
	var over *queues.TooLateError
	if err != nil && !errors.As(err, &over) {
		return fmt.Errorf("%s misses: %w", agent, err)
	}
	return nil
}

// miss ends an agent's part of a locked offer; the caller writes the agent.
func (c *change) miss(ctx context.Context, o queues.Offer, e *queues.Entry, a *queues.Agent, why string, now time.Time) error {
	last := len(o.Agents) == 1
	remove := `delete from offer_agents where offer = $1 and agent = $2`
	if last {
		remove = `delete from offers where id = $1 and $2 <> ''`
	}
	c.Later(remove, o.ID, a.Name)
	c.note(o.MissFact(a.Name, why, now))
	if a.Miss(why, now) {
		c.enqueue(job.Job{
			Args: queues.ForgiveAgent{Agent: a.Name, Since: now},
			At:   now.Add(queues.Forgiveness), Queue: job.Dispatch, Unique: true,
		})
	}
	serves, err := c.queuesOf(ctx, a.Name)
	if err != nil {
		return err
	}
	if why == queues.Withdrawn {
		c.wake(serves...)
	}
	if e == nil {
		c.wakeAt(now.Add(queues.DefaultRetry), serves...)
		return nil
	}
	var retry int64
	if err := c.QueryRow(ctx, `select retry_ms from queues where name = $1`, o.Queue).Scan(&retry); err != nil {
		return err
	}
	again := now.Add(millis(retry))
	c.wakeAt(again, serves...)
	if last {
		e.NextAt = again
		c.wakeAt(again, o.Queue)
	}
	if why != queues.Withdrawn {
		e.Passed(a.Name)
	}
	c.Later(`update entries set tried = coalesce($3, '{}'::text[]), next_at = $4 where call_id = $1 and queue = $2`,
		e.Call, e.Queue, e.Tried, null(e.NextAt))
	return nil
}

// Talk implements queues.Store. An offer that rings the agent meanwhile goes on
// without them.
func (s *Store) Talk(ctx context.Context, agent string, id call.ID, now time.Time) error {
	for range 5 {
		var moved bool
		err := s.change(ctx, func(c *change) (err error) {
			moved, err = c.talk(ctx, agent, id, now)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s talks: %w", agent, err)
		}
		if !moved {
			return nil
		}
	}
	return fmt.Errorf("%s talks: went from one offer to the next all the while", agent)
}

// talk reports that the agent's offer has changed meanwhile: the locks must be
// taken anew, in their order.
func (c *change) talk(ctx context.Context, agent string, id call.ID, now time.Time) (moved bool, err error) {
	const offerOf = `select offer from offer_agents where agent = $1`
	before, err := c.optional(ctx, offerOf, agent)
	if err != nil {
		return false, err
	}
	var a queues.Agent
	if before == "" {
		if a, err = c.lockAgent(ctx, agent); err != nil {
			return false, err
		}
		after, err := c.optional(ctx, offerOf, agent)
		if err != nil || after != "" {
			return true, err
		}
	} else {
		o, e, agents, err := c.lockOffer(ctx, before)
		var over *queues.TooLateError
		if err != nil && !errors.As(err, &over) {
			return false, err
		}
		i := slices.IndexFunc(agents, func(a queues.Agent) bool { return a.Name == agent })
		if i < 0 {
			return true, nil
		}
		why := queues.BusyPhone
		if o.Call == id {
			why = queues.Withdrawn
		}
		a = agents[i]
		if err := c.miss(ctx, o, e, &a, why, now); err != nil {
			return false, err
		}
	}
	a.Talk(id, now)
	c.writeAgents(a)
	return false, nil
}

// optional reads a string, "" if there is no row.
func (c *change) optional(ctx context.Context, sql string, args ...any) (string, error) {
	rows, _ := c.Query(ctx, sql, args...)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}
