package sim

import (
	"cmp"
	"errors"
	"maps"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// line is this call's place in a queue.
type line struct {
	queue  string
	wrapUp time.Duration
	parked bool // waits in a slot at the same time
	back   bool // was told in a slot that 1 gets them called back
}

// wake is a job that the queues have asked for.
type wake struct {
	job job.Job
}

// asked keeps a job: the store is locked while it asks.
func (c *stage) asked(j job.Job) { c.wakes = append(c.wakes, wake{j}) }

// woken puts the jobs that were asked for on the clock.
func (c *stage) woken() {
	for len(c.wakes) > 0 {
		w := c.wakes[0]
		c.wakes = c.wakes[1:]
		at := w.job.At
		if at.Before(c.clock.now) {
			at = c.clock.now
		}
		c.clock.at(at, true, func() { c.work(w.job) })
	}
}

// work carries a job of the queues out.
func (c *stage) work(j job.Job) {
	now := c.clock.now
	switch args := j.Args.(type) {
	case queues.Distribute:
		_, err := c.serve.Distribute(c.ctx, args.Queue, now)
		c.fail(err)
	case queues.Ring:
		o, err := c.lines.Offer(c.ctx, args.Offer)
		if err == nil {
			c.offered(o)
		}
	case queues.WrapUpOver:
		c.fail(c.serve.EndWrapUp(c.ctx, args, now))
	case queues.ForgiveAgent:
		c.fail(c.serve.Forgive(c.ctx, args, now))
	}
	c.woken()
}

// queue carries out a queue node.
func (c *stage) queue(cmd routing.Queue) {
	q, ok := c.world.queue(cmd.Queue)
	if !ok {
		c.tell("refused", "", "there is no queue %s", cmd.Queue)
		c.resume("no_agents", nil)
		return
	}
	c.hear("music", q.Music)
	c.wait.talked, c.wait.exits, c.wait.forces = "answered", cmd.ExitKeys, true
	wait := cmp.Or(cmd.MaxWait, q.MaxWait, queues.DefaultMaxWait)
	var refused *queues.RefusedError
	switch err := c.stand(q, cmd.Priority, "", c.clock.now, wait, cmd.Reach...); {
	case c.over():
	case errors.As(err, &refused):
		c.tell("refused", "", "queue %s is not joined: %s", cmd.Queue, refused.Why)
		outcome := "no_agents"
		if refused.Why == "full" {
			outcome = "full"
		}
		c.resume(outcome, nil)
	case err != nil:
		c.tell("refused", "", "queue %s is not joined: %v", cmd.Queue, err)
		c.resume("no_agents", nil)
	default:
		c.tell("queued", "", "waits in queue %s with priority %d", cmd.Queue, cmd.Priority)
		if o := cmd.Callback; o != nil {
			c.clock.after(o.After, c.still(func() { c.offerCallback(*o, q.Music) }))
		}
		c.wait.timer = c.clock.after(wait, c.still(func() {
			if c.line != nil && c.talk == nil {
				c.tell("timeout", "", "nobody has answered for %s", wait)
				c.leaveLine("timeout")
				c.resume("timeout", nil)
			}
		}))
		c.woken()
	}
}

// stand joins a queue, for so long at most. That the call has been stopped is no error.
func (c *stage) stand(q queues.Queue, priority int, park string, since time.Time, limit time.Duration, reach ...routing.Reach) error {
	c.stood = q.Name
	told, unknown := c.cast.line(q.Name, limit)
	if unknown != "" {
		c.stop(unknown)
		return nil
	}
	if told != nil && told.refused != "" {
		return &queues.RefusedError{Queue: q.Name, Why: told.refused}
	}
	if told != nil { // how it went is known: who was free and who waited before is not asked
		l := &line{queue: q.Name, wrapUp: q.WrapUp, parked: park != ""}
		c.line = l
		c.clock.after(told.after, func() {
			switch {
			case c.line != l || c.talk != nil || c.over():
			case told.by != "":
				c.takenBy(told.by, "queue")
			default:
				c.stop("the call waits in queue " + q.Name + " for longer than it ever did: nobody knows who would have answered")
			}
		})
		return nil
	}
	if !c.known["queue "+q.Name] {
		for _, a := range q.Agents {
			c.cares(a.Agent)
			if c.over() {
				return nil
			}
		}
		if err := c.lines.SaveQueue(c.ctx, q); err != nil {
			return err
		}
		c.known["queue "+q.Name] = true
	}
	e := queues.Entry{
		Call: imaginedID, Queue: q.Name, Park: park, From: c.from, Name: c.name, Priority: priority, JoinedAt: since, Owner: c.owner(),
	}
	for _, r := range reach {
		e.Reach = append(e.Reach, queues.Reach(r))
	}
	if err := c.lines.Join(c.ctx, e, c.clock.now); err != nil {
		return err
	}
	c.line = &line{queue: q.Name, wrapUp: q.WrapUp, parked: park != ""}
	return nil
}

func (c *stage) leaveLine(outcome string) {
	l := c.line
	if l == nil {
		return
	}
	c.line = nil
	c.stopRinging("queue")
	c.fail(c.lines.Leave(c.ctx, imaginedID, l.queue, outcome, call.Actor{Via: "caller"}, c.clock.now))
	c.woken()
}

// offered rings the agents that a queue reserved for this call.
func (c *stage) offered(o queues.Offer) {
	r := &round{via: "queue", offer: o.ID, worst: call.Unavailable}
	if c.over() || c.line == nil || c.line.queue != o.Queue || c.talk != nil {
		for _, a := range o.Agents {
			c.fail(c.lines.Miss(c.ctx, o.ID, a, queues.Withdrawn, c.clock.now))
		}
		return
	}
	c.rounds = append(c.rounds, r)
	c.ring(r, o.Agents, nil, max(o.Until.Sub(c.clock.now)-phonesStop, time.Second))
}

// takenBy: somebody takes the call who was not rung for it.
func (c *stage) takenBy(who, via string) {
	by := call.Actor{User: who, Via: via}
	if !c.claimed(by) {
		return
	}
	c.tell("answers", who, "%s takes the call", who)
	if c.known[who] {
		c.fail(c.lines.Talk(c.ctx, who, imaginedID, c.clock.now))
	}
	c.connect(who, by)
}

// endStay closes the books of a stay in a slot.
func (c *stage) endStay(epoch int, reason parking.Reason, by call.Actor) {
	s := c.stay
	if s == nil {
		return
	}
	c.stay = nil
	s.timer.stop()
	_, err := c.parks.End(c.ctx, s.park.ID, epoch, reason, by, c.clock.now)
	c.fail(err)
}

// offerCallback tells a caller who waits in line that a key gets them called back.
func (c *stage) offerCallback(o routing.CallbackOffer, music string) {
	if c.line == nil || c.talk != nil {
		return
	}
	exits := map[string]string{o.Key: routing.CallbackRequested}
	maps.Copy(exits, c.wait.exits)
	c.wait.exits = exits
	c.says(o.Prompt, o.Say, "")
	c.clock.after(c.world.says(o.Prompt, o.Say), c.still(func() {
		if c.line != nil && c.talk == nil {
			c.hear("music", music)
		}
	}))
}
