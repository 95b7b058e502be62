package sim

import (
	"slices"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// turns is people who are rung one after another, as internal/callctl does it.
type turns struct {
	round    round // what the rounds have in common
	strategy string
	ring     time.Duration
	until    time.Time
	whoever  bool
	agents   []string // longest_idle: who is left
	numbers  []string // longest_idle: rung with the first
	order    []string // ordered: who is left, numbers as "number:+34…"
	begun    bool
	worst    call.Cause
	over     func(why call.Cause)
}

// ringAll rings whom the targets name by the strategy; it says no if that is nobody.
func (c *stage) ringAll(t *turns, targets []string) bool {
	agents, numbers := c.who(targets...)
	if len(agents)+len(numbers) == 0 {
		return false
	}
	switch t.strategy {
	case "ordered":
		for _, one := range targets {
			as, ns := c.who(one)
			for _, x := range append(as, ns...) {
				if !slices.Contains(t.order, x) {
					t.order = append(t.order, x)
				}
			}
		}
	case "longest_idle":
		t.agents, t.numbers, t.until = agents, numbers, c.clock.now.Add(t.ring)
	default:
		r := t.round
		r.over = t.over
		c.reserve(&r, agents, numbers, t.ring, false, t.whoever)
		return true
	}
	c.nextTurn(t)
	return true
}

func (c *stage) nextTurn(t *turns) {
	r := t.round
	agents, numbers, ring := t.agents, t.numbers, t.ring
	if t.strategy == "ordered" {
		x := t.order[0]
		t.order = t.order[1:]
		agents, numbers = c.who(x)
	} else {
		t.numbers, ring = nil, t.until.Sub(c.clock.now)
	}
	r.over = func(why call.Cause) { c.turnOver(t, &r, why) }
	c.reserve(&r, agents, numbers, ring, t.strategy == "longest_idle", t.whoever)
}

// turnOver goes on to the next, if there is one and somebody is still wanted.
func (c *stage) turnOver(t *turns, r *round, why call.Cause) {
	for _, x := range r.rings {
		t.agents = slices.DeleteFunc(t.agents, func(a string) bool { return a == x.who })
	}
	switch {
	case !t.begun:
		t.worst = why
	case len(r.rings) > 0: // that nobody else is free says nothing about those who were
		t.worst = graver(t.worst, why)
	}
	t.begun = true
	more := len(t.order) > 0
	if t.strategy == "longest_idle" {
		more = len(r.rings) > 0 && len(t.agents) > 0 && t.until.Sub(c.clock.now) >= time.Second
	}
	if !more || c.talk != nil || c.over() {
		t.over(t.worst)
		return
	}
	c.nextTurn(t)
}

func graver(a, b call.Cause) call.Cause {
	rank := map[call.Cause]int{call.Unavailable: 0, call.NotFound: 1, call.NoAnswer: 2, call.Busy: 3, call.Rejected: 4}
	if rank[b] > rank[a] {
		return b
	}
	return a
}
