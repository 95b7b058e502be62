package queuestest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

func testAnswering(t *testing.T, open func(t *testing.T) Hub) {
	t.Run("rings, then talks", func(t *testing.T) {
		r := enter(t, open, "ann")
		o := r.offer("sales")
		r.ok(r.Store.Rang(t.Context(), o.ID, "ann", r.now))
		r.state("ann", queues.Ringing)
		r.pass(4 * time.Second)
		r.ok(r.Store.Answer(t.Context(), o.ID, "ann", r.now))
		a := r.who("ann")
		if a.State != queues.Talking || a.Call != o.Call || !a.Since.Equal(r.now) {
			t.Errorf("agent: %+v", a)
		}
		equal(t, "line", len(r.line("sales")), 0)
		ledger := r.facts(o.Call, call.QueueJoined, call.OfferMade, call.OfferAnswered, call.QueueLeft)
		answered, left := ledger[2], ledger[3]
		equal(t, "answered", []any{answered.Actor.User, answered.Actor.Via, answered.Queue, answered.Age}, []any{"ann", "queue", "sales", 4 * time.Second})
		equal(t, "left", []any{left.Actor.User, left.Data["outcome"], left.Age}, []any{"ann", "answered", 4 * time.Second})
		_, err := r.Store.Offer(t.Context(), o.ID)
		r.tooLate(err)
		r.tooLate(r.Store.Rang(t.Context(), o.ID, "ann", r.now))
		r.tooLate(r.Store.Answer(t.Context(), o.ID, "ann", r.now))
		r.ok(r.Store.Miss(t.Context(), o.ID, "ann", queues.NoAnswer, r.now))
		r.state("ann", queues.Talking)
	})
	t.Run("who is not in the offer cannot answer it", func(t *testing.T) {
		r := enter(t, open, "ann", "bob")
		o := r.offer("sales")
		other := "ann"
		if o.Agents[0] == "ann" {
			other = "bob"
		}
		r.tooLate(r.Store.Answer(t.Context(), o.ID, other, r.now))
		r.tooLate(r.Store.Rang(t.Context(), o.ID, other, r.now))
		r.state(o.Agents[0], queues.Reserved)
		r.state(other, queues.Idle)
	})
	t.Run("one of two answers wins", func(t *testing.T) {
		r := enter(t, open, "ann", "bob", "eva")
		r.change("sales", func(q *queues.Queue) { q.Strategy = queues.RingAll })
		for range 10 {
			o := r.offer("sales")
			equal(t, "rung", o.Agents, []string{"ann", "bob", "eva"})
			other := r.join("sales")
			r.decide("sales")
			r.forget()
			names := []string{"ann", "bob"}
			errs := make([]error, len(names))
			var wg sync.WaitGroup
			for i, name := range names {
				wg.Go(func() { errs[i] = r.Store.Answer(t.Context(), o.ID, name, r.now) })
			}
			wg.Wait()
			won := 0
			for i, name := range names {
				if errs[i] == nil {
					won++
					r.state(name, queues.Talking)
					r.ok(r.Store.Free(t.Context(), name, o.Call, 0, r.now))
				} else {
					r.tooLate(errs[i])
					r.state(name, queues.Idle)
				}
			}
			equal(t, "winners", won, 1)
			r.state("eva", queues.Idle)
			r.facts(o.Call, call.QueueJoined, call.OfferMade, call.OfferMade, call.OfferMade,
				call.OfferAnswered, call.OfferWithdrew, call.OfferWithdrew, call.QueueLeft)
			args, _ := jobs[queues.Distribute](r)
			if len(args) != 1 {
				t.Errorf("jobs for the losers: %v", args)
			}
			r.ok(r.Store.Leave(t.Context(), other, "sales", "abandoned", by(""), r.now))
		}
	})
	t.Run("an answer and a hangup do not both win", func(t *testing.T) {
		r := enter(t, open, "ann")
		for range 10 {
			o := r.offer("sales")
			var answered, left error
			var wg sync.WaitGroup
			wg.Go(func() { answered = r.Store.Answer(t.Context(), o.ID, "ann", r.now) })
			wg.Go(func() { left = r.Store.Leave(t.Context(), o.Call, "sales", "abandoned", by(""), r.now) })
			wg.Wait()
			r.ok(left)
			ledger := r.Facts(t, o.Call)
			outcome := ledger[len(ledger)-1].Data["outcome"]
			var late *queues.TooLateError
			switch {
			case answered == nil && outcome == "answered":
				r.state("ann", queues.Talking)
				r.ok(r.Store.Free(t.Context(), "ann", o.Call, 0, r.now))
			case errors.As(answered, &late) && outcome == "abandoned":
				r.state("ann", queues.Idle)
			default:
				t.Fatalf("answer: %v, outcome %v", answered, outcome)
			}
		}
	})
}

