package lamps_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/lamps"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// world is what a board reads, and how often it did.
type world struct {
	mu      sync.Mutex
	parks   []parking.Park
	agents  []queues.Agent
	lots    []parking.Lot
	boxes   []lamps.Box
	away    bool
	watched bool
	looks   int
	changes int
}

func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) count() (looks, changes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.looks, w.changes
}

// board is a running board of a world, in a bubble of its own.
func board(t *testing.T, story func(t *testing.T, w *world, b *lamps.Board)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			watched: true,
			lots:    []parking.Lot{{Name: "sales", Extension: "700", First: 701, Last: 705}},
			agents:  []queues.Agent{{Name: "rep1", Extension: "201", Teams: []string{"sales"}, State: queues.Idle}, {Name: "rep2", Extension: "202", State: queues.Idle}},
		}
		b := lamps.NewBoard(lamps.Config{
			Parks: func(context.Context) ([]parking.Park, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.looks++
				if w.away {
					return nil, errors.New("away")
				}
				return append([]parking.Park{}, w.parks...), nil
			},
			Agents: func(context.Context) ([]queues.Agent, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				return append([]queues.Agent{}, w.agents...), nil
			},
			Lots:  func() []parking.Lot { w.mu.Lock(); defer w.mu.Unlock(); return w.lots },
			Boxes: func(context.Context) ([]lamps.Box, error) { w.mu.Lock(); defer w.mu.Unlock(); return w.boxes, nil },
			Parties: func(context.Context, []call.ID) (map[call.ID]lamps.Parties, error) {
				return map[call.ID]lamps.Parties{
					"call_1": {From: lamps.Party{Number: "+34600000001", Name: "Ana"}, To: lamps.Party{Number: "+34900"}},
					"call_2": {From: lamps.Party{Number: "201"}, To: lamps.Party{Number: "+1555"}, Agent: "rep1"},
				}, nil
			},
			Watched: func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.watched },
			Changed: func() { w.change(func() { w.changes++ }) },
			Now:     time.Now, Log: slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); b.Run(ctx) }()
		story(t, w, b)
		cancel()
		<-done
	})
}

func want(t *testing.T, b *lamps.Board, code string, s lamps.State) lamps.Lamp {
	t.Helper()
	l, ok := b.Lamp(code)
	if !ok || l.State != s {
		t.Errorf("lamp %s is %+v %t, want %s", code, l, ok, s)
	}
	return l
}

func parked(slot int) parking.Park {
	return parking.Park{
		ID: "park", Lot: "sales", Slot: slot, From: "+34600000001", Name: "Ana", State: parking.StateParked, ParkedAt: time.Now(),
		Deadline: time.Now().Add(300 * time.Second), Ladder: []parking.Step{{After: 45 * time.Second, Do: parking.Remind}},
	}
}

func TestSlotAndLot(t *testing.T) {
	board(t, func(t *testing.T, w *world, b *lamps.Board) {
		b.Touch()
		time.Sleep(time.Second)
		want(t, b, "701", lamps.Dark)
		want(t, b, "700", lamps.Dark)
		if _, ok := b.Lamp("799"); ok {
			t.Error("799 is nobody's")
		}
		w.change(func() { w.parks = []parking.Park{parked(701)} })
		b.Touch()
		time.Sleep(100 * time.Millisecond)
		if l := want(t, b, "701", lamps.Lit); l.Party != (lamps.Party{Number: "+34600000001", Name: "Ana"}) {
			t.Errorf("%+v", l)
		}
		if l := want(t, b, "700", lamps.Lit); l.Party != (lamps.Party{Number: "700", Name: "1 waiting"}) {
			t.Errorf("%+v", l)
		}
		want(t, b, "702", lamps.Dark)

		// Half of the 45 s until the first step; nobody says anything then.
		time.Sleep(22 * time.Second)
		want(t, b, "701", lamps.Lit)
		_, before := w.count()
		time.Sleep(500 * time.Millisecond)
		want(t, b, "701", lamps.Blinking)
		want(t, b, "700", lamps.Blinking)
		if _, after := w.count(); after == before {
			t.Error("a lamp began to blink, and nobody was told")
		}
		w.change(func() { w.parks[0].State = parking.StateClaimed })
		b.Touch()
		time.Sleep(time.Second)
		want(t, b, "701", lamps.Lit)
		w.change(func() { w.parks = nil })
		time.Sleep(6 * time.Second) // the notification was lost
		want(t, b, "701", lamps.Dark)
		want(t, b, "700", lamps.Dark)
	})
}

