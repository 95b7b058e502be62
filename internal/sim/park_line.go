package sim

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// enqueue puts the call in line with its original clock: beside its slot, or
// instead of it.
func (c *stage) enqueue(n int, s parking.Step) {
	switch {
	case c.line != nil && s.Leaves && c.line.queue == s.Queue:
		c.intoLine(n)
		return
	case c.line != nil:
		c.stepResult(n, "already_queued", "")
		return
	}
	q, ok := c.world.queue(s.Queue)
	if !ok {
		c.stepResult(n, "failed", fmt.Sprintf("there is no queue %s", s.Queue))
		return
	}
	priority, _ := routing.EvalInt(cmp.Or(s.Priority, "0"), c.scope())
	p := c.stay.park
	var refused *queues.RefusedError
	switch err := c.stand(q, priority, p.ID, p.ParkedAt, p.Deadline.Sub(c.clock.now), firstReach(s)...); {
	case c.over():
	case errors.As(err, &refused):
		c.stepResult(n, refused.Why, "queue "+s.Queue)
	case err != nil:
		c.stepResult(n, "failed", err.Error())
	case s.Leaves:
		c.intoLine(n)
		c.woken()
	default:
		c.stepResult(n, "joined", fmt.Sprintf("queue %s, priority %d", s.Queue, priority))
		c.woken()
	}
}

// firstReach is who may be offered a call that a step puts in line.
func firstReach(s parking.Step) []routing.Reach {
	if s.Tier == nil && len(s.Skills) == 0 {
		return nil
	}
	r := routing.Reach{Tier: -1, Skills: s.Skills}
	if s.Tier != nil {
		r.Tier = *s.Tier
	}
	return []routing.Reach{r}
}

// widen lets more agents of the queue take the call.
func (c *stage) widen(n int, s parking.Step) {
	if c.line == nil {
		c.stepResult(n, "not_queued", "")
		return
	}
	queue := c.line.queue
	var gone *queues.NotWaitingError
	e, err := c.lines.Amend(c.ctx, imaginedID, queue, queues.Amendment{Widen: &queues.Pool{Tier: s.Tier, Skills: s.Skills}}, call.Actor{Via: "ladder"}, c.clock.now)
	switch {
	case errors.As(err, &gone): // how its wait goes is known
		c.stepResult(n, "widened", "queue "+queue)
	case err != nil:
		c.stepResult(n, "failed", err.Error())
	case len(e.Reach) == 0:
		c.stepResult(n, "everybody", "queue "+queue)
	default:
		c.stepResult(n, "widened", "queue "+queue)
		c.woken()
	}
}

// intoLine has the call leave its slot for the queue in which it stands. What is
// left of its ladder is its end.
func (c *stage) intoLine(n int) {
	s, l := c.stay, c.line
	c.stepResult(n, "left_slot", "queue "+l.queue)
	last := len(s.park.Ladder) - 1
	outcome := cmp.Or(s.park.Ladder[last].Outcome, "expired")
	c.endStay(0, parking.ExpiredTransfer, call.Actor{Via: "ladder"})
	l.parked = false
	if s.mayCall {
		l.back = true
	}
	if q, ok := c.world.queue(l.queue); ok {
		c.hear("music", q.Music)
	}
	c.clock.at(parking.Due(s.park, last), true, c.still(func() {
		if c.line == l && c.talk == nil {
			c.tell("timeout", "", "nobody has answered, and the ladder is at its end")
			c.goElsewhere(outcome)
		}
	}))
}
