package callctl

import (
	"context"
	"slices"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

// reserve asks for agents and rings those it got; over is called when none of
// them answered, with what the flow should be told.
func (c *Call) reserve(r *round, agents []string, ring time.Duration, whoever bool, inv Invitation) {
	now := time.Now()
	o := queues.Offer{ID: call.NewID("ofr", now), Call: c.id, Node: c.hub.cfg.Node, Agents: agents, At: now, Until: now.Add(ring + 5*time.Second)}
	var got queues.Offer
	var noting []string
	var not []passedOver
	c.rounds[r] = true
	c.try(func(ctx context.Context) (err error) {
		var there []queues.Agent
		if r.one && len(o.Agents) > 1 {
			if there, err = c.hub.cfg.Lines.Agents(ctx); err != nil {
				return err
			}
			o.Agents = longestIdle(there, o.Agents)
		}
		got, err = c.hub.cfg.Lines.Reserve(ctx, o, whoever)
		if err == nil && r.from != nil && len(got.Agents) < len(agents) {
			otherwise := "taken by another call in that moment"
			if there != nil {
				otherwise = "others have been idle longer"
			} else {
				there, _ = c.hub.cfg.Lines.Agents(ctx)
			}
			not = unwilling(there, agents, got.Agents, whoever, otherwise)
		}
		if err == nil && len(got.Agents) == 0 && r.via == "comeback" {
			there, _ := c.hub.cfg.Lines.Agents(ctx)
			noting = wrappingUp(there, o.Agents)
		}
		return err
	}, func(err error) {
		r.picked = got.Agents
		if err == nil && r.from != nil && !c.ended && !r.closed {
			c.chosen(r, got.Agents, r.numbers, append(slices.Clone(r.asked), not...))
		}
		switch {
		case err != nil && r.via == "dial" && !c.ended && !r.closed:
			// Without the database nobody can be reserved; a caller is better served by
			// a phone that may be in use than by none.
			c.log.Error("agents not reserved, ringing them all the same", "err", err)
			r.picked = agents
			c.ring(r, agents, r.numbers, ring, inv)
		case err != nil:
			c.log.Error("agents not reserved", "err", err)
			c.fail(r, call.Failed)
		case len(noting) > 0 && !c.ended && !r.closed:
			c.ring(r, noting, nil, ring, inv) // their notes are about this very call
		case len(got.Agents) == 0 && len(r.numbers) == 0:
			c.fail(r, call.Busy)
		case c.ended || r.closed:
			r.offer = got.ID
			for _, a := range got.Agents {
				c.missed(r, a, "withdrawn")
			}
			c.fail(r, call.Cancelled)
		default:
			r.offer = got.ID
			c.ring(r, got.Agents, r.numbers, ring, inv)
		}
	})
}

// wrappingUp are those of the agents named who write up a call.
func wrappingUp(there []queues.Agent, names []string) (out []string) {
	for i := range there {
		if there[i].State == queues.WrapUp && slices.Contains(names, there[i].Name) {
			out = append(out, there[i].Name)
		}
	}
	return out
}

// longestIdle is the one of the agents named who could be rung and has waited
// longest since their last conversation; all of them when none could.
func longestIdle(there []queues.Agent, names []string) []string {
	var best *queues.Agent
	for i := range there {
		a := &there[i]
		if slices.Contains(names, a.Name) && a.Free() && (best == nil || a.IdleSince.Before(best.IdleSince)) {
			best = a
		}
	}
	if best == nil {
		return names
	}
	return []string{best.Name}
}
