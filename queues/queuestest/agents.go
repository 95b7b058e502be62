package queuestest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

func testAgents(t *testing.T, open func(t *testing.T) Hub) {
	t.Run("wrap-up follows a conversation and ends", func(t *testing.T) {
		r := enter(t, open, "ann")
		o := r.offer("sales")
		r.ok(r.Store.Answer(t.Context(), o.ID, "ann", r.now))
		r.pass(time.Minute)
		ended := r.now
		r.join("sales")
		r.forget()
		r.ok(r.Store.Free(t.Context(), "ann", o.Call, 30*time.Second, r.now))
		a := r.who("ann")
		if a.State != queues.WrapUp || !a.IdleSince.Equal(ended) || a.Call != o.Call {
			t.Fatalf("after the call: %+v", a)
		}
		over, stored := jobs[queues.WrapUpOver](r)
		if len(over) != 1 || stored[0].At.Sub(ended).Round(time.Second) != 30*time.Second {
			t.Fatalf("jobs: %+v", stored)
		}
		equal(t, "offers in wrap-up", len(r.decide("sales")), 0)
		r.ok(r.Store.EndWrapUp(t.Context(), "ann", ended.Add(-time.Hour), r.now))
		r.state("ann", queues.WrapUp)
		r.pass(30 * time.Second)
		r.forget()
		r.ok(queues.NewService(r.Store).EndWrapUp(t.Context(), over[0], r.now))
		if a := r.who("ann"); a.State != queues.Idle || !a.IdleSince.Equal(ended) || a.Call != "" {
			t.Errorf("after wrap-up: %+v", a)
		}
		args, _ := jobs[queues.Distribute](r)
		equal(t, "distributed", len(args), 1)
		equal(t, "offers", len(r.decide("sales")), 1)
		r.ok(queues.NewService(r.Store).EndWrapUp(t.Context(), over[0], r.now))
		r.state("ann", queues.Reserved)
	})
	t.Run("talk and free without an offer", func(t *testing.T) {
		r := enter(t, open, "ann")
		r.ok(r.Store.Talk(t.Context(), "ann", "call_x", r.now))
		r.state("ann", queues.Talking)
		r.join("sales")
		equal(t, "offers", len(r.decide("sales")), 0)
		r.forget()
		r.ok(r.Store.Free(t.Context(), "ann", "call_other", 0, r.now))
		r.state("ann", queues.Talking)
		r.ok(r.Store.Free(t.Context(), "ann", "call_x", 0, r.now))
		r.state("ann", queues.Idle)
		args, _ := jobs[queues.Distribute](r)
		equal(t, "distributed", len(args), 1)
		r.ok(r.Store.Free(t.Context(), "ann", "call_x", time.Minute, r.now))
		r.state("ann", queues.Idle)
	})
	t.Run("a missed offer does not reset the idle time", func(t *testing.T) {
		r := enter(t, open, "ann")
		before := r.who("ann").IdleSince
		o := r.offer("sales")
		r.pass(time.Minute)
		r.ok(r.Store.Miss(t.Context(), o.ID, "ann", queues.NoAnswer, r.now))
		if got := r.who("ann").IdleSince; !got.Equal(before) {
			t.Errorf("idle since %s, want %s", got, before)
		}
	})
	t.Run("who dials another call leaves the offer", func(t *testing.T) {
		r := enter(t, open, "ann")
		o := r.offer("sales")
		r.forget()
		r.ok(r.Store.Talk(t.Context(), "ann", "call_x", r.now))
		r.state("ann", queues.Talking)
		r.tooLate(r.Store.Answer(t.Context(), o.ID, "ann", r.now))
		r.facts(o.Call, call.QueueJoined, call.OfferMade, call.OfferMissed)
		if e := r.entry(o.Call); !slices.Equal(e.Tried, []string{"ann"}) || e.NextAt.IsZero() {
			t.Errorf("entry: %+v", e)
		}
		args, _ := jobs[queues.Distribute](r)
		equal(t, "distributed", len(args), 1)
	})
	t.Run("a status is a wish, not a state", func(t *testing.T) {
		r := enter(t, open, "ann", "bob")
		r.queue("support", "ann")
		r.queue("billing", "bob")
		for _, q := range []string{"sales", "support", "billing"} {
			r.join(q)
		}
		r.ok(r.Store.Talk(t.Context(), "ann", "call_x", r.now))
		r.forget()
		r.ok(r.Store.SetStatus(t.Context(), "ann", queues.Away, "lunch", r.now))
		a := r.who("ann")
		if a.Status != queues.Away || a.Reason != "lunch" || a.State != queues.Talking || !a.StatusSince.Equal(r.now) {
			t.Errorf("agent: %+v", a)
		}
		r.ok(r.Store.Free(t.Context(), "ann", "call_x", 0, r.now))
		for _, q := range []string{"sales", "support", "billing"} {
			r.decide(q)
		}
		r.state("ann", queues.Idle)
		r.forget()
		r.ok(r.Store.SetStatus(t.Context(), "ann", queues.Available, "", r.now))
		args, _ := jobs[queues.Distribute](r)
		var names []string
		for _, d := range args {
			names = append(names, d.Queue)
		}
		slices.Sort(names)
		equal(t, "distributed", names, []string{"sales", "support"})
		r.unknown(r.Store.SetStatus(t.Context(), "ann", "asleep", "", r.now))
		r.unknown(r.Store.SetStatus(t.Context(), "ann", queues.NotResponding, "", r.now))
	})
}

