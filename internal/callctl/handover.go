package callctl

import (
	"context"
	"slices"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// handover is an attended transfer: a rep who talks in two calls asks that the
// parties of both be left with each other (RFC 3891, RFC 5589 §7). One call, the
// giver, gives its party up by message; the other takes it or refuses, and then
// the giver has it back. Neither ever waits for the other. It does not change
// once made: both calls read it.
type handover struct {
	rep     Leg // of the rep, in the giver
	agent   string
	inbound bool // the taker is a call from outside
	swapped bool // the giver is the call that was asked to take
	result  func(status int, reason string)
}

// loan is what a giver has given up and nobody has taken yet: its party, or the
// phones that ring in it.
type loan struct {
	legs  []Leg
	round *round // of phones that ring; the taker's from here on
	party Party
	held  bool
	late  []LegEvent // what happened on the legs meanwhile; the giver's
}

// consulted: the rep on the conversation asks for the party of another call.
func (c *Call) consulted(ev LegReferred) {
	t := c.talk
	other := c.hub.owner(ev.Replaces)
	switch {
	case c.handing != nil || c.stay != nil && t.bounce == nil || c.taking != nil || c.caller == nil || c.answered.IsZero():
		ev.Result(491, "")
		return
	case other == nil:
		ev.Result(603, "That call has ended")
		return
	case other == c || t.agent == "":
		ev.Result(403, "")
		return
	}
	if t.bounce != nil {
		c.spend() // a recalled parker who sends the call on has taken it
	}
	h := &handover{rep: ev.Replaces, agent: t.agent, inbound: c.trunk != "", result: ev.Result}
	c.handing = h
	if !other.mb.post(func() { other.give(h, c, ev.Leg) }) {
		c.notGiven(h, 603, "That call has ended")
	}
}

// give is the giver's part; mine is the rep's leg in the taker.
func (c *Call) give(h *handover, taker *Call, mine Leg) {
	if r := c.consulting(h); r != nil {
		c.giveRinging(h, r, taker)
		return
	}
	check := c.cannotGive
	if c.booking != nil {
		check = c.cannotGiveSlot
	}
	if status, why := check(h); status != 0 {
		if !taker.mb.post(func() { taker.notGiven(h, status, why) }) {
			h.result(status, why)
		}
		if h.swapped {
			c.deserted()
		}
		return
	}
	if c.booking != nil {
		c.giveSlot(h, taker)
		return
	}
	if c.talk != nil {
		c.facing(h.rep)
		if c.talk.bounce != nil {
			c.spend()
		}
		if c.answered.IsZero() {
			c.answered = time.Now() // the colleague has; the rep's ACK is on its way
		}
	}
	if c.trunk != "" && !h.inbound {
		// The call that came from outside goes on, with its flow, its clock and its
		// place in the CRM; the other one was a question.
		back := &handover{rep: mine, agent: h.agent, inbound: true, swapped: true, result: h.result}
		c.handing = back
		if !taker.mb.post(func() { taker.handing = nil; taker.give(back, c, h.rep) }) {
			c.notGiven(back, 603, "That call has ended")
		}
		return
	}
	c.handing = h
	lent := &loan{legs: []Leg{c.caller}, party: c.from, held: c.held[c.caller.ID()]}
	given := *lent
	c.caller, c.loan = nil, lent
	if !taker.mb.post(func() { taker.receive(h, given, c) }) {
		c.takeBack()
		h.result(603, "That call has ended")
	}
}

// cannotGive is why this call keeps its party, 0 if it does not.
func (c *Call) cannotGive(h *handover) (status int, why string) {
	gone := h.swapped && c.talk == nil // the rep asked and left
	switch {
	case c.ended || c.caller == nil && c.loan == nil:
		return 603, "That call has ended"
	case c.transferring() || c.taking != nil || c.stay != nil && (c.talk == nil || c.talk.bounce == nil):
		return 491, ""
	case c.answered.IsZero() && (c.talk == nil || h.rep != c.caller):
		return 491, ""
	case gone:
		return 0, ""
	case c.talk == nil || (h.rep != c.caller && h.rep != c.talk.leg):
		return 481, "Nobody talks in that call"
	case c.repOn(h.rep) != h.agent:
		return 403, "" // nobody gives away whom another is talking to
	}
	return 0, ""
}

// notGiven: everything stays as it was.
func (c *Call) notGiven(h *handover, status int, why string) {
	if c.handing == h {
		c.handing = nil
	}
	h.result(status, why)
	c.deserted()
}

// deserted goes on with a call whose rep has left trusting in a transfer that
// has come to nothing.
func (c *Call) deserted() {
	if c.alone() {
		c.goOn()
	}
}

// alone tells whether the party has nobody, and nobody is on the way.
func (c *Call) alone() bool {
	return !c.ended && c.talk == nil && c.stay == nil && c.taking == nil && c.caller != nil && !c.transferring()
}

// receive is the taker's part: the party given takes the place of the rep.
func (c *Call) receive(h *handover, given loan, giver *Call) {
	c.handing = nil
	if c.cannotReceive(h, given, giver) {
		return
	}
	leg := given.legs[0]
	c.own(leg)
	if given.held {
		c.held[leg.ID()] = true
	}
	now := time.Now()
	c.note(call.Event{
		Type: call.Transferred, At: now, Leg: leg.ID(), Actor: call.Actor{User: h.agent, Via: "refer"},
		Data: map[string]any{"to": named(given.party), "from_call": giver.id},
	})
	rep := c.letGo()
	t := &talk{leg: leg, agent: given.party.Agent, via: "transfer", since: now, wrapUp: c.hub.cfg.WrapUp}
	if agent := t.agent; agent != "" {
		c.lines("agent was given a call", func(ctx context.Context, s Lines) error { return s.Talk(ctx, agent, c.id, now) })
	}
	c.join(t, call.Actor{User: t.agent, Device: given.party.Device, Via: "transfer"}, nil)
	h.result(200, "OK") // not before they hear each other
	if rep != nil {
		rep.Hangup(call.Normal, "")
	}
	giver.mb.post(func() { giver.gave(h, c) })
}

// cannotReceive tells whether things have changed since this call asked for what
// it is given; then the giver has it back.
func (c *Call) cannotReceive(h *handover, given loan, giver *Call) bool {
	if !c.ended && c.caller != nil && c.stay == nil && c.taking == nil && (c.talk == nil || c.talk.agent == h.agent) {
		return false
	}
	if !giver.mb.post(giver.takeBack) {
		for _, l := range given.legs {
			refuse(l, call.Gone, "")
		}
	}
	h.result(603, "That call has ended")
	c.deserted()
	return true
}

// letGo parts the rep from the call because they have sent it on. Their leg is
// still to be hung up.
func (c *Call) letGo() Leg {
	t := c.talk
	if t == nil {
		return nil
	}
	t.wrapUp, t.passed = c.hub.cfg.WrapUp, true
	c.endTalk(call.Normal)
	c.aside[t.leg.ID()] = t.leg
	return t.leg
}

// gave: the party, or the phones that ring, are the taker's, and this call has
// served its purpose.
func (c *Call) gave(h *handover, taker *Call) {
	l := c.loan
	c.handing, c.loan = nil, nil
	for _, leg := range l.legs {
		c.disown(leg)
	}
	for _, ev := range l.late {
		taker.leg(ev)
	}
	c.note(call.Event{
		Type: call.Transferred, Leg: l.legs[0].ID(), Actor: call.Actor{User: h.agent, Via: "refer"},
		Data: map[string]any{"to": named(l.party), "into_call": taker.id},
	})
	if l.round != nil {
		c.over(call.Cancelled) // the rep has stopped waiting
		return
	}
	c.from.Agent = "" // they talk on, in the other call
	if agent, now := l.party.Agent, time.Now(); agent != "" {
		// Their answer here may be written after what the other call wrote of them.
		c.lines("agent talks on in another call", func(ctx context.Context, s Lines) error {
			err := s.Free(ctx, agent, c.id, 0, now)
			c.hub.stillTalking(agent, c)
			return err
		})
	}
	c.over(call.Normal)
}

// takeBack: nobody wanted the party.
func (c *Call) takeBack() {
	l := c.loan
	c.handing, c.loan = nil, nil
	if l.round != nil {
		c.ringHere(l)
		return
	}
	c.caller = l.legs[0]
	if c.ended {
		c.caller.Hangup(legCause(c.cause), "")
	}
	for _, ev := range l.late {
		c.onLeg(ev)
	}
	if c.caller != nil && c.talk != nil {
		c.rejoin()
	}
	c.deserted()
}

// lent keeps what happens on a leg that is on its way to another call, for
// whoever has it in the end.
func (c *Call) lent(ev LegEvent) bool {
	if c.loan == nil || !slices.Contains(c.loan.legs, ev.leg()) {
		return false
	}
	c.loan.late = append(c.loan.late, ev)
	return true
}

// named is a party as facts name them.
func named(p Party) string { return orText(p.Agent, string(p.Number)) }
