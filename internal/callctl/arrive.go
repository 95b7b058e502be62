package callctl

import (
	"context"
	"errors"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/voicemail"
)

// Incoming takes a new call. It does not block.
func (h *Hub) Incoming(in Incoming) {
	if in.Replaces != nil {
		h.pickUp(in)
		return
	}
	plan := h.cfg.Plan()
	if in.Agent != "" {
		h.fromAgent(plan, in)
		return
	}
	number, flow, ok := plan.Number(in.To)
	if !ok {
		h.cfg.Log.Info("call to a number nobody has", "trunk", in.Trunk, "to", call.Number(in.To), "from", in.From.Number)
		refuse(in.Leg, call.NotFound, "no flow answers "+in.To)
		return
	}
	h.begin(plan, in, number, flow)
}

// fromAgent routes what a rep dialled: a slot code retrieves, *98 plays messages, a colleague or a
// number is called.
func (h *Hub) fromAgent(plan *Plan, in Incoming) {
	if in.To == voicemail.Code {
		h.hearMessages(in)
		return
	}
	if lot, slot, ok := plan.Slot(in.To); ok {
		by := call.Actor{User: in.Agent, Device: in.From.Device, Via: "dial"}
		reserve := func() bool { return false }
		if h.talks(in.Agent) { // on hold at a phone that now calls the slot: they mean to park there
			reserve = func() bool { h.book(in, lot, slot); return true }
		}
		if !h.spawn(func(ctx context.Context) {
			h.retrieveWith(ctx, in.Leg, parking.Target{Lot: lot.Name, Slot: slot}, by, reserve)
		}) {
			refuse(in.Leg, call.Shutdown, "this node is stopping")
		}
		return
	}
	if lot, _, ok := plan.Place(in.To); ok {
		h.book(in, lot, 0)
		return
	}
	if a, ok := plan.Agent(in.To); ok {
		h.begin(plan, in, call.Number(in.To), routing.Direct("agent:"+a.Name))
		return
	}
	if number, flow, ok := plan.Number(in.To); ok {
		h.begin(plan, in, number, flow)
		return
	}
	if _, ok := plan.Outward(); ok && len(in.To) > 4 {
		h.begin(plan, in, call.Number(in.To), routing.Direct("number:"+in.To))
		return
	}
	refuse(in.Leg, call.NotFound, "nobody has "+in.To)
}

// begin starts the goroutine of a call that runs a flow.
func (h *Hub) begin(plan *Plan, in Incoming, to call.Number, flow *routing.Flow) {
	c := newCall(h, in, to, flow)
	c.flow, c.choice = plan.Choose(flow, c.from.Number, c.id)
	h.launch(c, in.Leg)
}

func (h *Hub) launch(c *Call, l Leg) {
	h.mu.Lock()
	if h.stopping {
		h.mu.Unlock()
		refuse(l, call.Shutdown, "this node is stopping")
		return
	}
	h.calls[c.id] = c
	h.mu.Unlock()
	go c.run()
}

// notNow is what a phone is told of a failure that is ours: what went wrong is
// in the log, not on a display.
const notNow = "not possible right now; the caller is still parked"

// retrieveWith claims what is parked and hands the rep's leg to its call. Of a
// slot that nobody has used lately, empty may make something else.
func (h *Hub) retrieveWith(ctx context.Context, leg Leg, t parking.Target, by call.Actor, empty func() bool) {
	park, err := h.cfg.Parking.Claim(ctx, t, by, time.Now())
	if err != nil {
		var nobody *parking.NotParkedError
		if errors.As(err, &nobody) && nobody.Taken == nil && empty() {
			return
		}
		if _, denied := errors.AsType[*parking.DeniedError](err); denied {
			refuse(leg, call.Forbidden, err.Error())
			return
		}
		if late(err) {
			refuse(leg, call.Gone, err.Error())
			return
		}
		h.cfg.Log.Error("claim failed", "lot", t.Lot, "slot", t.Slot, "agent", by.User, "err", err)
		refuse(leg, call.Failed, notNow)
		return
	}
	if c := h.call(park.Call); c != nil && c.mb.post(func() { c.take(leg, park, by) }) {
		return
	}
	refuse(leg, call.Gone, "the caller has just left")
	if _, err := h.cfg.Parking.Release(ctx, park.ID, park.Epoch, "caller_gone", time.Now()); err != nil {
		h.cfg.Log.Warn("claim not released; it lapses", "park", park.ID, "err", err)
	}
}

// refuse ends a leg that no call will own.
func refuse(l Leg, cause call.Cause, note string) {
	l.Watch(func(LegEvent) bool { return true })
	l.Hangup(cause, note)
}
