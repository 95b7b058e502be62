package queuestest

import (
	"errors"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

var eva = call.Actor{User: "eva", Via: "rest"}

func (r *room) amend(c call.ID, a queues.Amendment) queues.Entry {
	r.Helper()
	e, err := r.Store.Amend(r.Context(), c, "sales", a, eva, r.now)
	r.ok(err)
	return e
}

func (r *room) notWaiting(err error) {
	r.Helper()
	var gone *queues.NotWaitingError
	if !errors.As(err, &gone) {
		r.Errorf("got %v, want *NotWaitingError", err)
	}
}

// served is the order in which the queue is served now.
func (r *room) served(queue string) (ids []call.ID) {
	r.Helper()
	waiting, err := r.Store.Waiting(r.Context(), queue)
	r.ok(err)
	for _, e := range queues.Line(waiting, r.now) {
		ids = append(ids, e.Call)
	}
	return ids
}

func testAmending(t *testing.T, open func(t *testing.T) Hub) {
	yes, no, ten := true, false, 10
	t.Run("a priority moves a call up, and is noted with who gave it", func(t *testing.T) {
		r := enter(t, open, "ann")
		first := r.join("sales")
		r.pass(time.Second)
		second := r.join("sales")
		e := r.amend(second, queues.Amendment{Priority: &ten})
		equal(t, "priority", e.Priority, 10)
		equal(t, "line", r.line("sales"), []call.ID{second, first})
		f := r.facts(second, call.QueueJoined, call.QueueReorder)[1]
		equal(t, "fact", []any{f.Actor, f.Queue, f.Data["priority"], f.Data["first"]}, []any{eva, "sales", 10, false})
		r.amend(second, queues.Amendment{Priority: &ten}) // nothing new
		r.facts(second, call.QueueJoined, call.QueueReorder)
	})
	t.Run("who is put first is before priority and long waits, the latest before the others", func(t *testing.T) {
		r := enter(t, open, "ann")
		old := r.join("sales")
		r.pass(2 * queues.Starvation)
		vip := r.caller()
		r.ok(r.Store.Join(t.Context(), queues.Entry{Call: vip, Node: "n1", Queue: "sales", Priority: 100}, r.now))
		one, two := r.join("sales"), r.join("sales")
		r.amend(one, queues.Amendment{First: &yes})
		r.pass(time.Second)
		e := r.amend(two, queues.Amendment{First: &yes})
		if !e.FirstAt.Equal(r.now) {
			t.Errorf("first at %s", e.FirstAt)
		}
		equal(t, "served", r.served("sales"), []call.ID{two, one, old, vip})
		equal(t, "line", r.line("sales"), []call.ID{two, one, vip, old})
		offers := r.decide("sales")
		if len(offers) != 1 || offers[0].Call != two {
			t.Errorf("offered %v", offers)
		}
		r.amend(one, queues.Amendment{First: &no})
		equal(t, "served", r.served("sales"), []call.ID{two, old, vip, one})
	})
	t.Run("the slot it waits in may change, which is no news of the queue", func(t *testing.T) {
		r := enter(t, open, "ann")
		c := r.join("sales")
		park, none := "park_2", ""
		equal(t, "park", r.amend(c, queues.Amendment{Park: &park}).Park, "park_2")
		equal(t, "stored", r.entry(c).Park, "park_2")
		r.amend(c, queues.Amendment{Park: &none})
		equal(t, "left", r.entry(c).Park, "")
		r.facts(c, call.QueueJoined)
	})
	t.Run("more agents are let in from now on, and asked at once", func(t *testing.T) {
		r := enter(t, open, "ann")
		r.change("sales", func(q *queues.Queue) { q.Agents[0].Tier = 2 })
		c := r.caller()
		r.ok(r.Store.Join(t.Context(), queues.Entry{Call: c, Node: "n1", Queue: "sales", Reach: []queues.Reach{{Tier: 0, Skills: []string{"es"}}}}, r.now))
		equal(t, "nobody is in reach", len(r.decide("sales")), 0)
		r.pass(30 * time.Second)
		two := 2
		r.amend(c, queues.Amendment{Widen: &queues.Pool{Tier: &two}})
		equal(t, "nobody has the skill", len(r.decide("sales")), 0)
		r.pass(30 * time.Second)
		r.forget()
		e := r.amend(c, queues.Amendment{Widen: &queues.Pool{Skills: []string{}}})
		equal(t, "reach", e.Reach, []queues.Reach{{Skills: []string{"es"}}, {After: 30 * time.Second, Tier: 2, Skills: []string{"es"}}, {After: time.Minute, Tier: 2, Skills: []string{}}})
		equal(t, "stored", r.entry(c).Reach, e.Reach)
		args, _ := jobs[queues.Distribute](r)
		equal(t, "distributed", len(args), 1)
		offers := r.decide("sales")
		if len(offers) != 1 || offers[0].Agents[0] != "ann" {
			t.Errorf("offers %v", offers)
		}
		other := r.join("sales")
		equal(t, "everybody stays everybody", len(r.amend(other, queues.Amendment{Widen: &queues.Pool{Tier: &two}}).Reach), 0)
	})
	t.Run("who does not wait cannot be put anywhere", func(t *testing.T) {
		r := enter(t, open, "ann")
		o := r.offer("sales")
		r.ok(r.Store.Answer(t.Context(), o.ID, "ann", r.now))
		_, err := r.Store.Amend(t.Context(), o.Call, "sales", queues.Amendment{First: &yes}, eva, r.now)
		r.notWaiting(err)
		_, err = r.Store.Switch(t.Context(), o.Call, "sales", "support", eva, r.now)
		r.unknown(err)
		r.agent("bob")
		r.queue("support", "bob")
		_, err = r.Store.Switch(t.Context(), o.Call, "sales", "support", eva, r.now)
		r.notWaiting(err)
		equal(t, "nobody waits there", len(r.line("support")), 0)
	})
	t.Run("another queue takes the call with its clock, and the open offer is withdrawn", func(t *testing.T) {
		r := enter(t, open, "ann")
		r.agent("bob")
		r.queue("support", "bob")
		c := r.caller()
		joined := r.now
		r.ok(r.Store.Join(t.Context(), queues.Entry{
			Call: c, Node: "n1", Queue: "sales", Park: "park_1", From: "+34600000001", Priority: 7, Owner: "cem", Reach: []queues.Reach{{Tier: 3}},
		}, r.now))
		r.amend(c, queues.Amendment{First: &yes})
		offers := r.decide("sales")
		r.pass(30 * time.Second)
		r.forget()
		e, err := r.Store.Switch(t.Context(), c, "sales", "support", eva, r.now)
		r.ok(err)
		for _, e := range []queues.Entry{e, r.entry(c)} {
			if e.Queue != "support" || !e.JoinedAt.Equal(joined) || e.Priority != 7 || e.Park != "park_1" || e.Owner != "cem" || len(e.Reach)+len(e.Tried) > 0 || !e.FirstAt.IsZero() {
				t.Errorf("entry %+v", e)
			}
		}
		equal(t, "left behind", len(r.line("sales")), 0)
		r.state("ann", queues.Idle)
		r.tooLate(r.Store.Answer(t.Context(), offers[0].ID, "ann", r.now))
		facts := r.facts(c, call.QueueJoined, call.QueueReorder, call.OfferMade, call.OfferWithdrew, call.QueueLeft, call.QueueJoined)
		left, in := facts[4], facts[5]
		equal(t, "left", []any{left.Queue, left.Actor, left.Data["outcome"], left.Data["to"], left.Age}, []any{"sales", eva, "moved", "support", 30 * time.Second})
		equal(t, "joined", []any{in.Queue, in.Actor, in.Data["from"], in.Data["priority"], in.Age}, []any{"support", eva, "sales", 7, 30 * time.Second})
		again, err := r.Store.Switch(t.Context(), c, "sales", "support", eva, r.now) // nobody heard of the first time
		r.ok(err)
		equal(t, "again", again.Queue, "support")
		r.facts(c, call.QueueJoined, call.QueueReorder, call.OfferMade, call.OfferWithdrew, call.QueueLeft, call.QueueJoined)
		args, _ := jobs[queues.Distribute](r)
		distributed := false
		for _, a := range args {
			distributed = distributed || a.Queue == "support"
		}
		equal(t, "the queue is told", distributed, true)
		if offers := r.decide("support"); len(offers) != 1 || offers[0].Agents[0] != "bob" {
			t.Errorf("offers %v", offers)
		}
	})
	t.Run("a queue that takes nobody leaves the call where it is, and its offer open", func(t *testing.T) {
		r := enter(t, open, "ann")
		r.agent("bob")
		r.queue("support", "bob")
		r.change("support", func(q *queues.Queue) { q.MaxLen = 1 })
		r.join("support")
		o := r.offer("sales")
		for why, prepare := range map[string]func(){"full": func() {}, "all_away": func() { r.status(queues.Away, "bob") }} {
			prepare()
			_, err := r.Store.Switch(t.Context(), o.Call, "sales", "support", eva, r.now)
			var refused *queues.RefusedError
			if !errors.As(err, &refused) || refused.Queue != "support" {
				t.Errorf("%s: %v", why, err)
			}
		}
		equal(t, "still in line", r.line("sales"), []call.ID{o.Call})
		r.ok(r.Store.Answer(t.Context(), o.ID, "ann", r.now))
		r.facts(o.Call, call.QueueJoined, call.OfferMade, call.OfferAnswered, call.QueueLeft)
	})
	t.Run("of an answer and a move at once one wins", func(t *testing.T) {
		r := enter(t, open, "ann")
		r.agent("bob")
		r.queue("support", "bob")
		for range 8 {
			o := r.offer("sales")
			answered, moved := make(chan error), make(chan error)
			go func() { answered <- r.Store.Answer(t.Context(), o.ID, "ann", r.now) }()
			go func() {
				_, err := r.Store.Switch(t.Context(), o.Call, "sales", "support", eva, r.now)
				moved <- err
			}()
			a, m := <-answered, <-moved
			switch {
			case a == nil && m == nil || a != nil && m != nil:
				t.Fatalf("answered: %v, moved: %v", a, m)
			case a == nil:
				r.notWaiting(m)
				equal(t, "in line", len(r.line("")), 0)
				r.state("ann", queues.Talking)
				r.ok(r.Store.Free(t.Context(), "ann", o.Call, 0, r.now))
			default:
				r.tooLate(a)
				equal(t, "in line", r.line(""), []call.ID{o.Call})
				r.state("ann", queues.Idle)
				r.ok(r.Store.Leave(t.Context(), o.Call, "support", "abandoned", eva, r.now))
			}
		}
	})
}
