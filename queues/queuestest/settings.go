package queuestest

import (
	"errors"
	"testing"
	"time"

	"github.com/callyard/callyard/queues"
)

func testSettings(t *testing.T, open func(t *testing.T) Hub) {
	t.Run("a queue is kept as given, with defaults", func(t *testing.T) {
		r := enter(t, open, "ann", "bob")
		q := queues.Queue{
			Name: "support", Strategy: queues.RingAll, Ring: 1500 * time.Millisecond, WrapUp: -time.Second, MaxLen: 7, Music: "calm",
			Agents: []queues.Assignment{{Agent: "ann", Tier: 1, Order: 3}, {Agent: "bob", Tier: 0, Order: 2}},
		}
		r.ok(r.Store.SaveQueue(t.Context(), q))
		got, err := r.Store.Queue(t.Context(), "support")
		r.ok(err)
		want := q.WithDefaults()
		want.ID = got.ID
		want.Agents = []queues.Assignment{{Agent: "bob", Tier: 0, Order: 2}, {Agent: "ann", Tier: 1, Order: 3}}
		equal(t, "queue", got, want)
		if got.ID == "" {
			t.Error("it has no ID")
		}
		r.change("support", func(q *queues.Queue) { q.Music, q.ID = "loud", "" })
		again, err := r.Store.Queue(t.Context(), "support")
		r.ok(err)
		want.Music = "loud"
		equal(t, "changed queue", again, want)
		all, err := r.Store.Queues(t.Context())
		r.ok(err)
		if len(all) != 2 || all[0].Name != "sales" || all[1].Name != "support" {
			t.Errorf("queues: %v", all)
		}
	})
	t.Run("a wrong queue is refused", func(t *testing.T) {
		r := enter(t, open)
		if err := r.Store.SaveQueue(t.Context(), queues.Queue{Name: "x", Strategy: "guess"}); err == nil {
			t.Error("an unknown strategy was accepted")
		}
		r.unknown(r.Store.SaveQueue(t.Context(), queues.Queue{Name: "x", Agents: []queues.Assignment{{Agent: "nobody"}}}))
	})
	t.Run("what is unknown is said to be", func(t *testing.T) {
		r := enter(t, open)
		_, err := r.Store.Queue(t.Context(), "none")
		r.unknown(err)
		_, err = r.Store.Agent(t.Context(), "none")
		r.unknown(err)
		r.unknown(r.Store.DeleteQueue(t.Context(), "none"))
		r.unknown(r.Store.DeleteAgent(t.Context(), "none"))
		r.unknown(r.Store.SetStatus(t.Context(), "none", queues.Away, "", r.now))
		r.unknown(r.Store.Talk(t.Context(), "none", "call_x", r.now))
		r.unknown(r.Store.SaveDevice(t.Context(), queues.Device{Agent: "none", Contact: "sip:x", Expires: r.now}))
		r.unknown(r.Store.Join(t.Context(), queues.Entry{Call: r.caller(), Queue: "none"}, r.now))
		_, err = r.Store.Decide(t.Context(), "none", r.now, queues.Match)
		r.unknown(err)
	})
	t.Run("a queue with calls in it stays", func(t *testing.T) {
		r := enter(t, open, "ann")
		c := r.join("sales")
		var inUse *queues.InUseError
		if err := r.Store.DeleteQueue(t.Context(), "sales"); !errors.As(err, &inUse) || inUse.Waiting != 1 {
			t.Errorf("got %v, want *InUseError", err)
		}
		r.ok(r.Store.Leave(t.Context(), c, "sales", "abandoned", by("caller"), r.now))
		r.ok(r.Store.DeleteQueue(t.Context(), "sales"))
		_, err := r.Store.Queue(t.Context(), "sales")
		r.unknown(err)
	})
	t.Run("saving an agent keeps status, state and password", func(t *testing.T) {
		r := enter(t, open)
		ha1 := queues.NewHA1("ann", "callyard", "secret")
		r.ok(r.Store.SaveAgent(t.Context(), queues.Agent{Name: "ann", Display: "Ann", Extension: "201", Teams: []string{"a"}, HA1: ha1}))
		first := r.who("ann")
		if first.ID == "" || first.Status != queues.Available || first.State != queues.Idle || first.HA1 != ha1 {
			t.Errorf("new agent: %+v", first)
		}
		r.ok(r.Store.SetStatus(t.Context(), "ann", queues.Away, "lunch", r.now))
		r.ok(r.Store.Talk(t.Context(), "ann", "call_x", r.now))
		r.ok(r.Store.SaveAgent(t.Context(), queues.Agent{Name: "ann", Display: "Ann B", Skills: []string{"es"}, SRTP: "required", Status: queues.Available, State: queues.Idle}))
		got := r.who("ann")
		if got.ID != first.ID || got.Status != queues.Away || got.Reason != "lunch" || got.State != queues.Talking || got.Call != "call_x" || got.HA1 != ha1 {
			t.Errorf("after saving: %+v", got)
		}
		equal(t, "profile", []any{got.Display, got.Extension, len(got.Teams), got.Skills, got.SRTP}, []any{"Ann B", "", 0, []string{"es"}, "required"})
		fresh := queues.NewHA1("ann", "callyard", "other")
		r.ok(r.Store.SaveAgent(t.Context(), queues.Agent{Name: "ann", HA1: fresh}))
		if r.who("ann").HA1 != fresh {
			t.Error("the new password was not kept")
		}
	})
	t.Run("a deleted agent is gone from queues", func(t *testing.T) {
		r := enter(t, open, "ann", "bob")
		r.ok(r.Store.DeleteAgent(t.Context(), "ann"))
		q, err := r.Store.Queue(t.Context(), "sales")
		r.ok(err)
		equal(t, "agents", q.Agents, []queues.Assignment{{Agent: "bob", Order: 1}})
		all, err := r.Store.Agents(t.Context())
		r.ok(err)
		if len(all) != 1 || all[0].Name != "bob" || all[0].Devices != 1 {
			t.Errorf("agents: %+v", all)
		}
	})
}

