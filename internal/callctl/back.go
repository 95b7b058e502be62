package callctl

import (
	"context"
	"time"

	"github.com/callyard/callyard/callback"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// back is what a call is for that the hub places itself: somebody is owed it. It
// begins without a caller. With the rep first, it stands in line like a call, and
// the rep whose phone answers has then placed it. With the caller first, whoever
// answers is the caller, and stands in line.
type back struct {
	owed   callback.Callback
	rep    string // who answered
	wrapUp time.Duration
	what   string // why it came to nothing
	counts bool   // and whether that was a try
}

// callerRing is how long somebody who is called back has to answer.
const callerRing = 40 * time.Second

// CallbackDue is the job that begins an attempt at a callback.
func (h *Hub) CallbackDue(ctx context.Context, due callback.Due) error {
	h.mu.Lock()
	stopping := h.stopping
	h.mu.Unlock()
	if stopping {
		return context.Canceled // another node, or this one again, will
	}
	now := time.Now()
	id := call.ID(call.NewID("call", now))
	owed, ok, err := h.cfg.Callbacks.Begin(ctx, due, h.cfg.Node, id, now)
	if err != nil || !ok {
		return err
	}
	if at := h.opens(ctx, owed, now); at.After(now) {
		return h.cfg.Callbacks.Settle(ctx, owed.ID, id, callback.Outcome{What: callback.Closed, Again: at}, now)
	}
	c := newCall(h, Incoming{From: Party{Number: owed.Number, Name: owed.Name}, At: now}, owed.Number, nil)
	c.id, c.log = id, h.cfg.Log.With("call", string(id))
	c.scribe.log = c.log
	c.back = &back{owed: owed, what: callback.Stopped}
	c.placer = Party{Number: owed.To}
	h.mu.Lock()
	stopping = h.stopping
	if !stopping {
		h.calls[c.id] = c
	}
	h.mu.Unlock()
	if stopping {
		return h.cfg.Callbacks.Settle(ctx, owed.ID, id, callback.Outcome{What: callback.Stopped, Again: now.Add(callback.Soon)}, now)
	}
	go c.run()
	return nil
}

// opens is the first moment from t on at which the calendar of the node that made a
// promise lets it be kept; beyond the promise's end if that never comes. Without a
// calendar, or a flow to be had, that is any time.
func (h *Hub) opens(ctx context.Context, owed callback.Callback, t time.Time) time.Time {
	if owed.Flow == "" || h.cfg.Flow == nil {
		return t
	}
	f, err := h.cfg.Flow(ctx, routing.Run{Flow: owed.Flow, Version: owed.Version, Subflows: owed.Subflows})
	if err != nil { // a flow of the hub's own, or one that is gone
		return t
	}
	at, ok := routing.MayCallBack(f, owed.Node, t)
	if !ok {
		return later(t, owed.Until).Add(time.Second)
	}
	return at
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// begun is the first fact of a callback's own call.
func (b *back) begun(c *Call) call.Event {
	return b.owed.Fact(call.CallbackBegun, c.id, call.Actor{Via: "callback"}, c.began, map[string]any{
		"number": b.owed.Number, "owner": b.owed.Owner, "first": b.owed.First, "try": b.owed.Tried + 1,
	})
}

// callBackNow begins with whoever is to be rung first.
func (c *Call) callBackNow() {
	owed := c.back.owed
	late := c.after(time.Until(owed.Until), func() {
		if !c.ended && c.caller == nil {
			c.backOver("expired", true)
		}
	})
	c.back.what, c.back.counts = callback.NoAgents, false
	switch {
	case owed.First == callback.CallerFirst:
		late.Stop()
		r := &round{via: "callback", numbers: []call.Number{owed.Number}}
		r.over = func(why call.Cause) { c.backOver(dialWord(why), true) }
		c.ring(r, nil, r.numbers, callerRing, Invitation{Shown: Party{Number: owed.To}})
	case owed.Queue != "":
		since := owed.JoinedAt
		if since.IsZero() {
			since = time.Now()
		}
		c.standInLine(place{queue: owed.Queue, since: since, priority: owed.Priority}, "", func(err error) {
			switch {
			case c.ended:
			case err != nil:
				c.log.Info("callback not queued", "queue", owed.Queue, "err", err)
				c.backOver(callback.NoAgents, false)
			}
		})
	default:
		r := &round{via: "callback"}
		r.over = func(why call.Cause) {
			c.backOver("rep_"+dialWord(why), why != call.Busy) // who talks, or is away, was not rung
		}
		c.reserve(r, []string{owed.Owner}, recallRing, false, c.backShown())
	}
}

// backShown is how a rep's phone shows whom they are to call back.
func (c *Call) backShown() Invitation {
	return Invitation{Display: "Call back: " + c.display()}
}

// backOver ends an attempt that came to nothing.
func (c *Call) backOver(what string, counts bool) {
	if c.ended {
		return
	}
	c.back.what, c.back.counts = what, counts
	c.over(call.Normal)
}

// backAnswered: the first of the two has answered. A rep has placed the call from
// here on; somebody who is called back is a caller.
func (c *Call) backAnswered(r *round, l Leg, by call.Actor) {
	now, agent := time.Now(), by.User
	r.over = nil
	delete(r.legs, l.ID())
	if a := r.agents[agent]; a != nil {
		a.done = true
	}
	c.caller, c.answered, c.picked = l, now, true
	if agent != "" {
		c.back.rep, c.agent = agent, agent
		c.from = l.Remote()
		c.from.Agent = agent
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
	if c.line != nil {
		c.back.wrapUp = c.line.wrapUp
	}
	c.stopAll(call.Elsewhere)
	if len(r.legs) == 0 {
		delete(c.rounds, r)
	}
	c.leaveLineQuietly("answered", by)
	c.note(call.Event{Type: call.AnsweredBy, At: now, Leg: l.ID(), Actor: by})
	c.ear().Music("ringback")
	c.back.what, c.back.counts = "hung_up", true // whoever answered first; unless the other answers too
	var wanted bool
	var err error
	owed := c.back.owed
	c.fork(oneTry, func(ctx context.Context) { wanted, err = c.hub.cfg.Callbacks.Standing(ctx, owed.ID, c.id) }, func() {
		switch {
		case c.ended:
		case err == nil && !wanted: // they have called again meanwhile
			c.backOver(string(callback.Cancelled), false)
		case agent == "":
			c.flow = routing.CalledBack(owed.Queue, owed.Owner)
			c.kept = place{queue: owed.Queue, since: owed.JoinedAt, priority: owed.Priority}
			c.startFlow()
		default:
			c.flow = routing.Direct("number:" + string(owed.Number))
			c.startFlow()
		}
	})
}

// settleBack writes down what came of the attempt, and when it is tried again.
func (c *Call) settleBack() {
	b := c.back
	if b == nil {
		return
	}
	o := callback.Outcome{What: b.what, Counts: b.counts}
	switch {
	case !c.connected.IsZero():
		o = callback.Outcome{What: callback.Connected, Counts: true}
	case c.cause == call.Shutdown:
		o = callback.Outcome{What: callback.Stopped}
	case b.rep == "": // they did not get as far as the caller
	case c.cause == call.Busy, c.cause == call.Rejected:
		o.What = dialWord(c.cause)
	case c.cause == call.Unavailable:
		o.What = "no_answer"
	}
	now, owed := c.endedAt, b.owed
	c.scribe.must("callback settled", func(ctx context.Context) error {
		o.Again = now.Add(owed.Retry)
		if o.What == callback.Stopped {
			o.Again = now.Add(callback.Soon)
		}
		o.Again = c.hub.opens(ctx, owed, o.Again)
		return c.hub.cfg.Callbacks.Settle(ctx, owed.ID, c.id, o, now)
	})
}
