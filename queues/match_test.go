package queues_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// free is an agent who last talked so many minutes ago.
func free(name string, idle int) queues.Agent {
	return queues.Agent{
		Name: name, Status: queues.Available, State: queues.Idle, Devices: 1,
		IdleSince: noon.Add(-time.Duration(idle) * time.Minute),
	}
}

// waits is an entry that joined so many seconds ago.
func waits(id string, seconds int, change ...func(*queues.Entry)) queues.Entry {
	e := queues.Entry{Call: call.ID(id), Node: "n1", Queue: "sales", JoinedAt: noon.Add(-time.Duration(seconds) * time.Second)}
	for _, f := range change {
		f(&e)
	}
	return e
}

func priority(n int) func(*queues.Entry)        { return func(e *queues.Entry) { e.Priority = n } }
func tried(names ...string) func(*queues.Entry) { return func(e *queues.Entry) { e.Tried = names } }
func owner(name string) func(*queues.Entry)     { return func(e *queues.Entry) { e.Owner = name } }
func after(seconds int) func(*queues.Entry) {
	return func(e *queues.Entry) { e.NextAt = noon.Add(time.Duration(seconds) * time.Second) }
}

// show writes offers as "a:ann b:bob+eva".
func show(offers []queues.Offer) string {
	var s []string
	for _, o := range offers {
		s = append(s, string(o.Call)+":"+strings.Join(o.Agents, "+"))
	}
	return strings.Join(s, " ")
}

// staff reads "ann bob/eva": ann and bob in tier 0, eva in tier 1, in that order.
func staff(s string) (all []queues.Assignment) {
	for tier, names := range strings.Split(s, "/") {
		for order, name := range strings.Fields(names) {
			all = append(all, queues.Assignment{Agent: name, Tier: tier, Order: order})
		}
	}
	return all
}

type matchCase struct {
	name    string
	staff   string
	waiting []queues.Entry
	agents  []queues.Agent
	want    string
}

func (c matchCase) run(t *testing.T, strategy string) {
	t.Run(c.name, func(t *testing.T) {
		q := queues.Queue{Name: "sales", Strategy: strategy, Agents: staff(c.staff)}.WithDefaults()
		if got := show(queues.Match(q, c.waiting, c.agents, noon)); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	})
}

func TestLongestIdle(t *testing.T) {
	two := []queues.Agent{free("ann", 1), free("bob", 5)}
	for _, c := range []matchCase{
		{"nobody waits", "ann bob", nil, two, ""},
		{"nobody is free", "ann bob", []queues.Entry{waits("a", 1)}, nil, ""},
		{"who has rested longest comes first", "ann bob", []queues.Entry{waits("a", 2), waits("b", 1)}, two, "a:bob b:ann"},
		{"more calls than agents", "ann bob", []queues.Entry{waits("c", 1), waits("b", 2), waits("a", 3)}, two, "a:bob b:ann"},
		{"ties go by name", "ann bob", []queues.Entry{waits("a", 1)}, []queues.Agent{free("bob", 3), free("ann", 3)}, "a:ann"},
		{"who is not assigned is not asked", "ann", []queues.Entry{waits("a", 2), waits("b", 1)}, two, "a:ann"},
		{"a lower tier waits for the upper to be empty", "ann/bob", []queues.Entry{waits("a", 1)}, two, "a:ann"},
		{"a lower tier serves when the upper has nobody free", "ann/bob", []queues.Entry{waits("a", 2), waits("b", 1)}, two, "a:ann b:bob"},
		{"who did not take it is asked after all others", "bob/ann", []queues.Entry{waits("a", 1, tried("bob"))}, two, "a:ann"},
		{"all have been asked: the one asked longest ago", "ann bob", []queues.Entry{waits("a", 1, tried("ann", "bob"))}, two, "a:ann"},
		{"the tried one is free for the next", "ann bob", []queues.Entry{waits("a", 2, tried("bob")), waits("b", 1)}, two, "a:ann b:bob"},
		{"the owner is asked first", "bob/ann", []queues.Entry{waits("a", 1, owner("ann"))}, two, "a:ann"},
		{"an owner of a later call is not kept for it", "ann bob", []queues.Entry{waits("a", 2), waits("b", 1, owner("bob"))}, two, "a:bob b:ann"},
		{"an owner who did not take it is not asked first again", "bob/ann", []queues.Entry{waits("a", 1, owner("ann"), tried("ann"))}, two, "a:bob"},
		{"an owner who is not in the queue does not matter", "bob", []queues.Entry{waits("a", 1, owner("ann"))}, two, "a:bob"},
		{"priority before arrival", "ann", []queues.Entry{waits("a", 60), waits("b", 1, priority(5))}, two, "b:ann"},
		{"arrival among equals", "ann", []queues.Entry{waits("b", 1, priority(5)), waits("a", 2, priority(5))}, two, "a:ann"},
		{"who has waited too long goes before any priority", "ann", []queues.Entry{waits("a", 120), waits("b", 119, priority(99))}, two, "a:ann"},
		{"first in, first out among those", "ann", []queues.Entry{waits("a", 200, priority(9)), waits("b", 201)}, two, "b:ann"},
		{"not before its time", "ann bob", []queues.Entry{waits("a", 9, after(1)), waits("b", 1)}, two, "b:bob"},
		{"at its time", "ann bob", []queues.Entry{waits("a", 9, after(0)), waits("b", 1)}, two, "a:bob b:ann"},
	} {
		c.run(t, queues.LongestIdle)
	}
}

