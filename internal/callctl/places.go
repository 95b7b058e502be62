package callctl

import (
	"github.com/callyard/callyard/internal/call"
)

// places are the legs whose place a rep's phone may take now, by the rep they
// are of; "" is the caller who is parked.
type places map[string][]Leg

// places agrees with pickedUp: what it lists is what may be replaced.
func (c *Call) places() places {
	p := places{}
	for r := range c.rounds {
		if r.closed {
			continue
		}
		for _, x := range r.legs {
			if x.agent != "" && x.via != "pickup" {
				p[x.agent] = append(p[x.agent], x.leg)
			}
		}
	}
	if c.transferring() || c.taking != nil || c.caller == nil || c.answered.IsZero() {
		return p
	}
	switch {
	case c.talk != nil && c.stay == nil:
		for _, l := range []Leg{c.caller, c.talk.leg} {
			if who := c.repOn(l); who != "" {
				p[who] = append(p[who], l)
			}
		}
	case c.stay != nil && c.stay.put && c.talk == nil:
		p[""] = []Leg{c.caller}
	}
	return p
}

// Places are the legs of a live call of this node whose place may be taken (RFC
// 3891): of an agent who rings or talks in it, or, for "", of its parked caller.
// It never blocks; none for a call of another node.
func (h *Hub) Places(id call.ID, agent string) []Leg {
	c := h.call(id)
	if c == nil {
		return nil
	}
	s := c.seen.Load()
	if s == nil {
		return nil
	}
	return s.places[agent]
}
