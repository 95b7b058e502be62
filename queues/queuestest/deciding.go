package queuestest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/queues"
)

func testDeciding(t *testing.T, open func(t *testing.T) Hub) {
	t.Run("an offer reserves its agent and rings on the call's node", func(t *testing.T) {
		r := enter(t, open, "ann")
		c := r.join("sales")
		r.pass(3 * time.Second)
		offers := r.decide("sales")
		if len(offers) != 1 {
			t.Fatalf("got %v, want one offer", offers)
		}
		o := offers[0]
		equal(t, "offer", []any{o.Call, o.Node, o.Queue, o.Agents, o.Until.Sub(o.At)}, []any{c, "n1", "sales", []string{"ann"}, queues.DefaultRing})
		stored, err := r.Store.Offer(t.Context(), o.ID)
		r.ok(err)
		if stored.ID != o.ID || !slices.Equal(stored.Agents, o.Agents) || !stored.Until.Equal(o.Until) || !stored.JoinedAt.Equal(o.JoinedAt) {
			t.Errorf("stored %+v, want %+v", stored, o)
		}
		a := r.who("ann")
		if a.State != queues.Reserved || a.Call != c || !a.Since.Equal(r.now) {
			t.Errorf("agent: %+v", a)
		}
		args, jobs := jobs[queues.Ring](r)
		if len(args) != 1 || args[0].Offer != o.ID || jobs[0].Queue != job.OfNode("n1") {
			t.Errorf("ring jobs: %v", jobs)
		}
		f := r.facts(c, call.QueueJoined, call.OfferMade)[1]
		equal(t, "fact", []any{f.Queue, f.Actor.User, f.Actor.Via, f.Age, f.Data["offer"]}, []any{"sales", "ann", "queue", 3 * time.Second, o.ID})
		equal(t, "still in line", r.line("sales"), []call.ID{c})
		equal(t, "offers for a call being offered", len(r.decide("sales")), 0)
	})
	t.Run("who is not free is not passed", func(t *testing.T) {
		r := enter(t, open, "ann", "bob", "eva", "kim", "lou")
		r.status(queues.Away, "ann")
		r.ok(r.Store.Talk(t.Context(), "bob", "call_x", r.now))
		_, err := r.Store.Reserve(t.Context(), queues.Offer{Call: "call_y", Agents: []string{"eva"}, At: r.now, Until: r.now.Add(time.Minute)}, false)
		r.ok(err)
		r.ok(r.Store.RemoveDevices(t.Context(), "lou", ""))
		r.agent("zoe") // not assigned
		r.join("sales")
		var passed []string
		_, err = r.Store.Decide(t.Context(), "sales", r.now, func(_ queues.Queue, _ []queues.Entry, agents []queues.Agent, _ time.Time) []queues.Offer {
			for _, a := range agents {
				if a.Free() {
					passed = append(passed, a.Name)
				}
			}
			return nil
		})
		r.ok(err)
		equal(t, "free", passed, []string{"kim"})
	})
	t.Run("others are let in at their time, and a job wakes the queue then", func(t *testing.T) {
		r := enter(t, open, "ann")
		c := r.caller()
		want := []queues.Reach{{Tier: -1, Skills: []string{"es"}}, {After: 20 * time.Second, Tier: -1}}
		r.ok(r.Store.Join(t.Context(), queues.Entry{Call: c, Node: "n1", Queue: "sales", Reach: want}, r.now))
		got := r.entry(c).Reach
		equal(t, "reach", []any{len(got), got[0].Skills, got[1].After, got[1].Tier, len(got[1].Skills)}, []any{2, []string{"es"}, 20 * time.Second, -1, 0})
		equal(t, "offers at first", len(r.decide("sales")), 0)
		woken := false
		args, _ := jobs[queues.Distribute](r)
		for _, a := range args {
			woken = woken || a.At.Equal(queues.RetryAt(r.now.Add(20*time.Second)))
		}
		equal(t, "woken then", woken, true)
		r.pass(20 * time.Second)
		equal(t, "offers then", len(r.decide("sales")), 1)
	})
	t.Run("a call that comes with its clock is widened by it", func(t *testing.T) {
		r := enter(t, open, "ann")
		c := r.caller()
		r.ok(r.Store.Join(t.Context(), queues.Entry{
			Call: c, Node: "n1", Queue: "sales", JoinedAt: r.now.Add(-time.Minute),
			Reach: []queues.Reach{{Tier: -1, Skills: []string{"es"}}, {After: 20 * time.Second, Tier: -1}},
		}, r.now))
		equal(t, "offers", len(r.decide("sales")), 1)
	})
	t.Run("phones are counted at the time of the decision", func(t *testing.T) {
		r := enter(t, open, "ann")
		r.join("sales")
		r.pass(61 * time.Minute)
		equal(t, "offers", len(r.decide("sales")), 0)
	})
	t.Run("what cannot be is not written", func(t *testing.T) {
		r := enter(t, open, "ann", "bob")
		c := r.join("sales")
		offers, err := r.Store.Decide(t.Context(), "sales", r.now, func(queues.Queue, []queues.Entry, []queues.Agent, time.Time) []queues.Offer {
			return []queues.Offer{
				{Call: "call_other", Agents: []string{"bob"}},
				{Call: c, Agents: []string{"ann", "ann", "nobody"}, Until: r.now.Add(time.Minute)},
				{Call: c, Agents: []string{"bob"}},
			}
		})
		r.ok(err)
		if len(offers) != 1 || !slices.Equal(offers[0].Agents, []string{"ann"}) {
			t.Errorf("offers: %v", offers)
		}
		r.state("bob", queues.Idle)
	})
	t.Run("an agent is never in two offers", func(t *testing.T) {
		names := []string{"ann", "bob", "eva", "kim"}
		r := enter(t, open, names...)
		r.queue("support", names...)
		for round := range 50 {
			for range 3 {
				r.join("sales")
				r.join("support")
			}
			var wg sync.WaitGroup
			var mu sync.Mutex
			var offers []queues.Offer
			for _, q := range []string{"sales", "support", "sales", "support"} {
				wg.Go(func() {
					made, err := queues.NewService(r.Store).Distribute(t.Context(), q, r.now)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					offers = append(offers, made...)
				})
			}
			wg.Wait()
			agents, calls := map[string]int{}, map[call.ID]int{}
			for _, o := range offers {
				calls[o.Call]++
				for _, a := range o.Agents {
					agents[a]++
				}
			}
			// An agent whom one decision held may have been skipped by the other.
			for _, q := range []string{"sales", "support"} {
				for _, o := range r.decide(q) {
					offers = append(offers, o)
					calls[o.Call]++
					agents[o.Agents[0]]++
				}
			}
			want := map[string]int{"ann": 1, "bob": 1, "eva": 1, "kim": 1}
			if fmt.Sprint(agents) != fmt.Sprint(want) || len(calls) != 4 {
				t.Fatalf("round %d: agents %v, calls %v", round, agents, calls)
			}
			for _, e := range r.line("") {
				r.ok(r.Store.Leave(t.Context(), e, "sales", "abandoned", by(""), r.now))
				r.ok(r.Store.Leave(t.Context(), e, "support", "abandoned", by(""), r.now))
			}
			for _, a := range names {
				r.state(a, queues.Idle)
			}
		}
	})
	t.Run("calls come and go while decisions are made", func(t *testing.T) {
		names := []string{"ann", "bob", "eva"}
		r := enter(t, open, names...)
		r.queue("support", "ann", "bob")
		var wg sync.WaitGroup
		for i := range 8 {
			queue, other := "sales", "support"
			if i%2 == 1 {
				queue, other = other, queue
			}
			var mine []call.ID
			for range 10 {
				mine = append(mine, r.caller())
			}
			wg.Go(func() {
				svc := queues.NewService(r.Store)
				for n, c := range mine {
					for _, q := range []string{queue, other} { // a call may wait in two lines
						if err := r.Store.Join(t.Context(), queues.Entry{Call: c, Node: "n1", Queue: q}, r.now); err != nil {
							t.Error(err)
						}
					}
					offers, err := svc.Distribute(t.Context(), queue, r.now)
					if err != nil {
						t.Error(err)
					}
					for k, o := range offers {
						a := o.Agents[0]
						if (n+k)%2 == 0 {
							err = r.Store.Miss(t.Context(), o.ID, a, queues.Rejected, r.now)
						} else if err = r.Store.Answer(t.Context(), o.ID, a, r.now); err == nil {
							err = r.Store.Free(t.Context(), a, o.Call, 0, r.now)
						} else {
							err = nil // the caller left
						}
						if err != nil {
							t.Error(err)
						}
					}
					for _, q := range []string{queue, other} {
						if err := r.Store.Leave(t.Context(), c, q, "abandoned", by(""), r.now); err != nil {
							t.Error(err)
						}
					}
					if err := r.Store.SetStatus(t.Context(), names[n%3], queues.Available, "", r.now); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		equal(t, "in line", len(r.line("")), 0)
		for _, a := range names {
			r.state(a, queues.Idle)
		}
	})
}
