package callctl

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// line is this call's place in a queue.
type line struct {
	queue  string
	since  time.Time
	wrapUp time.Duration
	exit   map[string]string // digit → outcome
	parked bool              // waits in a slot at the same time: the slot's clock bounds the wait
	timer  *time.Timer
	onward func(outcome string) // of a call that came from a slot: where it goes when nobody takes it

	moving bool     // another queue has been asked for
	later  []func() // what waits for its answer
	left   string   // once the call has left: with what outcome, and who did it
	leftBy call.Actor
}

// maxWait bounds a wait in a queue whatever the flow says.
const maxWait = 300 * time.Second

// queue carries out a queue node.
func (c *Call) queue(cmd routing.Queue) {
	q, ok := c.hub.cfg.Plan().Queues[cmd.Queue]
	if !ok {
		c.log.Error("flow names a queue that does not exist", "queue", cmd.Queue, "node", cmd.Node)
		c.resume("no_agents", nil)
		return
	}
	gen := c.wait.gen
	if c.whenSought(func() {
		if c.wait.gen == gen && !c.ended {
			c.queue(cmd)
		}
	}) {
		return
	}
	c.wait.talked = "answered"
	c.ear().Music(q.Music)
	wait := cmp.Or(cmd.MaxWait, q.MaxWait, maxWait)
	c.standInLine(place{queue: cmd.Queue, since: c.joins(cmd.Queue), priority: cmd.Priority, reach: reach(cmd.Reach)}, "", func(err error) {
		var refused *queues.RefusedError
		switch {
		case c.ended || c.wait.gen != gen:
		case errors.As(err, &refused) && refused.Why == "full":
			c.resume("full", nil)
		case errors.As(err, &refused):
			c.resume("no_agents", nil)
		case err != nil:
			c.log.Error("not queued", "queue", cmd.Queue, "err", err)
			c.resume("no_agents", nil)
		case c.line != nil:
			maps.Copy(c.line.exit, cmd.ExitKeys)
			if o := cmd.Callback; o != nil {
				c.after(o.After, func() {
					if c.wait.gen == gen {
						c.offerCallback(*o)
					}
				})
			}
			c.line.timer = c.after(wait, func() {
				if c.wait.gen == gen && c.line != nil && c.talk == nil && !c.ended {
					c.leaveLine("timeout", "timeout", call.Actor{Via: "caller"}, nil)
				}
			})
		}
	})
}

// reach is who may be offered a call, as queues have it.
func reach(in []routing.Reach) []queues.Reach {
	var out []queues.Reach
	for _, r := range in {
		out = append(out, queues.Reach(r))
	}
	return out
}

// standInLine joins a queue; then learns whether the place was given.
func (c *Call) standInLine(at place, park string, then func(error)) {
	name, since := at.queue, at.since
	e := queues.Entry{
		Call: c.id, Node: c.hub.cfg.Node, Queue: name, Park: park, From: c.from.Number, Name: c.from.Name,
		Priority: at.priority, JoinedAt: since, Owner: c.owner(), Reach: at.reach,
	}
	c.place = at
	l := &line{queue: name, since: since, exit: map[string]string{}, parked: park != "", wrapUp: c.hub.cfg.Plan().Queues[name].WrapUp}
	c.line = l
	c.try(func(ctx context.Context) error { return c.hub.cfg.Lines.Join(ctx, e, time.Now()) }, func(err error) {
		if err != nil && c.line == l {
			c.line = nil
		}
		var refused *queues.RefusedError
		if err != nil && !late(err) && !errors.As(err, &refused) { // it may have been written although we did not hear of it
			c.lines("leave queue", func(ctx context.Context, s Lines) error {
				return s.Leave(ctx, c.id, name, "failed", call.Actor{}, time.Now())
			})
		}
		then(err)
	})
}

// leaveLine takes the call out of the queue and tells the flow.
func (c *Call) leaveLine(why, outcome string, by call.Actor, vars map[string]any) {
	inSlot, onward := c.line.parked, c.line.onward
	c.stopVia("queue", call.Gone)
	c.leaveLineQuietly(why, by)
	switch {
	case inSlot:
	case onward != nil:
		onward(outcome)
	default:
		c.resume(outcome, vars)
	}
}

func (c *Call) leaveLineQuietly(why string, by call.Actor) {
	l := c.line
	if l == nil {
		return
	}
	c.line = nil
	l.left, l.leftBy = why, by
	if l.timer != nil {
		l.timer.Stop()
	}
	now := time.Now()
	c.lines("leave queue", func(ctx context.Context, s Lines) error { return s.Leave(ctx, c.id, l.queue, why, by, now) })
}

func (c *Call) stopVia(via string, cause call.Cause) {
	for r := range c.rounds {
		if r.via == via {
			c.stopRinging(r, cause)
		}
	}
}

// offered rings the agents that a queue reserved for this call.
func (c *Call) offered(o queues.Offer) {
	if c.line != nil && c.line.moving { // it may be of the other queue
		c.line.later = append(c.line.later, func() { c.offered(o) })
		return
	}
	if c.ended || c.line == nil || c.line.queue != o.Queue || c.talk != nil {
		for _, a := range o.Agents {
			c.missed(&round{offer: o.ID, via: "queue"}, a, "withdrawn")
		}
		return
	}
	for r := range c.rounds {
		if r.offer == o.ID {
			return // the job ran twice
		}
	}
	r := &round{via: "queue", offer: o.ID}
	inv := Invitation{}
	if c.back != nil && c.caller == nil {
		inv = c.backShown()
	}
	if c.stay != nil {
		note, subject := c.noteOf()
		inv.Display, inv.Subject = c.display()+" (slot "+itoa(c.stay.park.Slot)+")"+note, subject
	}
	// The phones stop a second before the offer's lease does, so that no answer comes for an offer that is over.
	ring := max(time.Until(o.Until)-time.Second, time.Second)
	c.ring(r, o.Agents, nil, ring, inv)
}

// dial carries out a dial node: the caller hears ringing meanwhile.
func (c *Call) dial(cmd routing.Dial) {
	gen := c.wait.gen
	c.wait.talked = cmd.Talked
	c.recorded.on = c.recorded.on || cmd.Record
	over := func(why call.Cause) {
		if c.wait.gen != gen || c.ended || c.talk != nil {
			return
		}
		if c.stay != nil {
			return
		}
		c.resume(dialWord(why), nil)
	}
	if c.answered.IsZero() {
		c.caller.Ring()
	}
	c.ear().Music("ringback") // for one who has been answered, or has early media open
	c.knowing(cmd.Targets, cmd.Sticky, func() {
		if c.wait.gen != gen || c.ended {
			return
		}
		t := &turns{
			via: "dial", strategy: cmd.Strategy, ring: orElse(cmd.Ring, recallRing), over: over,
			whoever: c.agent != "", // a colleague may ring one who is away
			inv:     Invitation{Present: call.Number(cmd.PresentCID)},
		}
		t.whisper = c.whispering(cmd.Whisper, cmd.Node, &t.inv)
		if !c.ringAll(t, cmd.Targets) {
			c.log.Info("dial has nobody to ring", "node", cmd.Node)
			c.resume("unavailable", nil)
		}
	})
}

func dialWord(why call.Cause) string {
	switch why {
	case call.Busy:
		return "busy"
	case call.Rejected:
		return "rejected"
	case call.NoAnswer, call.MediaTimeout:
		return "no_answer"
	case call.Unavailable, call.NotFound:
		return "unavailable"
	default:
		return "failed"
	}
}