func testReserving(t *testing.T, open func(t *testing.T) Hub) {
	ask := func(r *room, whoever bool, agents ...string) queues.Offer {
		r.Helper()
		c := r.caller()
		o, err := r.Store.Reserve(r.Context(), queues.Offer{Call: c, Node: "n1", Agents: agents, At: r.now, Until: r.now.Add(20 * time.Second)}, whoever)
		r.ok(err)
		return o
	}
	t.Run("those who are idle and available", func(t *testing.T) {
		r := enter(t, open, "ann", "bob", "eva")
		r.status(queues.Away, "ann")
		r.ok(r.Store.Talk(t.Context(), "eva", "call_x", r.now))
		o := ask(r, false, "eva", "bob", "ann", "bob", "nobody")
		equal(t, "got", o.Agents, []string{"bob"})
		r.state("bob", queues.Reserved)
		f := r.facts(o.Call, call.OfferMade)[0]
		equal(t, "fact", []any{f.Actor.User, f.Actor.Via, f.Queue}, []any{"bob", "offer", ""})
		args, _ := jobs[queues.Ring](r)
		equal(t, "ring jobs", len(args), 0)
	})
	t.Run("whoever it is, if idle", func(t *testing.T) {
		r := enter(t, open, "ann", "bob")
		r.status(queues.Away, "ann", "bob")
		r.ok(r.Store.Talk(t.Context(), "bob", "call_x", r.now))
		o := ask(r, true, "bob", "ann")
		equal(t, "got", o.Agents, []string{"ann"})
		r.ok(r.Store.Miss(t.Context(), o.ID, "ann", queues.NoAnswer, r.now))
		r.state("ann", queues.Idle)
		_, err := r.Store.Offer(t.Context(), o.ID)
		r.tooLate(err)
	})
	t.Run("nobody is no error", func(t *testing.T) {
		r := enter(t, open, "ann")
		r.status(queues.Offline, "ann")
		o := ask(r, false, "ann")
		equal(t, "got", len(o.Agents), 0)
		_, err := r.Store.Offer(t.Context(), o.ID)
		r.tooLate(err)
	})
	t.Run("the order asked for is kept, and the first answer has it", func(t *testing.T) {
		r := enter(t, open, "ann", "bob")
		o := ask(r, false, "bob", "ann")
		stored, err := r.Store.Offer(t.Context(), o.ID)
		r.ok(err)
		equal(t, "agents", stored.Agents, []string{"bob", "ann"})
		r.ok(r.Store.Answer(t.Context(), o.ID, "ann", r.now))
		r.state("ann", queues.Talking)
		r.state("bob", queues.Idle)
		r.facts(o.Call, call.OfferMade, call.OfferMade, call.OfferAnswered, call.OfferWithdrew)
	})
	t.Run("two who ask at once share nobody", func(t *testing.T) {
		r := enter(t, open, "ann", "bob")
		for range 10 {
			got := make([]queues.Offer, 2)
			var wg sync.WaitGroup
			for i := range got {
				c := r.caller()
				wg.Go(func() {
					o, err := r.Store.Reserve(t.Context(), queues.Offer{Call: c, Agents: []string{"ann", "bob"}, At: r.now, Until: r.now.Add(time.Minute)}, false)
					if err != nil {
						t.Error(err)
					}
					got[i] = o
				})
			}
			wg.Wait()
			all := append(slices.Clone(got[0].Agents), got[1].Agents...)
			slices.Sort(all)
			equal(t, "agents", all, []string{"ann", "bob"})
			for _, o := range got {
				for _, a := range o.Agents {
					r.ok(r.Store.Miss(t.Context(), o.ID, a, queues.Withdrawn, r.now))
				}
			}
		}
	})
}

