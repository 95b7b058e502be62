package callctl

import (
	"time"

	"github.com/callyard/callyard/internal/call"
)

// deflections is where a call has been on the way that phones have sent it
// (302), so that two who name each other do not ring forever.
type deflections struct {
	been map[string]bool
	left int
}

// mostDeflections is how far a call follows phones that send it on.
const mostDeflections = 3

// deflected follows a rep's phone that sends the call elsewhere, by ringing
// there as well; false when it is not followed, and the rep has just not
// answered. An extension or name is that colleague; a number goes out, unless it
// is one of ours, which would come back in as a call of its own. What is offered
// to a rep by a queue is offered to nobody else, a rep who takes a call by a
// click or is rung back means themselves, and the ladder rings no numbers: a
// mailbox out there would answer and have the parked caller.
func (c *Call) deflected(r *round, agent, to string) bool {
	if c.ended || agent == "" || r.handOver == nil && c.talk != nil {
		return false
	}
	ladder := r.via == "recall" || r.via == "offer"
	if !ladder && r.via != "dial" && r.via != "transfer" {
		return false
	}
	plan := c.hub.cfg.Plan()
	next, isAgent := plan.Agent(to)
	_, _, ours := plan.Number(to)
	_, _, slot := plan.Place(to)
	_, out := plan.Outward()
	target := next.Name
	if !isAgent {
		if ladder || ours || slot || !out || len(to) <= 4 {
			return false
		}
		target = to
	}
	d := r.deflects
	if d == nil {
		d = &deflections{been: map[string]bool{}, left: mostDeflections}
		for name := range r.agents {
			d.been[name] = true
		}
		for _, n := range r.numbers {
			d.been[string(n)] = true
		}
		r.deflects = d
	}
	if d.been[target] || d.left == 0 {
		return false
	}
	d.been[target] = true
	d.left--
	on := &round{via: r.via, step: r.step, handOver: r.handOver, deflects: d}
	if r.via == "recall" {
		on.via = "offer" // to somebody else
	}
	r.onward++
	on.over = func(why call.Cause) {
		r.onward--
		r.worst = worse(r.worst, why)
		if len(r.legs) == 0 && r.onward == 0 {
			c.fail(r, r.worst)
		}
	}
	c.note(call.Event{Type: call.DialResult, Actor: call.Actor{User: agent, Via: r.via}, Data: map[string]any{"result": "deflected", "to": target}})
	inv := r.inv
	inv.Diverted, inv.Deflected = agent, true
	if a, ok := plan.Agents[agent]; ok && a.Extension != "" {
		inv.Diverted = a.Extension
	}
	// Afresh: a phone may have rung for most of its time before it sent the call on.
	ring := max(inv.Ring, time.Second)
	if isAgent {
		c.reserve(on, []string{target}, ring, c.agent != "", inv)
	} else {
		c.ring(on, nil, []call.Number{call.Number(to)}, ring, inv)
	}
	return true
}

// answeredFor spares the rounds that a round has come of: it was answered for
// them all.
func (c *Call) answeredFor(r *round) {
	if r.deflects == nil {
		return
	}
	for x := range c.rounds {
		if x != r && x.deflects == r.deflects {
			x.over, x.onward = nil, 0
			c.stopRinging(x, call.Elsewhere)
			if len(x.legs) == 0 {
				delete(c.rounds, x)
			}
		}
	}
}