func TestRingAll(t *testing.T) {
	three := []queues.Agent{free("ann", 1), free("bob", 5), free("eva", 2)}
	for _, c := range []matchCase{
		{"the first in line gets everybody", "ann bob eva", []queues.Entry{waits("a", 2), waits("b", 1)}, three, "a:ann+bob+eva"},
		{"of the tier", "bob ann/eva", []queues.Entry{waits("a", 2), waits("b", 1)}, three, "a:bob+ann"},
		{"the lower tier when the upper has nobody", "kim/eva bob", []queues.Entry{waits("a", 2)}, three, "a:eva+bob"},
		{"those not asked yet", "ann bob/eva", []queues.Entry{waits("a", 2, tried("ann"))}, three, "a:bob"},
		{"the next tier when all of one have been asked", "ann bob/eva", []queues.Entry{waits("a", 2, tried("ann", "bob"))}, three, "a:eva"},
		{"a new round when all have been asked", "ann bob/eva", []queues.Entry{waits("a", 2, tried("ann", "bob", "eva"))}, three, "a:ann+bob"},
		{"the owner alone, and the others for the next", "ann bob eva", []queues.Entry{waits("a", 2, owner("bob")), waits("b", 1)}, three, "a:bob b:ann+eva"},
		{"the second when the first must wait", "ann bob", []queues.Entry{waits("a", 2, after(5)), waits("b", 1)}, three, "b:ann+bob"},
	} {
		c.run(t, queues.RingAll)
	}
}

func TestOrdered(t *testing.T) {
	three := []queues.Agent{free("ann", 9), free("bob", 5), free("eva", 1)}
	for _, c := range []matchCase{
		{"by the queue's order, not by rest", "eva bob ann", []queues.Entry{waits("a", 3), waits("b", 2), waits("c", 1)}, three, "a:eva b:bob c:ann"},
		{"tiers come first", "ann/eva bob", []queues.Entry{waits("a", 3), waits("b", 2)}, three, "a:ann b:eva"},
	} {
		c.run(t, queues.Ordered)
	}
}

