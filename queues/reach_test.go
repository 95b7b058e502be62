package queues_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/callyard/callyard/queues"
)

func reach(r ...queues.Reach) func(*queues.Entry) { return func(e *queues.Entry) { e.Reach = r } }

func skilled(a queues.Agent, skills ...string) queues.Agent {
	a.Skills = skills
	return a
}

func TestReach(t *testing.T) {
	tiers := reach(queues.Reach{Tier: 0}, queues.Reach{After: 20 * time.Second, Tier: 1}, queues.Reach{After: 40 * time.Second, Tier: -1})
	spanish := reach(queues.Reach{Tier: -1, Skills: []string{"es", "vip"}}, queues.Reach{After: 20 * time.Second, Tier: -1, Skills: []string{"es"}}, queues.Reach{After: 40 * time.Second, Tier: -1})
	lower, none := []queues.Agent{free("bob", 5)}, []queues.Agent{free("eva", 5)}
	for _, c := range []matchCase{
		{"the first tier only, at first", "ann/bob/eva", []queues.Entry{waits("a", 19, tiers)}, lower, ""},
		{"the next is let in at its time", "ann/bob/eva", []queues.Entry{waits("a", 20, tiers)}, lower, "a:bob"},
		{"and no further one", "ann/bob/eva", []queues.Entry{waits("a", 39, tiers)}, none, ""},
		{"then all", "ann/bob/eva", []queues.Entry{waits("a", 40, tiers)}, none, "a:eva"},
		{"who cannot be reached yet serves the next in line", "ann/bob", []queues.Entry{waits("a", 9, tiers), waits("b", 1)}, lower, "b:bob"},
		{"the owner is asked whatever their tier", "ann/bob", []queues.Entry{waits("a", 1, tiers, owner("bob"))}, lower, "a:bob"},
		{"who was asked before is in reach or not asked again", "ann/bob", []queues.Entry{waits("a", 1, tiers, tried("bob"))}, lower, ""},
		{"skills that are asked for", "ann bob", []queues.Entry{waits("a", 1, spanish)}, []queues.Agent{skilled(free("ann", 9), "es"), skilled(free("bob", 1), "vip", "es")}, "a:bob"},
		{"are asked for less and less", "ann bob", []queues.Entry{waits("a", 20, spanish)}, []queues.Agent{free("ann", 9), skilled(free("bob", 1), "es")}, "a:bob"},
		{"until nobody is kept out", "ann", []queues.Entry{waits("a", 40, spanish)}, []queues.Agent{free("ann", 9)}, "a:ann"},
	} {
		c.run(t, queues.LongestIdle)
	}
	for _, c := range []matchCase{
		{"all ring of whom the call may be offered to", "ann/bob eva", []queues.Entry{waits("a", 20, tiers)}, []queues.Agent{free("bob", 1), free("eva", 2)}, "a:bob+eva"},
		{"nobody in reach: the next in line rings them", "ann/bob eva", []queues.Entry{waits("a", 9, tiers), waits("b", 1)}, []queues.Agent{free("bob", 1), free("eva", 2)}, "b:bob+eva"},
	} {
		c.run(t, queues.RingAll)
	}
}

// grows makes a reach that lets more and more in.
func grows(rnd *rand.Rand, skills []string) (out []queues.Reach) {
	r := queues.Reach{Tier: rnd.IntN(2), Skills: slices.Clone(skills[:rnd.IntN(len(skills)+1)])}
	for range rnd.IntN(4) {
		out = append(out, r)
		r.After += time.Duration(1+rnd.IntN(60)) * time.Second
		r.Tier += rnd.IntN(2)
		r.Skills = slices.Clone(r.Skills[:rnd.IntN(len(r.Skills)+1)])
	}
	return out
}

// TestReachProperties: whatever the crowd, nobody is offered a call that they are
// not in the reach of, and who waits longer is never out of the reach of anybody
// who would have had them before.
func TestReachProperties(t *testing.T) {
	skills := []string{"es", "vip", "tech"}
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		q := queues.Queue{Name: "sales"}.WithDefaults()
		tier, agents := map[string]int{}, []queues.Agent{}
		for i := range 1 + rnd.IntN(8) {
			name := fmt.Sprintf("a%d", i)
			tier[name] = rnd.IntN(4)
			q.Agents = append(q.Agents, queues.Assignment{Agent: name, Tier: tier[name], Order: i})
			agents = append(agents, skilled(free(name, rnd.IntN(60)), skills[:rnd.IntN(len(skills)+1)]...))
		}
		var waiting []queues.Entry
		for i := range 1 + rnd.IntN(6) {
			waiting = append(waiting, waits(fmt.Sprintf("c%d", i), rnd.IntN(200), priority(rnd.IntN(3)), reach(grows(rnd, skills)...)))
		}
		in := func(e queues.Entry, a queues.Agent, at time.Time) bool {
			ok := true
			for _, r := range e.Reach {
				if at.Sub(e.JoinedAt) < r.After {
					break
				}
				ok = tier[a.Name] <= r.Tier && !slices.ContainsFunc(r.Skills, func(s string) bool { return !slices.Contains(a.Skills, s) })
			}
			return ok
		}
		for _, strategy := range []string{queues.LongestIdle, queues.RingAll, queues.Ordered} {
			q.Strategy = strategy
			offered, left := map[string]bool{}, map[string]bool{}
			for _, o := range queues.Match(q, waiting, agents, noon) {
				i := slices.IndexFunc(waiting, func(e queues.Entry) bool { return e.Call == o.Call })
				left[string(o.Call)] = true
				for _, name := range o.Agents {
					a := agents[slices.IndexFunc(agents, func(a queues.Agent) bool { return a.Name == name })]
					if offered[name] || !in(waiting[i], a, noon) {
						t.Fatalf("seed %d, %s: %s is offered %s", seed, strategy, name, o.Call)
					}
					offered[name] = true
				}
			}
			for _, e := range waiting { // nobody who may have a call is left beside it
				for _, a := range agents {
					if strategy != queues.RingAll && !left[string(e.Call)] && !offered[a.Name] && in(e, a, noon) {
						t.Fatalf("seed %d, %s: %s waits and %s is free", seed, strategy, e.Call, a.Name)
					}
				}
			}
		}
		for _, e := range waiting { // alone in line
			had := false
			for s := range 300 {
				has := len(queues.Match(q, []queues.Entry{e}, agents, e.JoinedAt.Add(time.Duration(s)*time.Second))) > 0
				if had && !has {
					t.Fatalf("seed %d: %s is out of reach again after %d s", seed, e.Call, s)
				}
				had = has
			}
		}
	}
}
