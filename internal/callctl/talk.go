package callctl

import (
	"context"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

// talk is a conversation with the caller.
type talk struct {
	leg    Leg
	agent  string
	via    string
	since  time.Time
	offer  string
	wrapUp time.Duration
	bounce *parking.Park // recalled: until the bounce window is over the claim is held, not spent
	timer  *time.Timer
	first  bool     // the first conversation of this call
	kept   *keeping // being recorded
	placed bool     // the rep placed the call: when they go, it is over
	passed bool     // the rep has sent the call on: somebody else is to have it
}

// connect gives the caller to the leg that answered in a round. park, if the
// call is parked, is the claim that was won.
func (c *Call) connect(r *round, l Leg, by call.Actor, park *parking.Park) {
	now := time.Now()
	agent := by.User
	r.over, c.overheard = nil, nil // somebody answered
	if r.handOver != nil {
		r.handOver()
	}
	if park != nil && (r.via == "recall" || r.via == "offer") {
		c.stepResult(park.ID, r.step, "answered", map[string]any{"agent": agent})
	}
	delete(r.legs, l.ID())
	if a := r.agents[agent]; a != nil {
		a.done = true
	}
	wrapUp := c.hub.cfg.WrapUp
	if c.line != nil {
		wrapUp = c.line.wrapUp
	} else if c.back != nil && c.back.wrapUp != 0 {
		wrapUp = c.back.wrapUp
	}
	t := &talk{leg: l, agent: agent, via: by.Via, since: now, offer: r.offer, wrapUp: wrapUp}
	if agent != "" {
		offer := r.offer
		c.lines("agent answers", func(ctx context.Context, s Lines) error {
			if offer != "" {
				if err := s.Answer(ctx, offer, agent, now); err == nil || !late(err) {
					return err
				}
			}
			return s.Talk(ctx, agent, c.id, now) // the lease had lapsed, but there they are
		})
	}
	c.stopRinging(r, call.Elsewhere)
	c.answeredFor(r)
	if len(r.legs) == 0 {
		delete(c.rounds, r)
	}
	c.join(t, by, park)
}

// join makes the conversation: everybody else is sent away, the caller leaves
// line and slot.
func (c *Call) join(t *talk, by call.Actor, park *parking.Park) {
	c.talk = t
	if k := c.taking; k != nil { // their claim lapsed before their ACK came
		c.taking = nil
		c.aside[k.leg.ID()] = k.leg
		k.leg.Hangup(call.Gone, "taken by "+by.User)
	}
	c.stopAll(call.Elsewhere)
	if c.connected.IsZero() {
		t.first = true
		c.connected, c.answeredBy = t.since, by.User
	}
	if park != nil {
		c.retrieved(t, by, park)
	}
	if t.bounce == nil { // else the place in line is kept until the claim is spent
		c.leaveLineQuietly(lineOutcome(park), by)
	}
	shown := t.leg.Remote()
	if c.answered.IsZero() && !c.picked {
		beside(c.caller, t.leg)
	}
	c.answer(shown, func() {
		if c.talk == t {
			if c.from.Agent != "" && t.agent == "" {
				c.turn()
			}
			c.rejoin()
			c.recordTalk(t)
			c.note(call.Event{Type: call.Connected, At: t.since, Leg: t.leg.ID(), Actor: by})
		}
	})
}

func lineOutcome(park *parking.Park) string {
	if park != nil {
		return "retrieved"
	}
	return "answered"
}

// rejoin lets the two hear each other, unless one of them put the other on hold.
func (c *Call) rejoin() {
	t := c.talk
	if t == nil || c.caller == nil {
		return
	}
	c.introduce()
	a, b := c.caller.Media(), t.leg.Media()
	switch {
	case c.held[c.caller.ID()]:
		if b != nil {
			b.Music(c.music())
		}
		return
	case c.held[t.leg.ID()]:
		if a != nil {
			a.Music(c.music())
		}
		return
	}
	if a != nil && b != nil {
		a.Join(b)
	}
}

// introduce tells the reps of a conversation whom they talk to, should their
// phones show another. Parties outside are told nothing.
func (c *Call) introduce() {
	if c.from.Agent != "" {
		c.caller.Connected(c.talk.leg.Remote())
	}
	if c.talk.agent != "" {
		c.talk.leg.Connected(c.from)
	}
}

// onHeld: the one who is left waiting hears music.
func (c *Call) onHeld(ev LegHeld) {
	if ev.On {
		c.held[ev.Leg.ID()] = true // also while nobody talks: whoever takes the call next hears music
	} else {
		delete(c.held, ev.Leg.ID())
	}
	t := c.talk
	if c.ended || t == nil || c.caller == nil || (ev.Leg != c.caller && ev.Leg != t.leg) {
		return
	}
	kind, by := call.Resumed, call.Actor{User: t.agent}
	if ev.On {
		kind = call.Held
	}
	if ev.Leg == c.caller {
		by = call.Actor{User: c.from.Agent, Via: "caller"}
	}
	c.note(call.Event{Type: kind, Leg: ev.Leg.ID(), Actor: by})
	if !ev.On {
		c.rejoin()
		return
	}
	waiting := c.caller
	if ev.Leg == c.caller {
		waiting = t.leg
	}
	if m := waiting.Media(); m != nil {
		m.Music(c.music())
	}
}

// music is what a waiting party hears: that of the last lot, else the default.
func (c *Call) music() string {
	if l, ok := c.hub.cfg.Plan().Lot(c.homeLot()); ok {
		return l.Music
	}
	return ""
}

// parted: the rep hung up while the caller stayed.
func (c *Call) parted(cause call.Cause) {
	t := c.talk
	if t.bounce != nil { // they looked and put the phone down: as if they had never answered
		park := *t.bounce
		c.talk = nil
		t.timer.Stop()
		c.freed(t.agent, 0)
		if t.first {
			c.connected, c.answeredBy = time.Time{}, ""
		}
		c.untake(park, "bounced")
		return
	}
	if c.stay != nil {
		t.wrapUp = 0 // they mean to go on with the next call, and are rung back should there be no slot
	}
	c.endTalk(cause)
	if c.stay != nil || c.transferring() {
		c.ear().Music(c.music()) // the slot, or the colleague asked for, is on its way
		return
	}
	c.ear().Silence()
	if t.placed {
		c.over(cause)
		return
	}
	c.goOn()
}

// transferring tells whether somebody is to have the call at the rep's wish: a
// colleague is being rung, or another call asked for its party.
func (c *Call) transferring() bool {
	if c.handing != nil || c.taking != nil && c.taking.place != nil {
		return true
	}
	for r := range c.rounds {
		if r.handOver != nil && !r.closed {
			return true
		}
	}
	return false
}

// endTalk closes the books of a conversation, whoever ended it.
func (c *Call) endTalk(cause call.Cause) {
	t := c.talk
	if t == nil {
		return
	}
	c.talk = nil
	if t.timer != nil {
		t.timer.Stop()
	}
	c.storeTalk(t)
	now := time.Now()
	c.talked += now.Sub(t.since)
	c.note(call.Event{
		Type: call.Parted, At: now, Leg: t.leg.ID(), Cause: cause, Actor: call.Actor{User: t.agent, Via: t.via},
		Data: map[string]any{"talked_ms": now.Sub(t.since).Milliseconds()},
	})
	c.lastRep, c.lastTalk = t.agent, t.since
	c.freed(t.agent, c.wrapUp(t))
}

// freed tells the queues that an agent's part in this call is over.
func (c *Call) freed(agent string, wrapUp time.Duration) {
	if agent == "" {
		return
	}
	now := time.Now()
	c.lines("agent is free", func(ctx context.Context, s Lines) error { return s.Free(ctx, agent, c.id, wrapUp, now) })
	c.hub.stillTalking(agent, c)
}
