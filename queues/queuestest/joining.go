package queuestest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/queues"
)

func by(user string) call.Actor { return call.Actor{User: user} }

func testJoining(t *testing.T, open func(t *testing.T) Hub) {
	t.Run("refused, and why", func(t *testing.T) {
		for _, c := range []struct {
			name, why string
			prepare   func(r *room)
		}{
			{"nobody assigned", "no_agents", func(r *room) { r.queue("sales") }},
			{"no phone registered", "no_agents", func(r *room) {
				r.ok(r.Store.RemoveDevices(t.Context(), "ann", ""))
				r.ok(r.Store.RemoveDevices(t.Context(), "bob", ""))
			}},
			{"phones have expired", "no_agents", func(r *room) { r.pass(2 * time.Hour) }},
			{"all offline", "no_agents", func(r *room) { r.status(queues.Offline, "ann", "bob") }},
			{"all away", "all_away", func(r *room) { r.status(queues.Away, "ann", "bob") }},
			{"the one with a phone is away", "all_away", func(r *room) {
				r.status(queues.Away, "ann")
				r.ok(r.Store.RemoveDevices(t.Context(), "bob", ""))
			}},
			{"full", "full", func(r *room) {
				r.change("sales", func(q *queues.Queue) { q.MaxLen = 1 })
				r.join("sales")
			}},
			{"one is away, one is busy", "", func(r *room) {
				r.status(queues.Away, "ann")
				r.ok(r.Store.Talk(t.Context(), "bob", "call_x", r.now))
			}},
		} {
			t.Run(c.name, func(t *testing.T) {
				r := enter(t, open, "ann", "bob")
				c.prepare(r)
				id := r.caller()
				err := r.Store.Join(t.Context(), queues.Entry{Call: id, Node: "n1", Queue: "sales"}, r.now)
				var refused *queues.RefusedError
				switch {
				case c.why == "" && err != nil:
					t.Errorf("got %v, want to be let in", err)
				case c.why != "" && (!errors.As(err, &refused) || refused.Why != c.why || refused.Queue != "sales"):
					t.Errorf("got %v, want %s", err, c.why)
				case c.why != "":
					r.facts(id)
				}
			})
		}
	})
	t.Run("a bound holds when all come at once", func(t *testing.T) {
		r := enter(t, open, "ann")
		r.change("sales", func(q *queues.Queue) { q.MaxLen = 3 })
		var wg sync.WaitGroup
		refused := make(chan error, 10)
		for range 10 {
			c := r.caller()
			wg.Go(func() { refused <- r.Store.Join(t.Context(), queues.Entry{Call: c, Node: "n1", Queue: "sales"}, r.now) })
		}
		wg.Wait()
		close(refused)
		n := 0
		for err := range refused {
			if err != nil {
				n++
			}
		}
		equal(t, "refused", n, 7)
		equal(t, "in line", len(r.line("sales")), 3)
	})
	t.Run("in line by priority, then by arrival", func(t *testing.T) {
		r := enter(t, open, "ann")
		first := r.join("sales")
		r.pass(time.Second)
		second := r.join("sales")
		r.pass(time.Second)
		vip := r.caller()
		r.ok(r.Store.Join(t.Context(), queues.Entry{Call: vip, Node: "n1", Queue: "sales", Priority: 10}, r.now))
		equal(t, "line", r.line("sales"), []call.ID{vip, first, second})
		equal(t, "everybody", r.line(""), []call.ID{vip, first, second})
		equal(t, "elsewhere", len(r.line("support")), 0)
	})
	t.Run("joining twice keeps the place", func(t *testing.T) {
		r := enter(t, open, "ann")
		first := r.join("sales")
		joined := r.now
		r.pass(time.Minute)
		second := r.join("sales")
		r.ok(r.Store.Join(t.Context(), queues.Entry{Call: first, Node: "n1", Queue: "sales", Park: "park_1", Owner: "bob"}, r.now))
		equal(t, "line", r.line("sales"), []call.ID{first, second})
		e := r.entry(first)
		if !e.JoinedAt.Equal(joined) || e.Park != "park_1" || e.Owner != "bob" || e.From != "+34600000001" {
			t.Errorf("entry: %+v", e)
		}
		r.facts(first, call.QueueJoined)
	})
	t.Run("a parked call keeps its original clock", func(t *testing.T) {
		r := enter(t, open, "ann")
		earlier := r.join("sales")
		c := r.caller()
		parked := r.now.Add(-90 * time.Second)
		r.ok(r.Store.Join(t.Context(), queues.Entry{Call: c, Node: "n1", Queue: "sales", Park: "park_1", JoinedAt: parked}, r.now))
		if e := r.entry(c); !e.JoinedAt.Equal(parked) {
			t.Errorf("joined at %s, want %s", e.JoinedAt, parked)
		}
		equal(t, "line", r.line("sales"), []call.ID{c, earlier})
		f := r.facts(c, call.QueueJoined)[0]
		equal(t, "fact", []any{f.Age, f.Queue, f.Park}, []any{90 * time.Second, "sales", "park_1"})
	})
	t.Run("leaving is noted once", func(t *testing.T) {
		r := enter(t, open, "ann")
		c := r.join("sales")
		r.pass(42 * time.Second)
		for range 2 {
			r.ok(r.Store.Leave(t.Context(), c, "sales", "abandoned", call.Actor{Via: "caller"}, r.now))
		}
		equal(t, "line", len(r.line("sales")), 0)
		f := r.facts(c, call.QueueJoined, call.QueueLeft)[1]
		equal(t, "fact", []any{f.Age, f.Queue, f.Actor.Via, f.Data["outcome"]}, []any{42 * time.Second, "sales", "caller", "abandoned"})
	})
	t.Run("leaving withdraws the offer", func(t *testing.T) {
		r := enter(t, open, "ann")
		o := r.offer("sales")
		r.join("sales")
		r.decide("sales")
		r.forget()
		r.ok(r.Store.Leave(t.Context(), o.Call, "sales", "retrieved", by("bob"), r.now))
		r.state("ann", queues.Idle)
		r.facts(o.Call, call.QueueJoined, call.OfferMade, call.OfferWithdrew, call.QueueLeft)
		r.tooLate(r.Store.Answer(t.Context(), o.ID, "ann", r.now))
		args, _ := jobs[queues.Distribute](r)
		equal(t, "distributed", len(args), 1)
	})
	t.Run("a burst of arrivals is one job until somebody looks", func(t *testing.T) {
		r := enter(t, open, "ann")
		for range 5 {
			r.join("sales")
		}
		args, stored := jobs[queues.Distribute](r)
		equal(t, "jobs", len(args), 1)
		equal(t, "queue", []any{args[0].Queue, stored[0].Queue}, []any{"sales", job.Dispatch})
		r.decide("sales")
		r.join("sales")
		args, _ = jobs[queues.Distribute](r)
		equal(t, "jobs after a decision, its own job not ended", len(args), 1)
	})
}

func (r *room) status(s queues.Status, agents ...string) {
	r.Helper()
	for _, a := range agents {
		r.ok(r.Store.SetStatus(r.Context(), a, s, "", r.now))
	}
}
