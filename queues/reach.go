package queues

import (
	"slices"
	"time"
)

// Reach says who may be offered a call from a time of its waiting on. The last
// that has begun is in force; before the first, and for a call without any,
// everybody who serves the queue may.
type Reach struct {
	After  time.Duration `json:"after_ns"` // since the call joined
	Tier   int           `json:"tier"`     // agents of this tier and those before it; below zero: of all
	Skills []string      `json:"skills"`   // who have all of these
}

// reach is what is in force for an entry at a time, nil if everybody may.
func (e Entry) reach(now time.Time) *Reach {
	var in *Reach
	for i := range e.Reach {
		if now.Sub(e.JoinedAt) >= e.Reach[i].After {
			in = &e.Reach[i]
		}
	}
	return in
}

// admits tells whether a candidate may be offered the call. Nil admits all.
func (r *Reach) admits(c Candidate) bool {
	if r == nil {
		return true
	}
	if r.Tier >= 0 && c.Tier > r.Tier {
		return false
	}
	for _, s := range r.Skills {
		if !slices.Contains(c.Agent.Skills, s) {
			return false
		}
	}
	return true
}

// Widens are the times at which others may be offered the call, after now: each
// needs a decision.
func (e Entry) Widens(now time.Time) []time.Time {
	var out []time.Time
	for _, r := range e.Reach {
		if at := e.JoinedAt.Add(r.After); at.After(now) {
			out = append(out, at)
		}
	}
	return out
}
