package callctl

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/routing"
)

// over ends the call: no slot, no place in line and no ringing phone is left
// behind. The goroutine goes on until every leg has said goodbye.
func (c *Call) over(cause call.Cause) {
	if c.ended {
		return
	}
	c.endedAt, c.cause = time.Now(), cause
	c.keepMessage(func(bool) {})
	talked := c.talk != nil
	c.closeStay()
	c.giveUpSlot("hung_up")
	if c.hearing != nil {
		c.hearing.close()
	}
	left := map[bool]string{true: "answered", false: "abandoned"}[talked]
	if c.back != nil && c.caller == nil {
		left = "given_up" // nobody has waited
	}
	c.leaveLineQuietly(left, call.Actor{Via: "caller"})
	ends := ""
	if t := c.talk; t != nil {
		ends = c.wait.talked
		c.endTalk(cause)
		c.aside[t.leg.ID()] = t.leg
	}
	c.hangupFlow(ends)
	c.ended = true
	c.clearWait()
	if c.taking != nil {
		c.taking.leg.Hangup(call.Gone, "the caller has just left")
	}
	c.stopAll(call.Cancelled)
	for _, l := range c.aside {
		l.Hangup(legCause(cause), "")
	}
	if c.caller != nil {
		c.caller.Hangup(cause, "")
	}
	wrapUp := time.Duration(0)
	if talked {
		wrapUp = c.hub.cfg.WrapUp
	}
	c.freed(c.from.Agent, wrapUp)
	c.settleBack()
	c.whenKept(func() {
		if !c.written {
			c.write()
		}
	})
}

// legCause is what the other legs are told when the caller's end came by cause.
func legCause(cause call.Cause) call.Cause {
	if cause == call.Cancelled {
		return call.Normal
	}
	return cause
}

// closeStay ends the park: as retrieved if a recalled parker was with the
// caller, else as abandoned, or failed if it was us.
func (c *Call) closeStay() {
	s := c.stay
	if s == nil {
		return
	}
	if c.talk != nil && c.talk.bounce != nil {
		c.spend()
		return
	}
	reason := parking.Abandoned
	if c.cause == call.Failed || c.cause == call.Shutdown {
		reason = parking.Failed
	}
	at, id := c.endedAt, s.park.ID
	c.left(at)
	c.parks("abandoned", func(ctx context.Context, p Parking) error {
		_, err := p.End(ctx, id, 0, reason, call.Actor{Via: "caller"}, at)
		if !wasMoved(err) {
			return err
		}
		in, err := p.Live(ctx, parking.Filter{Call: c.id}) // where the caller was when they left
		for _, now := range in {
			_, ended := p.End(ctx, now.ID, 0, reason, call.Actor{Via: "caller"}, at)
			err = errors.Join(err, ended)
		}
		return err
	})
}

// hangupFlow runs the flow's hang-up handler: its notifications, nothing that
// needs the caller. Of a conversation that ended with the call, which would have
// come to talked, the rep is asked what came of it.
func (c *Call) hangupFlow(talked string) {
	if c.walk.Ended || c.flow == nil || c.flowOn {
		return
	}
	run, cmds, err := routing.Resume(c.flow, c.walk, routing.Event{Node: c.walk.At, Outcome: routing.HangupOutcome, At: c.endedAt, Talked: talked})
	if err != nil {
		c.log.Warn("hang-up handler failed", "err", err)
		return
	}
	for _, d := range run.Path[min(len(c.walk.Path), len(run.Path)):] {
		c.note(decided(c.id, run, d))
	}
	c.walk = run
	for _, cmd := range cmds {
		switch cmd := cmd.(type) {
		case routing.Notify:
			c.notify(cmd)
		case routing.Disposition:
			c.ask(cmd)
		}
	}
}

// outcome is what came of the call, in one word.
func (c *Call) outcome() string {
	switch {
	case c.booking != nil && (c.booking.used || c.handing != nil): // or on its way, and the rep has not waited
		return "parked"
	case c.booking != nil:
		return "not_parked" // a rep thought better of it: nobody was waiting in this call
	case c.hearing != nil:
		return "messages" // a rep heard theirs
	case !c.connected.IsZero():
		return "answered"
	case c.back != nil:
		return "not_reached"
	case c.voicemail != "":
		return "voicemail"
	case c.cause == call.Failed || c.cause == call.Shutdown:
		return "failed"
	case c.expired:
		return "expired"
	case c.cause == call.Busy || c.cause == call.Rejected || c.cause == call.Forbidden || c.cause == call.NotFound:
		return "refused"
	}
	return "abandoned"
}

// write closes the ledger.
func (c *Call) write() {
	c.written = true
	c.hearAll()
	cl := Closing{
		ID: c.id, At: c.endedAt, Cause: c.cause, Outcome: c.outcome(), AnsweredAt: c.answered,
		ConnectedAt: c.connected, AnsweredBy: c.answeredBy, Talked: c.talked, Run: c.walk, Heard: slices.Clone(c.heard),
	}
	if c.firstWalk.Flow != "" {
		cl.Run = c.firstWalk
	}
	if c.back != nil {
		cl.AnsweredBy = orText(cl.AnsweredBy, c.back.rep)
	}
	if c.trunk != "" || c.back != nil && !c.connected.IsZero() {
		cl.Activity = c.activity(cl)
	}
	last := call.Event{
		Call: c.id, Type: call.Ended, At: c.endedAt, Cause: c.cause, Flow: c.walk.Flow, Version: c.walk.Version,
		Data: map[string]any{"outcome": cl.Outcome, "talked_ms": c.talked.Milliseconds(), "parked_ms": c.parkedFor.Milliseconds()},
	}
	c.scribe.last(last, func(ctx context.Context, facts []call.Event) error { return c.hub.cfg.Book.End(ctx, cl, facts...) })
}

func (c *Call) activity(cl Closing) *crm.Activity {
	a := &crm.Activity{
		Key: string(c.id), Direction: "inbound", From: c.from.Number, To: c.to, StartedAt: c.began, EndedAt: c.endedAt,
		Parked: c.parkedFor, Talked: c.talked, Outcome: cl.Outcome, Agent: c.answeredBy, Task: c.task,
	}
	if !c.connected.IsZero() {
		at := c.connected
		a.ConnectedAt = &at
	}
	if c.record != nil {
		a.About = []crm.Ref{c.record.Ref}
	}
	if b := c.back; b != nil {
		a.Direction, a.From, a.To, a.Agent = "outbound", b.owed.To, b.owed.Number, cl.AnsweredBy
	}
	return a
}
