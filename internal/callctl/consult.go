package callctl

import (
	"context"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

// A semi-attended transfer: the rep presses transfer while the colleague they
// have called still rings. The phones go on ringing, for the caller's call now,
// as those of a transfer do: the rep may wait with the caller or hang up, and is
// rung back when nobody answers. The rep's call to the colleague is over.

// consulting is the round of the phones that ring for a rep who calls somebody,
// nil if h is about anything else.
func (c *Call) consulting(h *handover) *round {
	if c.ended || c.handing != nil || c.loan != nil || h.swapped || h.rep != c.caller || c.from.Agent != h.agent ||
		c.talk != nil || c.stay != nil || c.line != nil || c.booking != nil || len(c.rounds) != 1 {
		return nil
	}
	for r := range c.rounds {
		if r.via == "dial" && !r.closed && len(r.legs) > 0 {
			return r
		}
	}
	return nil
}

// giveRinging is the giver's part.
func (c *Call) giveRinging(h *handover, r *round, taker *Call) {
	if r.timer != nil {
		r.timer.Stop()
	}
	delete(c.rounds, r)
	lent := &loan{round: r, party: Party{Number: c.to}}
	for _, x := range r.legs {
		lent.legs = append(lent.legs, x.leg)
		lent.party.Agent = x.agent
	}
	c.handing, c.loan = h, lent
	given := *lent
	if !taker.mb.post(func() { taker.ringOn(h, given, c) }) {
		c.takeBack()
		h.result(603, "That call has ended")
	}
}

// ringHere takes phones back that the other call did not want.
func (c *Call) ringHere(l *loan) {
	c.rounds[l.round] = true
	if c.ended {
		c.stopRinging(l.round, call.Cancelled)
	} else {
		c.ringUntil(l.round)
	}
	for _, ev := range l.late {
		c.onLeg(ev)
	}
}

// ringOn is the taker's part.
func (c *Call) ringOn(h *handover, given loan, giver *Call) {
	c.handing = nil
	if c.cannotReceive(h, given, giver) {
		return
	}
	r := given.round
	old := r.offer
	r.via, r.offer, r.one, r.numbers, r.rung = "transfer", "", false, nil, nil
	c.onto(r, c.talk, h.agent, h.result)
	c.rounds[r] = true
	for _, l := range given.legs {
		c.own(l)
	}
	c.ringUntil(r)
	c.rebook(r, old)
	giver.mb.post(func() { giver.gave(h, c) })
}

// rebook reserves the agents who ring for this call: what was reserved for the
// other ends with it. Should somebody else be quicker, they ring all the same.
func (c *Call) rebook(r *round, old string) {
	var agents []string
	for name, a := range r.agents {
		if name != "" && !a.done {
			agents = append(agents, name)
		}
	}
	if len(agents) == 0 {
		return
	}
	now := time.Now()
	o := queues.Offer{ID: call.NewID("ofr", now), Call: c.id, Node: c.hub.cfg.Node, Agents: agents, At: now, Until: r.until.Add(5 * time.Second)}
	var got queues.Offer
	c.try(func(ctx context.Context) (err error) {
		for _, a := range agents {
			if old == "" {
				break
			}
			if err := c.hub.cfg.Lines.Miss(ctx, old, a, queues.Withdrawn, now); err != nil {
				return err
			}
		}
		got, err = c.hub.cfg.Lines.Reserve(ctx, o, true)
		return err
	}, func(err error) {
		switch {
		case err != nil:
			c.log.Warn("agents who ring are not reserved", "err", err)
		case c.ended || r.closed || !c.rounds[r]:
			for _, a := range got.Agents {
				c.missed(&round{offer: got.ID, via: r.via}, a, queues.Withdrawn)
			}
		default:
			r.offer = got.ID
			for _, a := range got.Agents {
				if x := r.agents[a]; x != nil && x.rang {
					c.lines("agent rings", func(ctx context.Context, s Lines) error { return s.Rang(ctx, got.ID, a, now) })
				}
			}
		}
	})
}