func TestRep(t *testing.T) {
	board(t, func(t *testing.T, w *world, b *lamps.Board) {
		state := func(s queues.State, id call.ID) {
			w.change(func() { w.agents[0].State, w.agents[0].Call = s, id })
			b.Touch()
			time.Sleep(time.Second)
		}
		state(queues.Ringing, "call_1")
		if l := want(t, b, "201", lamps.Blinking); l.Party.Name != "Ana" || l.Agent != "rep1" {
			t.Errorf("%+v", l)
		}
		want(t, b, "rep2", lamps.Dark)
		state(queues.Talking, "call_2")
		if l := want(t, b, "rep1", lamps.Lit); l.Party.Number != "+1555" {
			t.Errorf("who placed the call talks to whom it was for: %+v", l)
		}
		for _, s := range []queues.State{queues.WrapUp, queues.Idle, queues.Reserved} {
			state(s, "call_2")
			if l := want(t, b, "rep1", lamps.Dark); l.Party != (lamps.Party{}) {
				t.Errorf("%+v", l)
			}
		}
	})
}

func TestConfigurationChanges(t *testing.T) {
	board(t, func(t *testing.T, w *world, b *lamps.Board) {
		w.change(func() { w.parks = []parking.Park{parked(701)} })
		b.Touch()
		time.Sleep(time.Second)
		want(t, b, "701", lamps.Lit)
		w.change(func() { w.lots[0].First, w.lots[0].Last, w.lots[0].Extension = 801, 805, "800"; w.parks[0].Slot = 801 })
		b.Touch()
		time.Sleep(time.Second)
		if l, ok := b.Lamp("701"); ok || l.State != lamps.Dark {
			t.Errorf("%+v", l)
		}
		want(t, b, "801", lamps.Lit)
		want(t, b, "800", lamps.Lit)
	})
}

func TestOutageLeavesLampsAsTheyAre(t *testing.T) {
	board(t, func(t *testing.T, w *world, b *lamps.Board) {
		w.change(func() { w.parks = []parking.Park{parked(701)} })
		b.Touch()
		time.Sleep(time.Second)
		w.change(func() { w.away, w.parks = true, nil })
		b.Touch()
		time.Sleep(10 * time.Second)
		want(t, b, "701", lamps.Lit)
		w.change(func() { w.away = false })
		time.Sleep(6 * time.Second)
		want(t, b, "701", lamps.Dark)
	})
}

func TestNobodyLooks(t *testing.T) {
	board(t, func(t *testing.T, w *world, b *lamps.Board) {
		w.change(func() { w.watched = false; w.parks = []parking.Park{parked(701)} })
		for range 100 {
			b.Touch()
			time.Sleep(100 * time.Millisecond)
		}
		if n, _ := w.count(); n > 0 {
			t.Errorf("looked %d times for nobody", n)
		}
		fresh := make(chan struct{})
		w.change(func() { w.watched = true })
		b.Fresh(func() { close(fresh) })
		<-fresh
		want(t, b, "701", lamps.Lit)
		// A storm of notifications is not a storm of looks.
		before, _ := w.count()
		for range 1000 {
			b.Touch()
			time.Sleep(time.Millisecond)
		}
		if n, _ := w.count(); n-before > 30 {
			t.Errorf("looked %d times in a second", n-before)
		}
	})
}

func TestBox(t *testing.T) {
	board(t, func(t *testing.T, w *world, b *lamps.Board) {
		w.change(func() {
			w.boxes = []lamps.Box{{Name: "rep1", New: 1}, {Name: "sales", New: 2, Heard: 3}, {Name: "all", Heard: 1}}
		})
		b.Touch()
		time.Sleep(time.Second)
		for _, c := range []struct {
			watcher, code string
			box           lamps.Box
			allowed       bool
		}{
			{"rep1", "rep1", lamps.Box{Name: "rep1", New: 1}, true},
			{"rep1", "201", lamps.Box{Name: "rep1", New: 1}, true},
			{"rep2", "rep1", lamps.Box{Name: "rep1", New: 1}, false},
			{"rep1", "sales", lamps.Box{Name: "sales", New: 2, Heard: 3}, true},
			{"rep1", "700", lamps.Box{Name: "sales", New: 2, Heard: 3}, true},
			{"rep2", "700", lamps.Box{Name: "sales", New: 2, Heard: 3}, false},
			{"rep2", "all", lamps.Box{Name: "all", Heard: 1}, true},
		} {
			if box, allowed := b.Box(c.watcher, c.code); box != c.box || allowed != c.allowed {
				t.Errorf("%s looks at %s: %+v %t", c.watcher, c.code, box, allowed)
			}
		}
	})
}
