package sim

import (
	"errors"
	"slices"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// round is phones that ring for this call: the first to answer has it.
type round struct {
	via   string // "dial", "recall", "offer", "queue"
	step  int    // of the ladder
	offer string // that reserved the agents
	rings []*rung
	tells time.Duration // what whoever answers is told first takes so long
	worst call.Cause
	over  func(why call.Cause) // once, when nobody answered
	timer *timer
	ended bool
}

// rung is somebody whose phone rings.
type rung struct {
	who   string // an agent, or "number:+34…"
	agent bool
	timer *timer
	done  bool
}

const (
	agentElsewhere = call.ID("call_elsewhere") // of those who are busy
	leaseSlack     = 5 * time.Second
	phonesStop     = time.Second // before an offer's lease ends
	wrapUp         = 30 * time.Second
)

// dial carries out a dial node: the caller hears ringing meanwhile.
func (c *stage) dial(cmd routing.Dial) {
	c.wait.talked, c.wait.forces = cmd.Talked, true
	c.hear("ringback", "")
	t := &turns{round: round{via: "dial", tells: c.world.says("", cmd.Whisper)}, strategy: cmd.Strategy, ring: orElse(cmd.Ring, 20*time.Second)}
	t.over = func(why call.Cause) {
		if c.stay == nil && c.talk == nil {
			c.resume(dialWord(why), nil)
		}
	}
	if !c.ringAll(t, cmd.Targets) {
		c.tell("nobody", "", "there is nobody to ring")
		c.resume("unavailable", nil)
	}
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

func dialWord(why call.Cause) string {
	switch why {
	case call.Busy:
		return "busy"
	case call.Rejected:
		return "rejected"
	case call.NoAnswer:
		return "no_answer"
	case call.Unavailable:
		return "unavailable"
	default:
		return "failed"
	}
}

// ring lets phones ring; each is answered, or not, as its owner behaves.
func (c *stage) ring(r *round, agents, numbers []string, ring time.Duration) {
	r.worst = call.Unavailable
	rungs := make([]*rung, 0, len(agents)+len(numbers))
	for _, a := range agents {
		rungs = append(rungs, &rung{who: a, agent: true})
	}
	for _, n := range numbers {
		rungs = append(rungs, &rung{who: n})
	}
	r.rings = rungs
	for _, x := range rungs {
		m, unknown := c.cast.manner(x.who)
		if unknown != "" {
			c.stop(unknown)
			return
		}
		if !m.phone {
			c.missed(r, x, queues.Unreachable)
			continue
		}
		c.tell("rings", x.who, "the phone of %s rings", x.who)
		if x.agent {
			c.fail(c.lines.Rang(c.ctx, r.offer, x.who, c.clock.now))
		}
		switch {
		case m.answers && m.after < ring:
			x.timer = c.clock.after(m.after, func() { c.won(r, x.who) })
		case m.rejects && m.after < ring:
			x.timer = c.clock.after(m.after, func() {
				c.missed(r, x, queues.Rejected)
				c.settled(r)
			})
		}
	}
	r.timer = c.clock.after(ring, func() { c.unanswered(r, queues.NoAnswer) })
	c.settled(r)
}

// missed: somebody's phone no longer rings, and they have not answered.
func (c *stage) missed(r *round, x *rung, why string) {
	if x.done {
		return
	}
	x.done = true
	x.timer.stop()
	r.worst = worse(r.worst, why)
	if why != queues.Withdrawn {
		c.tell("missed", x.who, "%s: %s", x.who, why)
	}
	if x.agent && r.offer != "" {
		c.fail(c.lines.Miss(c.ctx, r.offer, x.who, why, c.clock.now))
	}
}

func worse(a call.Cause, why string) call.Cause {
	b := map[string]call.Cause{
		queues.NoAnswer: call.NoAnswer, queues.BusyPhone: call.Busy, queues.Rejected: call.Rejected,
		queues.Unreachable: call.Unavailable,
	}[why]
	rank := map[call.Cause]int{call.Unavailable: 1, call.NoAnswer: 2, call.Busy: 3, call.Rejected: 4}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// unanswered ends a round's phones.
func (c *stage) unanswered(r *round, why string) {
	for _, x := range r.rings {
		c.missed(r, x, why)
	}
	c.settled(r)
}

// settled ends a round in which nothing rings any more.
func (c *stage) settled(r *round) {
	for _, x := range r.rings {
		if !x.done {
			return
		}
	}
	c.ends(r, r.worst)
	c.woken()
}

func (c *stage) ends(r *round, why call.Cause) {
	if r.ended {
		return
	}
	r.ended = true
	r.timer.stop()
	c.rounds = slices.DeleteFunc(c.rounds, func(x *round) bool { return x == r })
	if r.over != nil && !c.over() {
		r.over(why)
	}
}

// stopRinging ends the rounds of some ways, without telling the flow.
func (c *stage) stopRinging(vias ...string) {
	for _, r := range slices.Clone(c.rounds) {
		if len(vias) == 0 || slices.Contains(vias, r.via) {
			r.over = nil
			c.unanswered(r, queues.Withdrawn)
		}
	}
}

// won: somebody has answered. A parked call is claimed first.
func (c *stage) won(r *round, who string) {
	if c.over() || c.talk != nil || r.ended || c.whispers(r, who) {
		return
	}
	agent := ""
	for _, x := range r.rings {
		if x.who == who {
			x.done = true
			x.timer.stop()
			if x.agent {
				agent = x.who
			}
		}
	}
	by := call.Actor{User: agent, Via: r.via}
	c.tell("answers", who, "%s answers", who)
	if !c.claimed(by) {
		return
	}
	if c.stay != nil && (r.via == "recall" || r.via == "offer") {
		c.stepResult(r.step, "answered", agent)
	}
	if agent != "" {
		if err := c.lines.Answer(c.ctx, r.offer, agent, c.clock.now); err != nil {
			var late *queues.TooLateError
			if !errors.As(err, &late) {
				c.fail(err)
			}
			c.fail(c.lines.Talk(c.ctx, agent, imaginedID, c.clock.now))
		}
	}
	r.over = nil
	c.unanswered(r, queues.Withdrawn)
	c.connect(who, by)
}

// claimed takes a parked call for somebody; true also when it is not parked.
func (c *stage) claimed(by call.Actor) bool {
	if c.stay == nil {
		return true
	}
	p, err := c.parks.Claim(c.ctx, parking.Target{Park: c.stay.park.ID}, by, c.clock.now)
	if err != nil {
		c.tell("too_late", by.User, "%v", err)
		return false
	}
	c.stay.park = p
	return true
}

// connect makes the conversation: everybody else is sent away, the caller leaves
// line and slot.
func (c *stage) connect(who string, by call.Actor) {
	c.answer()
	wrap := wrapUp
	if c.line != nil {
		wrap = c.line.wrapUp
	}
	c.talk = &talk{agent: by.User, wrapUp: wrap}
	if c.talk.agent == "" {
		c.talk.agent = who
	}
	how := "answered"
	if p := c.stay; p != nil {
		how = "retrieved"
		c.endStay(p.park.Epoch, p.park.RetrievalReason(by), by)
	}
	c.leaveLine(how)
	c.stopRinging()
	c.hear("conversation", who)
	if c.wait.talked == "" {
		c.wait.talked = how
	}
	length, callers := c.cast.talks(who)
	c.clock.after(length, c.still(func() {
		if callers {
			c.hangUp()
			return
		}
		c.tell("parted", who, "%s hangs up, the caller is still there", who)
		c.hear("silence", "")
		c.freed()
		c.resume(c.wait.talked, nil)
	}))
}

// freed: the conversation is over.
func (c *stage) freed() {
	t := c.talk
	if t == nil {
		return
	}
	c.talk, c.talked = nil, t.agent
	if c.known[t.agent] {
		c.fail(c.lines.Free(c.ctx, t.agent, imaginedID, t.wrapUp, c.clock.now))
		c.woken()
	}
}

// leaveAll: the caller has gone.
func (c *stage) leaveAll(outcome string, reason parking.Reason) {
	c.endStay(0, reason, call.Actor{Via: "caller"})
	c.leaveLine(outcome)
	c.stopRinging()
}
