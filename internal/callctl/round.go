package callctl

import (
	"context"
	"errors"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

// round is phones that ring for this call: the first human to answer has it.
type round struct {
	via      string // "dial", "recall", "offer", "queue", "rest", "transfer"
	one      bool   // of the agents only the one who has been idle longest is rung
	numbers  []call.Number
	offer    string // the offer that reserved the agents, "" for a number
	step     int    // of the ladder: recall, offer
	claim    int    // epoch of a claim held from the start (rest), 0 otherwise
	legs     map[call.LegID]*ringing
	agents   map[string]*asked
	wants    Leg // answered and waiting for its claim
	timer    *time.Timer
	until    time.Time            // when the phones stop by themselves
	worst    call.Cause           // what the flow is told when nobody answers
	over     func(why call.Cause) // once, when no phone is left and nobody answered; also when the call has ended
	handOver func()               // transfer: lets the rep who asked go, when the target has answered
	rung     func()               // once, when at least one phone is being rung
	closed   bool
	whisper  *whisper // what whoever answers is told first; nil: nothing
	briefed  bool     // and is being told
	inv      Invitation
	turns    *turns       // of which this is one; nil if it is alone
	from     *choosing    // what it was chosen from; nil if it was not
	asked    []passedOver // who had their turn before
	picked   []string     // the agents reserved
	deflects *deflections // of all rounds that have come of one
	onward   int          // rounds that ring where phones of this one have sent the call
}

type ringing struct {
	leg   Leg
	agent string
	early bool   // has something to be heard before it is answered
	via   string // "pickup": answered in place of a phone that rings; "" as the round
}

// asked is one agent's part of a round.
type asked struct {
	phones int
	rang   bool
	done   bool
	why    call.Cause
}

// ring sends the invitations of a round.
func (c *Call) ring(r *round, agents []string, numbers []call.Number, ring time.Duration, inv Invitation) {
	c.rounds[r] = true
	r.legs, r.agents, r.worst = map[call.LegID]*ringing{}, map[string]*asked{}, call.Unavailable
	inv.Call, inv.Ring, inv.Beside = c.id, ring, c.caller
	r.inv = inv
	if inv.Shown == (Party{}) {
		inv.Shown = c.from
	}
	start := func(agent string, to Target) {
		legs, err := c.phones(to, inv)
		if err != nil && !errors.Is(err, ErrUnreachable) {
			c.log.Warn("phone not rung", "agent", agent, "err", err)
		}
		if len(legs) == 0 {
			c.missed(r, agent, "unreachable")
			return
		}
		c.note(call.Event{Type: call.Dialled, Actor: call.Actor{User: agent, Via: r.via}, Data: map[string]any{"phones": len(legs), "offer": r.offer}})
		if a := r.agents[agent]; a != nil { // a second number: they count as one
			a.phones += len(legs)
		} else {
			r.agents[agent] = &asked{phones: len(legs), why: call.NoAnswer}
		}
		for _, l := range legs {
			r.legs[l.ID()] = &ringing{leg: l, agent: agent}
		}
		for _, l := range legs {
			c.own(l)
		}
	}
	for _, a := range agents {
		start(a, Target{Agent: a})
	}
	if inv.Present != "" {
		inv.Shown = Party{Number: inv.Present}
	}
	for _, n := range numbers {
		start("", Target{Number: n}) // the dialler knows which trunks are up and have room
	}
	if len(r.legs) == 0 {
		c.fail(r, call.Unavailable)
		return
	}
	r.until = time.Now().Add(ring)
	c.ringUntil(r)
	if r.rung != nil {
		r.rung()
	}
}

// ringUntil ends a round when its time is up.
func (c *Call) ringUntil(r *round) {
	r.timer = c.after(time.Until(r.until), func() { c.silence(r, call.NoAnswer) })
}

// phones dials; a fault of the dialler's counts as nobody there.
func (c *Call) phones(to Target, inv Invitation) (legs []Leg, err error) {
	defer c.survive(func() { err = errPanic })
	return c.hub.cfg.Dialer.Dial(to, inv)
}

// roundOf finds the round that a leg rings in.
func (c *Call) roundOf(l Leg) *round {
	for r := range c.rounds {
		if _, ok := r.legs[l.ID()]; ok {
			return r
		}
	}
	return nil
}

func (c *Call) rang(r *round, l Leg, early bool) {
	agent := r.legs[l.ID()].agent
	if early {
		r.legs[l.ID()].early = true
		c.overhear(r)
	}
	a := r.agents[agent]
	if a.rang {
		return
	}
	a.rang = true
	c.note(call.Event{Type: call.Ringing, Leg: l.ID(), Actor: call.Actor{User: agent, Via: r.via}})
	if r.offer != "" && agent != "" {
		now, offer := time.Now(), r.offer
		c.lines("agent rings", func(ctx context.Context, s Lines) error { return s.Rang(ctx, offer, agent, now) })
	}
}

// won: a phone of the round was answered. A parked call is claimed first, so
// that of all who want it, on whatever way, one gets it.
func (c *Call) won(r *round, l Leg) {
	agent := r.legs[l.ID()].agent
	by := call.Actor{User: agent, Device: l.Remote().Device, Via: orText(r.legs[l.ID()].via, r.via)}
	switch {
	case r.closed: // its 200 crossed our CANCEL; why it was cancelled stands
		l.Hangup(call.Elsewhere, "")
		return
	case c.talk != nil && c.talk.bounce == nil && r.handOver == nil:
		c.drop(r, l, "")
		return
	case c.back != nil && c.caller == nil:
		c.backAnswered(r, l, by)
		return
	}
	if c.whenPut(func() {
		if c.roundOf(l) == r {
			c.won(r, l)
		}
	}) {
		return
	}
	if c.stay == nil {
		if !c.told(r, l, by) {
			c.connect(r, l, by, nil)
		}
		return
	}
	if r.claim != 0 {
		park := c.stay.park
		park.Epoch = r.claim
		c.connect(r, l, by, &park)
		return
	}
	if r.wants != nil {
		c.drop(r, l, "")
		return
	}
	r.wants = l
	id := c.stay.park.ID
	var park parking.Park
	err := errPanic
	c.fork(oneTry, func(ctx context.Context) {
		park, err = c.hub.cfg.Parking.Claim(ctx, parking.Target{Park: id}, by, time.Now())
	}, func() {
		switch {
		case err != nil:
			c.beaten(r, l, err)
		case r.wants != l || c.ended:
			c.release(park, "retriever_gone")
		case c.stay == nil || c.stay.leaving || c.talk != nil:
			r.wants = nil
			c.release(park, "caller_gone")
			c.drop(r, l, "the caller has just left")
		default:
			r.wants = nil
			c.connect(r, l, by, &park)
		}
	})
}

// beaten: somebody else was quicker, or the database did not answer; the phone
// is told why it hears nothing.
func (c *Call) beaten(r *round, l Leg, err error) {
	if r.wants == l {
		r.wants = nil
	}
	if !late(err) && !denied(err) {
		c.log.Error("claim failed", "err", err)
		c.drop(r, l, notNow)
		return
	}
	c.drop(r, l, err.Error())
}

// drop hangs one phone of a round up.
func (c *Call) drop(r *round, l Leg, note string) {
	if x := r.legs[l.ID()]; x != nil {
		r.agents[x.agent].why = call.Elsewhere
	}
	l.Hangup(call.Elsewhere, note)
}

// stopRinging ends a round's phones, and nobody else is rung after them.
func (c *Call) stopRinging(r *round, cause call.Cause) {
	if r.turns != nil {
		r.turns.stopped = true
	}
	c.silence(r, cause)
}

// silence ends a round's phones; the round ends when they have.
func (c *Call) silence(r *round, cause call.Cause) {
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
	for _, x := range r.legs {
		if a := r.agents[x.agent]; a.why == call.NoAnswer {
			a.why = cause
		}
		if x.leg == r.wants && cause == call.NoAnswer {
			continue // answered at the last moment: its claim decides
		}
		x.leg.Hangup(cause, "")
	}
}

// stopAll ends every round.
func (c *Call) stopAll(cause call.Cause) {
	for r := range c.rounds {
		c.stopRinging(r, cause)
	}
}

// lost: a phone of the round is gone.
func (c *Call) lost(r *round, ev LegEnded) {
	x := r.legs[ev.Leg.ID()]
	delete(r.legs, ev.Leg.ID())
	c.unheard(r, ev.Leg)
	a := r.agents[x.agent]
	if r.wants == ev.Leg {
		r.wants = nil
		if r.briefed && ev.Remote && a.why == call.NoAnswer {
			a.why = call.Rejected // they have heard who it is
		}
	}
	if ev.Remote && a.why == call.NoAnswer {
		a.why = ev.Cause
	}
	if ev.Remote && ev.Redirect != "" && !r.closed && c.deflected(r, x.agent, ev.Redirect) {
		a.why = call.Gone // nobody has missed anything
	}
	if a.phones--; a.phones == 0 && !a.done {
		c.missed(r, x.agent, missWord(a.why))
		r.worst = worse(r.worst, a.why)
	}
	if len(r.legs) == 0 && r.onward == 0 {
		c.fail(r, r.worst)
	}
}

// fail ends a round that nobody answered.
func (c *Call) fail(r *round, why call.Cause) {
	if !c.rounds[r] {
		return
	}
	delete(c.rounds, r)
	if r.timer != nil {
		r.timer.Stop()
	}
	if r.over != nil {
		r.over(why)
	}
}