func TestMatch(t *testing.T) {
	t.Run("only who is available, idle and has a phone", func(t *testing.T) {
		change := func(name string, f func(*queues.Agent)) queues.Agent {
			a := free(name, 60)
			f(&a)
			return a
		}
		agents := []queues.Agent{
			change("a1", func(a *queues.Agent) { a.Status = queues.Away }),
			change("a2", func(a *queues.Agent) { a.Status = queues.Offline }),
			change("a3", func(a *queues.Agent) { a.Status = queues.NotResponding }),
			change("a4", func(a *queues.Agent) { a.State = queues.Reserved }),
			change("a5", func(a *queues.Agent) { a.State = queues.Ringing }),
			change("a6", func(a *queues.Agent) { a.State = queues.Talking }),
			change("a7", func(a *queues.Agent) { a.State = queues.WrapUp }),
			change("a8", func(a *queues.Agent) { a.Devices = 0 }),
			free("ok", 1),
		}
		q := queues.Queue{Name: "sales", Agents: staff("a1 a2 a3 a4 a5 a6 a7 a8 ok")}.WithDefaults()
		if got := show(queues.Match(q, []queues.Entry{waits("a", 2), waits("b", 1)}, agents, noon)); got != "a:ok" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("an offer says until when, and from when it counts", func(t *testing.T) {
		q := queues.Queue{Name: "sales", Ring: 12 * time.Second, Agents: staff("ann")}.WithDefaults()
		got := queues.Match(q, []queues.Entry{waits("a", 7)}, []queues.Agent{free("ann", 1)}, noon)
		want := queues.Offer{
			Call: "a", Node: "n1", Queue: "sales", Agents: []string{"ann"},
			At: noon, Until: noon.Add(12 * time.Second), JoinedAt: noon.Add(-7 * time.Second),
		}
		if len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("the same in, the same out, and nothing changed", func(t *testing.T) {
		q, waiting, agents := crowd()
		before := slices.Clone(waiting)
		first := show(queues.Match(q, waiting, agents, noon))
		slices.Reverse(agents)
		if again := show(queues.Match(q, waiting, agents, noon)); again != first {
			t.Error("the order of the agents made a difference")
		}
		if fmt.Sprint(before) != fmt.Sprint(waiting) {
			t.Error("the line was changed")
		}
	})
	t.Run("an agent is in at most one offer", func(t *testing.T) {
		q, waiting, agents := crowd()
		for name := range queues.Strategies {
			q.Strategy = name
			seen := map[string]bool{}
			for _, o := range queues.Match(q, waiting, agents, noon) {
				for _, a := range o.Agents {
					if seen[a] {
						t.Fatalf("%s: %s is asked twice", name, a)
					}
					seen[a] = true
				}
			}
			if len(seen) == 0 {
				t.Errorf("%s: nobody is asked", name)
			}
		}
	})
}

// crowd is 500 calls and 1,000 agents in four tiers; a third of the calls have
// owners or were offered before.
func crowd() (queues.Queue, []queues.Entry, []queues.Agent) {
	q := queues.Queue{Name: "sales"}.WithDefaults()
	var agents []queues.Agent
	for i := range 1000 {
		name := fmt.Sprintf("rep%04d", i)
		agents = append(agents, free(name, i*7919%1000))
		q.Agents = append(q.Agents, queues.Assignment{Agent: name, Tier: i % 4, Order: i})
	}
	var waiting []queues.Entry
	for i := range 500 {
		e := waits(fmt.Sprintf("call_%03d", i), i*31%240, priority(i%5))
		switch i % 6 {
		case 0:
			e.Owner = agents[i].Name
		case 1:
			e.Tried = []string{agents[i].Name, agents[i+1].Name, agents[i+2].Name}
		}
		waiting = append(waiting, e)
	}
	return q, waiting, agents
}

func BenchmarkMatch(b *testing.B) {
	q, waiting, agents := crowd()
	for b.Loop() {
		if n := len(queues.Match(q, waiting, agents, noon)); n != 500 {
			b.Fatal(n)
		}
	}
	if each := b.Elapsed() / time.Duration(b.N); each > 5*time.Millisecond {
		b.Errorf("%s for one match: the bound is 5 ms", each)
	}
}