func testChecking(t *testing.T, open func(t *testing.T) Hub) {
	check := func(r *room) []string {
		r.Helper()
		mended, err := r.Store.Check(r.Context(), r.now)
		r.ok(err)
		return mended
	}
	t.Run("nothing to mend", func(t *testing.T) {
		r := enter(t, open, "ann")
		o := r.offer("sales")
		r.pass(o.Until.Sub(r.now) - time.Second)
		equal(t, "mended", check(r), []string(nil))
		r.state("ann", queues.Reserved)
	})
	t.Run("a lease ends", func(t *testing.T) {
		r := enter(t, open, "ann")
		o := r.offer("sales")
		r.ok(r.Store.Rang(t.Context(), o.ID, "ann", r.now))
		r.forget()
		r.pass(o.Until.Sub(r.now))
		equal(t, "mended", len(check(r)), 1)
		if a := r.who("ann"); a.State != queues.Idle || a.Misses != 0 {
			t.Errorf("agent: %+v", a)
		}
		r.tooLate(r.Store.Answer(t.Context(), o.ID, "ann", r.now))
		r.facts(o.Call, call.QueueJoined, call.OfferMade, call.OfferWithdrew)
		args, _ := jobs[queues.Distribute](r)
		equal(t, "distributed", len(args), 1)
		equal(t, "offered again", len(r.decide("sales")), 1)
	})
	t.Run("what a call left behind", func(t *testing.T) {
		r := enter(t, open, "ann", "bob", "eva")
		talking := r.caller()
		r.ok(r.Store.Talk(t.Context(), "ann", talking, r.now))
		offered := r.offer("sales").Call
		waiting := r.caller()
		r.ok(r.Store.Join(t.Context(), queues.Entry{Call: waiting, Node: "n1", Queue: "sales"}, r.now))
		alive := r.caller()
		r.ok(r.Store.Talk(t.Context(), "eva", alive, r.now))
		for _, c := range []call.ID{talking, offered, waiting} {
			r.End(t, c, r.now)
		}
		equal(t, "mended at once", len(check(r)), 0) // whoever runs the call may be about to
		r.pass(queues.CheckGrace)
		mended := check(r)
		equal(t, "mended", len(mended), 4)
		r.state("ann", queues.Idle)
		r.state("bob", queues.Idle)
		r.state("eva", queues.Talking)
		equal(t, "line", len(r.line("")), 0)
		f := r.Facts(t, waiting)
		equal(t, "outcome", f[len(f)-1].Data["outcome"], any(queues.OutcomeEnded))
		equal(t, "mended again", len(check(r)), 0)
	})
	t.Run("a lost job is made again", func(t *testing.T) {
		r := enter(t, open, "ann")
		r.ok(r.Store.Talk(t.Context(), "ann", "call_x", r.now))
		r.join("sales")
		r.ok(r.Store.Free(t.Context(), "ann", "call_x", 0, r.now))
		_, err := r.Store.Decide(t.Context(), "sales", r.now, func(queues.Queue, []queues.Entry, []queues.Agent, time.Time) []queues.Offer { return nil })
		r.ok(err)
		r.forget()
		equal(t, "mended", len(check(r)), 0)
		args, _ := jobs[queues.Distribute](r)
		equal(t, "distributed", len(args), 1)
	})
}
