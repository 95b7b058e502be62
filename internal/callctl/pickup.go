package callctl

import (
	"context"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

// pickUp gives a rep's leg the place of another leg (RFC 3891): of a phone that
// rings, of a rep who talks, or of nobody beside a caller who is parked.
func (h *Hub) pickUp(in Incoming) {
	c := h.owner(in.Replaces)
	if c == nil || !c.mb.post(func() { c.pickedUp(in) }) {
		refuse(in.Leg, call.Rejected, "that call has ended")
	}
}

func (c *Call) pickedUp(in Incoming) {
	by := call.Actor{User: in.Agent, Device: in.From.Device, Via: "pickup"}
	if c.stay != nil && c.stay.moving && c.whenPut(func() { c.pickedUp(in) }) {
		return
	}
	r := c.roundOf(in.Replaces)
	switch {
	case in.Agent == "":
		refuse(in.Leg, call.Forbidden, "")
	case c.ended || r != nil && r.closed:
		refuse(in.Leg, call.Rejected, "that call has ended")
	case r != nil:
		c.ringsAt(r, in)
	case in.Replaces == c.caller && c.stay != nil && c.talk == nil:
		park := c.stay.park.ID
		if !c.hub.spawn(func(ctx context.Context) {
			c.hub.retrieveWith(ctx, in.Leg, parking.Target{Park: park}, by, func() bool { return false })
		}) {
			refuse(in.Leg, call.Shutdown, "this node is stopping")
		}
	case c.talk == nil || c.repOn(in.Replaces) == "":
		refuse(in.Leg, call.Forbidden, "only a colleague's place can be taken") // not a caller's
	case c.transferring() || c.taking != nil || c.stay != nil || c.caller == nil || c.answered.IsZero():
		refuse(in.Leg, call.Busy, "the call is being moved")
	default:
		c.facing(in.Replaces)
		c.taking = &taking{leg: in.Leg, by: by, place: in.Replaces}
		c.own(in.Leg)
		in.Leg.Answer(c.from)
	}
}

// ringsAt adds a leg that has only to be acknowledged to those that ring: from
// here on it is a phone like them, and a parked call is claimed first.
func (c *Call) ringsAt(r *round, in Incoming) {
	if a := r.agents[in.Agent]; a != nil {
		a.phones++
	} else {
		r.agents[in.Agent] = &asked{phones: 1, done: true, why: call.NoAnswer} // nobody offered them anything
	}
	r.legs[in.Leg.ID()] = &ringing{leg: in.Leg, agent: in.Agent, via: "pickup"}
	c.own(in.Leg)
	in.Leg.Answer(c.from)
}

// relieved: the new leg is up, and the other one is let go.
func (c *Call) relieved(k *taking) {
	if c.caller == nil || c.talk != nil && c.talk.leg != k.place {
		c.aside[k.leg.ID()] = k.leg
		k.leg.Hangup(call.Gone, "the call has been moved")
		return
	}
	now, agent := time.Now(), k.by.User
	c.note(call.Event{Type: call.Transferred, At: now, Leg: k.leg.ID(), Actor: k.by, Data: map[string]any{"to": agent}})
	old := c.letGo()
	c.lines("agent took a call over", func(ctx context.Context, s Lines) error { return s.Talk(ctx, agent, c.id, now) })
	c.join(&talk{leg: k.leg, agent: agent, via: k.by.Via, since: now, wrapUp: c.hub.cfg.WrapUp}, k.by, nil)
	if old != nil {
		old.Hangup(call.Normal, "")
	}
}
