package callctl

import (
	"time"

	"github.com/callyard/callyard/internal/call"
)

// own makes a leg this call's: it is told of its events, and does not end before
// the leg does.
func (c *Call) own(l Leg) {
	c.open++
	c.hub.owns(l, c)
	l.Watch(c.leg)
}

// disown lets go of a leg that has ended, or that another call has taken over.
func (c *Call) disown(l Leg) {
	c.open--
	delete(c.held, l.ID())
	delete(c.keys, l.ID())
	c.hub.disowns(l, c)
}

// leg is what legs post their events to. It may be called from any goroutine.
func (c *Call) leg(ev LegEvent) bool { return c.mb.post(func() { c.onLeg(ev) }) }

// onLeg tells each leg's events to the part of the call it plays.
func (c *Call) onLeg(ev LegEvent) {
	if c.lent(ev) {
		return
	}
	switch ev := ev.(type) {
	case LegRang:
		if r := c.roundOf(ev.Leg); r != nil {
			c.rang(r, ev.Leg, ev.Early)
		}
	case LegAnswered:
		c.onAnswered(ev.Leg)
	case LegEnded:
		c.hear(ev.Leg)
		c.disown(ev.Leg)
		c.onEnded(ev)
	case LegDigit:
		c.onDigit(ev)
	case LegHeld:
		c.onHeld(ev)
	case LegReferred:
		c.onReferred(ev)
	}
}

func (c *Call) onAnswered(l Leg) {
	if c.ended {
		l.Hangup(call.Gone, "")
		return
	}
	if l == c.caller {
		c.answered = time.Now()
		fns := c.pickedFn
		c.pickedFn = nil
		for _, f := range fns {
			f()
		}
		return
	}
	if c.taking != nil && c.taking.leg == l {
		c.taken()
		return
	}
	if r := c.roundOf(l); r != nil {
		c.won(r, l)
		return
	}
	if c.talk == nil || c.talk.leg != l {
		l.Hangup(call.Gone, "") // nobody waits for it any more
	}
}

func (c *Call) onEnded(ev LegEnded) {
	if ev.Leg == c.caller {
		c.caller = nil
		cause := ev.Cause
		if c.answered.IsZero() && ev.Remote && cause == call.Normal {
			cause = call.Cancelled
		}
		c.over(cause)
		return
	}
	delete(c.aside, ev.Leg.ID())
	switch {
	case c.taking != nil && c.taking.leg == ev.Leg:
		c.untaken("retriever_gone")
	case c.talk != nil && c.talk.leg == ev.Leg:
		c.parted(ev.Cause)
	default:
		if r := c.roundOf(ev.Leg); r != nil {
			c.lost(r, ev)
		}
	}
}

// answer picks the caller up, if that has not been done, and runs then when the
// leg is up. shown is who they will talk to, if that is known.
func (c *Call) answer(shown Party, then func()) {
	if !c.answered.IsZero() {
		then()
		return
	}
	c.pickedFn = append(c.pickedFn, then)
	if !c.picked {
		c.picked = true
		c.caller.Answer(shown)
	}
}
