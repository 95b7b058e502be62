package callctl

import (
	"context"
	"time"

	"github.com/callyard/callyard/internal/call"
)

func (c *Call) missed(r *round, agent, why string) {
	now := time.Now()
	if agent != "" {
		if a := r.agents[agent]; a != nil {
			a.done = true
		}
	}
	c.note(call.Event{Type: call.DialResult, At: now, Actor: call.Actor{User: agent, Via: r.via}, Data: map[string]any{"result": why}})
	if r.offer == "" || agent == "" {
		return
	}
	offer := r.offer
	c.lines("agent missed", func(ctx context.Context, s Lines) error { return s.Miss(ctx, offer, agent, why, now) })
}

// missWord is why an agent did not take an offer, in the words of queues.Store.Miss.
func missWord(cause call.Cause) string {
	switch cause {
	case call.Busy:
		return "busy"
	case call.Rejected, call.Forbidden:
		return "rejected"
	case call.NotFound, call.NotAcceptable, call.Failed:
		return "unreachable"
	case call.Elsewhere, call.Cancelled, call.Shutdown, call.Gone:
		return "withdrawn"
	default:
		return "no_answer"
	}
}

// worse picks which of two results tells the flow more: a phone that was busy
// or declined says more than one that only rang.
func worse(a, b call.Cause) call.Cause {
	rank := map[call.Cause]int{call.Unavailable: 0, call.NotFound: 1, call.NoAnswer: 2, call.Busy: 3, call.Rejected: 4}
	if rank[b] > rank[a] {
		return b
	}
	return a
}
