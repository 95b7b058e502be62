package callctl

import (
	"context"
	"errors"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// enqueue puts the call in line with its original clock: beside its slot, or
// instead of it.
func (c *Call) enqueue(n int, s parking.Step) {
	priority, err := routing.EvalInt(orText(s.Priority, "0"), c.scope())
	if err != nil {
		c.log.Warn("priority not understood, using 0", "priority", s.Priority, "err", err)
	}
	p := c.stay.park
	switch {
	case c.line != nil && s.Leaves && c.line.queue == s.Queue:
		c.intoLine(n, c.stay)
		return
	case c.line != nil:
		c.stepResult(p.ID, n, "already_queued", nil)
		return
	}
	at := place{queue: s.Queue, since: p.ParkedAt, priority: priority, reach: firstReach(s)}
	c.standInLine(at, p.ID, func(err error) { // the call may have left the slot meanwhile
		var refused *queues.RefusedError
		switch {
		case errors.As(err, &refused):
			c.stepResult(p.ID, n, refused.Why, map[string]any{"queue": s.Queue})
		case err != nil:
			c.stepResult(p.ID, n, "failed", map[string]any{"error": err.Error()})
		case s.Leaves && c.stay != nil && c.stay.has(p.ID) && c.line != nil:
			c.intoLine(n, c.stay)
		default:
			c.stepResult(p.ID, n, "joined", map[string]any{"queue": s.Queue, "priority": priority})
		}
	})
}

// firstReach is who may be offered a call that a step puts in line; none: everybody
// who serves the queue.
func firstReach(s parking.Step) []queues.Reach {
	if s.Tier == nil && len(s.Skills) == 0 {
		return nil
	}
	r := queues.Reach{Tier: -1, Skills: s.Skills}
	if s.Tier != nil {
		r.Tier = *s.Tier
	}
	return []queues.Reach{r}
}

// widen lets more agents of the queue take the call.
func (c *Call) widen(n int, s parking.Step) {
	park := c.stay.park.ID
	if c.line == nil {
		c.stepResult(park, n, "not_queued", nil)
		return
	}
	queue, a := c.line.queue, queues.Amendment{Widen: &queues.Pool{Tier: s.Tier, Skills: s.Skills}}
	var e queues.Entry
	c.try(func(ctx context.Context) (err error) {
		e, err = c.hub.cfg.Lines.Amend(ctx, c.id, queue, a, call.Actor{Via: "ladder"}, time.Now())
		return err
	}, func(err error) {
		result, data := "widened", map[string]any{"queue": queue}
		switch {
		case late(err):
			result = "not_queued"
		case err != nil:
			result, data["error"] = "failed", err.Error()
		case len(e.Reach) == 0:
			result = "everybody" // was let in before
		}
		c.stepResult(park, n, result, data)
	})
}

// intoLine has the call leave its slot for the queue in which it stands: the rest
// of its ladder is given up, but not its end, at which it goes where it would have
// gone from the slot. Whoever is taking the call has it; then it stays in both.
func (c *Call) intoLine(n int, s *stay) {
	queue := c.line.queue
	if c.busy() || s.moving {
		c.stepResult(s.park.ID, n, "joined", map[string]any{"queue": queue})
		return
	}
	now, park, by := time.Now(), s.park, call.Actor{Via: "ladder"}
	s.moving = true
	c.stepResult(park.ID, n, "left_slot", map[string]any{"queue": queue})
	c.try(func(ctx context.Context) error {
		_, err := c.hub.cfg.Parking.End(ctx, park.ID, 0, parking.ExpiredTransfer, by, now)
		return err
	}, func(err error) {
		s.moving = false
		switch {
		case c.ended || c.stay != s:
		case err != nil && !late(err):
			c.log.Error("slot not left; trying again", "park", park.ID, "err", err)
			c.after(time.Second, func() {
				if !c.ended && c.stay == s && c.line != nil {
					c.intoLine(n, s)
				}
			})
		default:
			c.onlyInLine(s, now)
		}
		for _, f := range s.settled() {
			f()
		}
	})
}

// onlyInLine: the slot is left.
func (c *Call) onlyInLine(s *stay, at time.Time) {
	c.left(at)
	c.parker = s.park.Parker
	l := c.line
	if l == nil { // withdrawn meanwhile
		c.goElsewhere(s, s.end(), onExpired(s.lot), call.Actor{Via: "ladder"})
		return
	}
	none := ""
	c.lines("slot left", func(ctx context.Context, q Lines) error {
		_, err := q.Amend(ctx, c.id, l.queue, queues.Amendment{Park: &none}, call.Actor{}, time.Now())
		return err
	})
	l.parked = false
	if s.mayCall {
		l.exit[string(backKey)] = routing.CallbackRequested
	}
	l.onward = func(outcome string) {
		do := onExpired(s.lot)
		if outcome == routing.CallbackRequested {
			do = "callback:" + s.lot.Name
		} else {
			outcome = s.end()
		}
		c.expired = true
		c.goElsewhere(s, outcome, do, call.Actor{Via: "ladder"})
	}
	if c.talk == nil && c.taking == nil {
		c.ear().Music(c.hub.cfg.Plan().Queues[l.queue].Music)
	}
	l.timer = c.after(time.Until(parking.Due(s.park, len(s.park.Ladder)-1)), func() {
		if c.line == l && c.talk == nil && !c.ended {
			c.leaveLine("timeout", "timeout", call.Actor{Via: "ladder"}, nil)
		}
	})
}

// end is the outcome of the ladder's last step.
func (s *stay) end() string { return orText(s.park.Ladder[len(s.park.Ladder)-1].Outcome, "expired") }
