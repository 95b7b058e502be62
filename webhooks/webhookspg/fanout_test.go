package webhookspg_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/webhooks"
	"github.com/callyard/callyard/webhooks/webhookspg"
)

// world is a database with a ledger and a store of webhooks.
type world struct {
	t     *testing.T
	db    *pg.DB
	book  *callpg.Book
	store *webhookspg.Store
	calls int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := pgtest.New(t)
	return &world{t: t, db: db, book: callpg.New(db, nil), store: webhookspg.New(db)}
}

// call notes a call with these facts.
func (w *world) call(facts ...call.EventType) call.ID {
	w.t.Helper()
	w.calls++
	id := call.ID(fmt.Sprintf("call_%d", w.calls))
	var events []call.Event
	for _, f := range facts {
		events = append(events, call.Event{At: time.Now(), Call: id, Type: f, Age: 1500 * time.Millisecond})
	}
	o := callctl.Opening{ID: id, Node: "n1", From: callctl.Party{Number: "+34600000001"}, To: "+34910000001", At: time.Now()}
	if err := w.book.Begin(w.t.Context(), o, events...); err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) hook(events ...string) webhooks.Webhook {
	w.t.Helper()
	h, err := w.store.Create(w.t.Context(), webhooks.Webhook{
		URL: "https://desk.example.com/hook", Events: events, Enabled: true, Secret: webhooks.NewSecret(), CreatedAt: time.Now(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// deliveries are what is on its way to a webhook, once there are n; the oldest first.
func (w *world) deliveries(id string, n int) []webhooks.Delivery {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond) // transactions of other tests hold facts back
	defer tick.Stop()
	for limit := time.Now().Add(20 * time.Second); ; <-tick.C {
		if _, _, err := w.store.FanOut(w.t.Context(), time.Now()); err != nil {
			w.t.Fatal(err)
		}
		list, err := w.store.Deliveries(w.t.Context(), webhooks.Filter{Webhook: id, Limit: 10000})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(list) >= n {
			slices.Reverse(list)
			return list
		}
		if time.Now().After(limit) {
			w.t.Fatalf("%d of %d deliveries", len(list), n)
		}
	}
}

func TestFanOut(t *testing.T) {
	t.Parallel()
	t.Run("each webhook gets the facts that it wants, from when it was made", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.call(call.Offered, call.Parked)
		all, parks := w.hook("*"), w.hook("park.*")
		id := w.call(call.Offered, call.Parked, call.ParkRetrieved, call.Ended)
		got := w.deliveries(all.ID, 4)
		if len(got) != 4 {
			t.Fatalf("%d deliveries", len(got))
		}
		var m struct {
			Type      string
			Timestamp time.Time
			Data      struct {
				Call  call.ID
				AgeMS int64 `json:"age_ms"`
				Seq   int
			}
		}
		if err := json.Unmarshal(got[1].Body, &m); err != nil || m.Type != "park.parked" || m.Data.Call != id || m.Data.AgeMS != 1500 || m.Data.Seq != 2 || m.Timestamp.IsZero() {
			t.Errorf("%s: %v", got[1].Body, err)
		}
		if list := w.deliveries(parks.ID, 2); len(list) != 2 || list[0].Event != call.Parked || list[0].Message != got[1].Message {
			t.Errorf("%+v", list)
		}
	})
	t.Run("a webhook that was off is told what happens from then on", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		h := w.hook("*")
		for _, on := range []bool{false, true} {
			w.call(call.Offered)
			_, err := w.store.Change(t.Context(), h.ID, func(h webhooks.Webhook) (webhooks.Webhook, error) {
				h.Enabled = on
				return h, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		last := w.call(call.Offered)
		if got := w.deliveries(h.ID, 1); len(got) != 1 || got[0].Call != last {
			t.Errorf("%+v", got)
		}
	})
	t.Run("nodes that die at it make each delivery once, with one job", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		h := w.hook("call.*")
		ctx, stop := context.WithCancel(t.Context())
		var nodes sync.WaitGroup
		for range 3 {
			nodes.Go(func() {
				s := webhookspg.New(w.db)
				for ctx.Err() == nil {
					dying, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(4000))*time.Microsecond)
					_, _, _ = s.FanOut(dying, time.Now()) // cut off wherever it is
					cancel()
				}
			})
		}
		const calls = 40
		for range calls {
			w.call(call.Offered, call.Ended)
		}
		got := w.deliveries(h.ID, 2*calls)
		stop()
		nodes.Wait()
		seen := map[string]int{}
		for _, d := range got {
			seen[d.Message]++
		}
		if len(seen) != 2*calls || len(got) != 2*calls {
			t.Errorf("%d messages in %d deliveries", len(seen), len(got))
		}
		var jobs, distinct int
		if err := w.db.Pool.QueryRow(t.Context(), `select count(*), count(distinct args->>'delivery') from river_job where kind = 'webhook_deliver'`).Scan(&jobs, &distinct); err != nil {
			t.Fatal(err)
		}
		if jobs != 2*calls || distinct != jobs {
			t.Errorf("%d jobs for %d deliveries", jobs, distinct)
		}
	})
	t.Run("a fact that is committed late is not overlooked", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		h := w.hook("call.held")
		first := w.call(call.Offered)
		slow, err := w.db.Pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = slow.Rollback(context.WithoutCancel(t.Context())) }()
		if _, err := slow.Exec(t.Context(), `select note($1, now(), 'call.held', '{}')`, first); err != nil {
			t.Fatal(err)
		}
		w.call(call.Held)
		if made, more, err := w.store.FanOut(t.Context(), time.Now()); err != nil || made != 0 || !more {
			t.Errorf("%d made, more %v, %v", made, more, err)
		}
		if err := slow.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.deliveries(h.ID, 2); got[0].Call != first {
			t.Errorf("%+v", got)
		}
	})
}
