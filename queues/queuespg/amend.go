package queuespg

import (
	"context"
	"fmt"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

// Amend implements queues.Store.
func (s *Store) Amend(ctx context.Context, id call.ID, queue string, a queues.Amendment, by call.Actor, now time.Time) (queues.Entry, error) {
	var e queues.Entry
	err := s.change(ctx, func(c *change) error {
		was, err := c.lockEntry(ctx, id, queue)
		if err != nil {
			return err
		}
		if was == nil {
			return &queues.NotWaitingError{Call: id, Queue: queue}
		}
		var reordered bool
		if e, reordered = was.Amended(a, now); reordered {
			c.note(e.ReorderedFact(by, now))
		}
		if a.Widen != nil {
			c.wake(queue)
		}
		c.Later(`update entries set priority = $3, first_at = $4, park = $5, reach = $6 where call_id = $1 and queue = $2`,
			id, queue, e.Priority, null(e.FirstAt), e.Park, reachOf(e))
		return nil
	})
	if err != nil {
		return e, fmt.Errorf("amend %s in queue %s: %w", id, queue, err)
	}
	return e, nil
}

// Switch implements queues.Store.
func (s *Store) Switch(ctx context.Context, id call.ID, from, to string, by call.Actor, now time.Time) (queues.Entry, error) {
	var next queues.Entry
	err := s.change(ctx, func(c *change) error {
		there, err := c.lockEntry(ctx, id, to)
		if err != nil {
			return err
		}
		if there != nil {
			next = *there
			return nil
		}
		e, err := c.lockEntry(ctx, id, from)
		if err != nil {
			return err
		}
		if e != nil {
			if err := c.withdrawAll(ctx, id, from, now); err != nil {
				return err
			}
		}
		round, err := c.lockQueue(ctx, to)
		if err != nil {
			return err
		}
		if e == nil {
			return &queues.NotWaitingError{Call: id, Queue: from}
		}
		if err := c.admit(ctx, to, now); err != nil {
			return err
		}
		next = e.Into(to)
		c.drop(*e, map[string]any{"outcome": queues.OutcomeMoved, "to": to}, by, now)
		c.enter(next, round, next.JoinedFact(from, by, now), now)
		return nil
	})
	if err != nil {
		return next, fmt.Errorf("%s changes from queue %s to %s: %w", id, from, to, err)
	}
	return next, nil
}
