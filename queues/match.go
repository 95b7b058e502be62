package queues

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Starvation is how long priority counts: an entry that has waited longer comes
// before all that have not, and among such the order is first in, first out.
const Starvation = 2 * time.Minute

// Match decides who is asked for which call: the first in line gets the best
// free agent, the next the best of those left. It is a pure function; the
// offers have no ID yet.
//
//   - An agent is free who is available, idle and has a registered phone.
//   - The record's owner is asked first, whatever their tier and skills.
//   - Nobody else is asked who is not yet in the entry's reach.
//   - Then the lowest tier with somebody free, in the order of the strategy.
//   - Agents who were offered the call and did not take it are asked again only
//     when nobody else is free, the one asked longest ago first.
//   - An entry is left alone until its NextAt, and keeps its place.
func Match(q Queue, waiting []Entry, agents []Agent, now time.Time) []Offer {
	strategy, ok := Strategies[q.Strategy]
	if !ok {
		strategy = Strategies[LongestIdle]
	}
	free := newPool(q, agents, strategy)
	var offers []Offer
	for _, e := range Line(waiting, now) {
		if free.left == 0 {
			break
		}
		if e.NextAt.After(now) {
			continue
		}
		o := Offer{
			Call: e.Call, Node: e.Node, Queue: q.Name,
			At: now, Until: now.Add(q.Ring), JoinedAt: e.JoinedAt,
		}
		if owner, ok := free.takeOwner(e); ok {
			o.Agents = []string{owner}
			offers = append(offers, o)
			continue
		}
		in := e.reach(now)
		if strategy.All {
			if o.Agents = free.takeTier(e, in); len(o.Agents) > 0 {
				return append(offers, o) // the others in line wait for what this one leaves
			}
			continue
		}
		if best, ok := free.takeOne(e, in); ok {
			o.Agents = []string{best}
			offers = append(offers, o)
		}
	}
	return offers
}

// Line puts entries in the order they are served at a time: those that somebody
// put first, the latest of them before the others; then those who have waited too
// long, then by priority.
func Line(waiting []Entry, now time.Time) []Entry {
	line := slices.Clone(waiting)
	slices.SortFunc(line, func(a, b Entry) int {
		if first := b.FirstAt.Compare(a.FirstAt); first != 0 {
			return first
		}
		oldA, oldB := now.Sub(a.JoinedAt) >= Starvation, now.Sub(b.JoinedAt) >= Starvation
		switch {
		case oldA && !oldB:
			return -1
		case oldB && !oldA:
			return 1
		case !oldA && a.Priority != b.Priority:
			return cmp.Compare(b.Priority, a.Priority)
		}
		return cmp.Or(a.JoinedAt.Compare(b.JoinedAt), cmp.Compare(a.Call, b.Call))
	})
	return line
}

// pool is the free agents of a queue, best first.
type pool struct {
	ranked []Candidate
	place  map[string]int // in ranked
	taken  []bool
	first  int // all before it are taken
	left   int
}

func newPool(q Queue, agents []Agent, s Strategy) *pool {
	assigned := make(map[string]Assignment, len(q.Agents))
	for _, a := range q.Agents {
		assigned[a.Agent] = a
	}
	p := &pool{ranked: make([]Candidate, 0, len(agents))}
	for i := range agents {
		a := &agents[i]
		as, ok := assigned[a.Name]
		if !ok || !a.Free() {
			continue
		}
		delete(assigned, a.Name) // once
		p.ranked = append(p.ranked, Candidate{Agent: a, Tier: as.Tier, Order: as.Order})
	}
	slices.SortFunc(p.ranked, func(a, b Candidate) int {
		if c := cmp.Compare(a.Tier, b.Tier); c != 0 {
			return c
		}
		return cmp.Or(s.Order(a, b), strings.Compare(a.Agent.Name, b.Agent.Name))
	})
	p.left = len(p.ranked)
	p.taken = make([]bool, p.left)
	p.place = make(map[string]int, p.left)
	for i, c := range p.ranked {
		p.place[c.Agent.Name] = i
	}
	return p
}

func (p *pool) take(i int) string {
	p.taken[i] = true
	p.left--
	for p.first < len(p.taken) && p.taken[p.first] {
		p.first++
	}
	return p.ranked[i].Agent.Name
}

func (p *pool) takeOwner(e Entry) (string, bool) {
	i, ok := p.place[e.Owner]
	if !ok || p.taken[i] || slices.Contains(e.Tried, e.Owner) {
		return "", false
	}
	return p.take(i), true
}

// takeOne takes the best agent for the entry of those in its reach, if there is one.
func (p *pool) takeOne(e Entry, in *Reach) (string, bool) {
	for i := p.first; i < len(p.ranked); i++ {
		if !p.taken[i] && in.admits(p.ranked[i]) && !slices.Contains(e.Tried, p.ranked[i].Agent.Name) {
			return p.take(i), true
		}
	}
	for _, name := range e.Tried { // longest ago first
		if i, ok := p.place[name]; ok && !p.taken[i] && in.admits(p.ranked[i]) {
			return p.take(i), true
		}
	}
	return "", false
}

// takeTier takes all free agents of the best tier for the entry: those not
// tried yet, or if there are none in any tier, the tried ones too. Nobody who is
// not in its reach.
func (p *pool) takeTier(e Entry, in *Reach) []string {
	for _, again := range []bool{false, true} {
		var names []string
		tier := 0
		for i := p.first; i < len(p.ranked); i++ {
			c := p.ranked[i]
			if p.taken[i] || !in.admits(c) || !again && slices.Contains(e.Tried, c.Agent.Name) {
				continue
			}
			if len(names) > 0 && c.Tier != tier {
				break
			}
			tier = c.Tier
			names = append(names, p.take(i))
		}
		if len(names) > 0 {
			return names
		}
	}
	return nil
}