func testMissing(t *testing.T, open func(t *testing.T) Hub) {
	t.Run("the last one to miss it gives the call back after the retry", func(t *testing.T) {
		r := enter(t, open, "ann", "bob")
		r.change("sales", func(q *queues.Queue) { q.Strategy, q.Retry = queues.RingAll, 7*time.Second })
		o := r.offer("sales")
		r.forget()
		r.ok(r.Store.Miss(t.Context(), o.ID, "ann", queues.NoAnswer, r.now))
		r.state("ann", queues.Idle)
		r.state("bob", queues.Reserved)
		left, err := r.Store.Offer(t.Context(), o.ID)
		r.ok(err)
		equal(t, "agents left", left.Agents, []string{"bob"})
		if !r.entry(o.Call).NextAt.IsZero() {
			t.Error("the entry is put off while somebody rings")
		}
		r.ok(r.Store.Miss(t.Context(), o.ID, "bob", queues.Rejected, r.now))
		_, err = r.Store.Offer(t.Context(), o.ID)
		r.tooLate(err)
		e := r.entry(o.Call)
		if again := r.now.Add(7 * time.Second); !e.NextAt.Equal(again) {
			t.Errorf("next at %s, want %s", e.NextAt, again)
		}
		equal(t, "tried", e.Tried, []string{"ann", "bob"})
		args, stored := jobs[queues.Distribute](r)
		if len(args) != 1 || stored[0].At.Before(e.NextAt) || stored[0].At.After(e.NextAt.Add(time.Second)) {
			t.Errorf("jobs: %+v", stored)
		}
		ledger := r.facts(o.Call, call.QueueJoined, call.OfferMade, call.OfferMade, call.OfferMissed, call.OfferMissed)
		equal(t, "why", []any{ledger[3].Actor.User, ledger[3].Data["why"], ledger[4].Data["why"]}, []any{"ann", queues.NoAnswer, queues.Rejected})
		equal(t, "offers at once", len(r.decide("sales")), 0)
		r.pass(7 * time.Second)
		equal(t, "offers then", len(r.decide("sales")), 1)
	})
	t.Run("a retry that is due does not swallow what comes at once", func(t *testing.T) {
		r := enter(t, open, "ann")
		o := r.offer("sales")
		r.ok(r.Store.Miss(t.Context(), o.ID, "ann", queues.BusyPhone, r.now))
		r.forget()
		r.join("sales")
		args, _ := jobs[queues.Distribute](r)
		if len(args) != 1 || !args[0].At.IsZero() {
			t.Errorf("jobs: %v", args)
		}
	})
	t.Run("withdrawn is not tried", func(t *testing.T) {
		r := enter(t, open, "ann")
		o := r.offer("sales")
		r.ok(r.Store.Miss(t.Context(), o.ID, "ann", queues.Withdrawn, r.now))
		equal(t, "tried", len(r.entry(o.Call).Tried), 0)
		r.facts(o.Call, call.QueueJoined, call.OfferMade, call.OfferWithdrew)
	})
	t.Run("three in a row are not responding, for a while", func(t *testing.T) {
		r := enter(t, open, "ann")
		miss := func(why string) {
			r.Helper()
			o := r.offer("sales")
			r.ok(r.Store.Miss(t.Context(), o.ID, "ann", why, r.now))
			r.ok(r.Store.Leave(t.Context(), o.Call, "sales", "abandoned", by(""), r.now))
			r.pass(time.Second)
		}
		for _, why := range []string{queues.NoAnswer, queues.NoAnswer, "busy", "rejected", "unreachable", "withdrawn"} {
			miss(why)
		}
		if a := r.who("ann"); a.Status != queues.Available || a.Misses != 2 {
			t.Fatalf("after two: %+v", a)
		}
		r.forget()
		at := r.now
		miss(queues.NoAnswer)
		a := r.who("ann")
		if a.Status != queues.NotResponding || a.Reason == "" || a.State != queues.Idle || !a.StatusSince.Equal(at) {
			t.Fatalf("after three: %+v", a)
		}
		forgive, stored := jobs[queues.ForgiveAgent](r)
		if len(forgive) != 1 || forgive[0].Agent != "ann" || stored[0].At.Sub(at).Round(time.Second) != queues.Forgiveness {
			t.Fatalf("jobs: %+v", stored)
		}
		var refused *queues.RefusedError
		if err := r.Store.Join(t.Context(), queues.Entry{Call: r.caller(), Node: "n1", Queue: "sales"}, r.now); !errors.As(err, &refused) || refused.Why != "all_away" {
			t.Errorf("joining: %v", err)
		}

		svc := queues.NewService(r.Store)
		r.ok(r.Store.Forgive(t.Context(), "ann", forgive[0].Since.Add(time.Second), r.now))
		equal(t, "another one's job", r.who("ann").Status, queues.NotResponding)
		r.pass(queues.Forgiveness)
		r.ok(svc.Forgive(t.Context(), forgive[0], r.now))
		if a := r.who("ann"); a.Status != queues.Available || a.Misses != 0 || a.Reason != "" {
			t.Errorf("forgiven: %+v", a)
		}
	})
	t.Run("a click brings back, and the late job does nothing", func(t *testing.T) {
		r := enter(t, open, "ann")
		for range 3 {
			o := r.offer("sales")
			r.ok(r.Store.Miss(t.Context(), o.ID, "ann", queues.NoAnswer, r.now))
			r.ok(r.Store.Leave(t.Context(), o.Call, "sales", "abandoned", by(""), r.now))
		}
		since := r.who("ann").StatusSince
		r.pass(time.Minute)
		r.status(queues.Available, "ann")
		if a := r.who("ann"); a.Status != queues.Available || a.Misses != 0 {
			t.Errorf("after the click: %+v", a)
		}
		r.status(queues.Away, "ann")
		r.ok(r.Store.Forgive(t.Context(), "ann", since, r.now))
		equal(t, "status", r.who("ann").Status, queues.Away)
	})
	t.Run("an answer forgives misses", func(t *testing.T) {
		r := enter(t, open, "ann")
		for range 2 {
			o := r.offer("sales")
			r.ok(r.Store.Miss(t.Context(), o.ID, "ann", queues.NoAnswer, r.now))
			r.ok(r.Store.Leave(t.Context(), o.Call, "sales", "abandoned", by(""), r.now))
		}
		o := r.offer("sales")
		r.ok(r.Store.Answer(t.Context(), o.ID, "ann", r.now))
		equal(t, "misses", r.who("ann").Misses, 0)
	})
}
