package callctl

import (
	"context"
	"errors"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

// taking is a rep's leg that has claimed the parked caller and is being
// answered: between our 200 and its ACK.
type taking struct {
	leg   Leg
	by    call.Actor
	park  parking.Park
	place Leg // not a parked caller: this rep's leg is being relieved
}

// take joins a rep who dialled the slot. The claim is theirs already.
func (c *Call) take(l Leg, park parking.Park, by call.Actor) {
	if c.whenPut(func() { c.take(l, park, by) }) {
		return
	}
	if c.takenFrom(park) {
		refuse(l, call.Gone, "the caller has just left")
		c.release(park, "caller_gone")
		return
	}
	if c.taking != nil {
		c.aside[c.taking.leg.ID()] = c.taking.leg
		c.taking.leg.Hangup(call.Gone, "claimed by "+by.User)
	}
	c.stay.park.Epoch = park.Epoch
	c.taking = &taking{leg: l, by: by, park: park}
	c.own(l)
	beside(l, c.caller)
	l.Answer(c.from)
	if a, b := c.caller.Media(), l.Media(); a != nil && b != nil {
		a.Join(b) // the rep hears the caller with our 200, not a round trip later
	}
}

// takenFrom tells whether the park that somebody has claimed is not to be had
// any more, whatever the claim says: a claim that lapses while a rep is being
// answered can be taken over by another.
func (c *Call) takenFrom(park parking.Park) bool {
	return c.ended || c.stay == nil || c.stay.park.ID != park.ID || c.stay.leaving || c.talk != nil
}

// taken: the rep's leg is up; the call is theirs.
func (c *Call) taken() {
	t := c.taking
	c.taking = nil
	if t.place != nil {
		c.relieved(t)
		return
	}
	now := time.Now()
	if agent := t.by.User; agent != "" {
		c.lines("agent took a call", func(ctx context.Context, s Lines) error { return s.Talk(ctx, agent, c.id, now) })
	}
	c.join(&talk{leg: t.leg, agent: t.by.User, via: t.by.Via, since: now, wrapUp: c.hub.cfg.WrapUp}, t.by, &t.park)
}

// untaken: the rep vanished before the ACK.
func (c *Call) untaken(why string) {
	t := c.taking
	c.taking = nil
	if t.place != nil {
		c.deserted()
		return
	}
	c.untake(t.park, why)
}

// untake puts the caller back as if nobody had claimed them: music, and the
// original clock goes on. A terminal step that waited for the claim runs next.
func (c *Call) untake(park parking.Park, why string) {
	c.release(park, why)
	if !c.takenFrom(park) && c.taking == nil {
		c.ear().Music(c.stay.lot.Music)
	}
}

func (c *Call) release(park parking.Park, why string) {
	now := time.Now()
	c.parks("release", func(ctx context.Context, s Parking) error {
		_, err := s.Release(ctx, park.ID, park.Epoch, why, now)
		return err
	})
}

// fetch rings the phones of a rep who claimed this call without dialling.
func (c *Call) fetch(park parking.Park, by call.Actor, result chan<- error) {
	if c.whenPut(func() { c.fetch(park, by, result) }) {
		return
	}
	if c.takenFrom(park) {
		c.release(park, "caller_gone")
		result <- &parking.NotParkedError{What: "park " + park.ID}
		return
	}
	c.stay.park.Epoch = park.Epoch
	told := false
	tell := func(err error) {
		if !told {
			told = true
			result <- err
		}
	}
	r := &round{via: by.Via, claim: park.Epoch, rung: func() { tell(nil) }}
	r.over = func(why call.Cause) {
		tell(ErrUnreachable)
		c.untake(park, missWord(why))
	}
	ring := max(time.Until(park.ClaimUntil)-500*time.Millisecond, time.Second)
	_, subject := c.noteOf()
	c.reserve(r, []string{by.User}, ring, true, Invitation{AutoAnswer: true, Subject: subject})
}

// retrieved spends the claim. A recalled parker is given a moment in which
// putting the phone down puts the call back.
func (c *Call) retrieved(t *talk, by call.Actor, park *parking.Park) {
	bounce := c.stay.lot.Bounce
	if by.Via != "recall" || bounce <= 0 {
		c.spendClaim(t, by, *park)
		return
	}
	held := *park
	t.bounce = &held
	until := t.since.Add(bounce + 5*time.Second)
	c.parks("hold claim", func(ctx context.Context, s Parking) error { return s.Extend(ctx, held.ID, held.Epoch, until) })
	t.timer = c.after(bounce, func() {
		if c.talk == t && t.bounce != nil {
			c.spend()
		}
	})
}

// spend makes a recalled parker's claim final.
func (c *Call) spend() {
	t := c.talk
	park := *t.bounce
	t.bounce = nil
	if t.timer != nil {
		t.timer.Stop()
	}
	by := call.Actor{User: t.agent, Device: t.leg.Remote().Device, Via: t.via}
	c.spendClaim(t, by, park)
	c.leaveLineQuietly(lineOutcome(&park), by)
}

// spendClaim ends the park as retrieved. The two are talking by now, so nothing
// the store says parts them: when it took so long to write that the claim has
// lapsed or was taken over meanwhile, the park is theirs all the same, and whoever
// took the claim over is refused.
func (c *Call) spendClaim(t *talk, by call.Actor, park parking.Park) {
	at := t.since
	c.left(at)
	c.parks("retrieved", func(ctx context.Context, s Parking) error {
		_, err := s.End(ctx, park.ID, park.Epoch, park.RetrievalReason(by), by, at)
		var lost *parking.NotParkedError
		if errors.As(err, &lost) && lost.Taken != nil && lost.Taken.State != parking.StateEnded {
			_, err = s.End(ctx, park.ID, 0, park.RetrievalReason(by), by, at)
		}
		if late(err) {
			c.log.Warn("a park was over before its retrieval was written", "park", park.ID, "agent", by.User, "err", err)
		}
		return err
	})
}
