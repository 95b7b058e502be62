package callctl

import (
	"context"
	"slices"
	"time"
)

// A call serves one party, c.caller, and at most one other talks to it, c.talk.
// In a call from outside that is the caller and a rep. In one that a rep places
// the roles are those of the dial until it is answered; then whoever was called
// is the one who can be put on hold, parked and sent elsewhere, and the rep the
// one who does it. Between two reps either may: the roles are theirs who acts.

// turn exchanges the roles of the two who talk.
func (c *Call) turn() {
	t := c.talk
	rep := c.from.Agent
	c.caller, t.leg = t.leg, c.caller
	c.from = c.caller.Remote()
	c.from.Agent, t.agent = t.agent, rep
	t.placed = rep == c.agent
}

// facing gives a rep who is about to act on the one they talk to their role.
func (c *Call) facing(l Leg) {
	if c.talk == nil || l != c.caller || c.from.Agent == "" {
		return
	}
	if c.talk.bounce != nil {
		c.spend()
	}
	c.turn()
}

// repOn is the rep on a leg of the conversation, "" for anybody else.
func (c *Call) repOn(l Leg) string {
	switch {
	case l == c.caller:
		return c.from.Agent
	case c.talk != nil && l == c.talk.leg:
		return c.talk.agent
	}
	return ""
}

// reps are those of ours who talk in this call.
func (c *Call) reps() []string {
	var out []string
	if c.talk != nil && c.talk.agent != "" {
		out = append(out, c.talk.agent)
	}
	if c.from.Agent != "" {
		out = append(out, c.from.Agent)
	}
	return out
}

// talks tells whether an agent is in a conversation.
func (h *Hub) talks(agent string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.calls {
		if s := c.seen.Load(); s != nil && s.State == "talking" && slices.Contains(s.reps, agent) {
			return true
		}
	}
	return false
}

// stillTalking lets another call that an agent is in say so: the queues know of
// one call of each agent, the latest, and have just been told that it is over.
func (h *Hub) stillTalking(agent string, but *Call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.calls {
		if s := c.seen.Load(); c == but || s == nil || !slices.Contains(s.reps, agent) {
			continue
		}
		c.mb.post(func() {
			if !c.ended && slices.Contains(c.reps(), agent) {
				now := time.Now()
				c.lines("agent still talks", func(ctx context.Context, s Lines) error { return s.Talk(ctx, agent, c.id, now) })
			}
		})
	}
}