func testDevices(t *testing.T, open func(t *testing.T) Hub) {
	t.Run("saved, refreshed, removed, expired", func(t *testing.T) {
		r := enter(t, open)
		r.ok(r.Store.SaveAgent(t.Context(), queues.Agent{Name: "ann"}))
		d := queues.Device{
			Agent: "ann", Contact: "sip:ann@127.0.0.1:5070", Instance: "<urn:uuid:1>", Transport: "tcp", Source: "127.0.0.1:5070", Local: "127.0.0.1:5060",
			UserAgent: "phone/1", CallID: "a", CSeq: 7, Node: "n1", Expires: r.now.Add(time.Hour),
			Path: []string{"<sip:edge.example;lr>", "<sip:10.0.0.1;lr;ob>"},
		}
		r.ok(r.Store.SaveDevice(t.Context(), d))
		equal(t, "devices", r.devices("ann"), []queues.Device{d})
		d.Path = nil
		d.CSeq, d.Expires = 8, r.now.Add(2*time.Hour)
		r.ok(r.Store.SaveDevice(t.Context(), d))
		equal(t, "refreshed", r.devices("ann"), []queues.Device{d})
		older := d
		older.CSeq, older.Expires = 6, r.now
		r.ok(r.Store.SaveDevice(t.Context(), older))
		equal(t, "after an older one", r.devices("ann"), []queues.Device{d})

		second := d
		second.Contact, second.Expires = "sip:ann@127.0.0.1:5072", r.now.Add(time.Minute)
		r.ok(r.Store.SaveDevice(t.Context(), second))
		equal(t, "count", r.who("ann").Devices, 2)
		r.pass(2 * time.Minute)
		equal(t, "unexpired", r.devices(""), []queues.Device{d})
		r.ok(r.Store.RemoveDevices(t.Context(), "ann", d.Contact))
		equal(t, "removed", len(r.devices("ann")), 0)

		r.pass(-2 * time.Minute)
		equal(t, "the other stays", r.devices("ann"), []queues.Device{second})
		r.ok(r.Store.RemoveDevices(t.Context(), "ann", ""))
		equal(t, "all removed", len(r.devices("ann")), 0)
	})
	t.Run("what was refreshed is not dropped with what it was before", func(t *testing.T) {
		r := enter(t, open)
		r.ok(r.Store.SaveAgent(t.Context(), queues.Agent{Name: "ann"}))
		old := queues.Device{Agent: "ann", Contact: "sip:ann@127.0.0.1:5070", Transport: "udp", CallID: "a", CSeq: 7, Node: "n1", Expires: r.now.Add(time.Minute)}
		fresh := old
		fresh.CSeq, fresh.Expires = 8, r.now.Add(time.Hour)
		r.ok(r.Store.SaveDevice(t.Context(), fresh))
		r.ok(r.Store.DropDevice(t.Context(), old)) // by who saw it expire just before
		equal(t, "refreshed", r.devices("ann"), []queues.Device{fresh})
		other := fresh
		other.CallID, other.CSeq = "b", 1 // the phone has restarted
		r.ok(r.Store.SaveDevice(t.Context(), other))
		r.ok(r.Store.DropDevice(t.Context(), fresh))
		equal(t, "registered anew", r.devices("ann"), []queues.Device{other})
		r.ok(r.Store.DropDevice(t.Context(), other))
		equal(t, "dropped", len(r.devices("ann")), 0)
	})
	t.Run("a phone that comes brings waiting calls to its agent", func(t *testing.T) {
		r := enter(t, open, "ann", "bob")
		r.offer("sales")
		r.join("sales")
		if len(r.decide("sales")) != 1 {
			t.Fatal("bob got no offer")
		}
		r.agent("eva")
		r.ok(r.Store.RemoveDevices(t.Context(), "eva", ""))
		r.change("sales", func(q *queues.Queue) { q.Agents = append(q.Agents, queues.Assignment{Agent: "eva"}) })
		third := r.join("sales")
		equal(t, "offers", len(r.decide("sales")), 0)
		r.forget()
		r.phone("eva")
		args, _ := jobs[queues.Distribute](r)
		equal(t, "distributed", len(args), 1)
		r.phone("eva") // a refresh is nothing new
		args, _ = jobs[queues.Distribute](r)
		equal(t, "distributed again", len(args), 0)
		offers := r.decide("sales")
		if len(offers) != 1 || offers[0].Call != third || offers[0].Agents[0] != "eva" {
			t.Errorf("offers: %v", offers)
		}
	})
}

func (r *room) devices(agent string) []queues.Device {
	r.Helper()
	all, err := r.Store.Devices(r.Context(), agent, r.now)
	r.ok(err)
	for i := range all {
		all[i].Expires = all[i].Expires.UTC()
	}
	return all
}
