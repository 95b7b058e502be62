package callpg_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
)

const deadline = 10 * time.Second // less than Listen takes to look without being told

// readOn reads from a cursor until n events have come. It looks again and again
// because transactions anywhere on the test server, which is shared, hold
// events back.
func readOn(t *testing.T, b *callpg.Book, from callpg.Cursor, n int) ([]call.Event, callpg.Cursor) {
	t.Helper()
	var got []call.Event
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(deadline); len(got) < n; <-tick.C {
		events, next, err := b.Since(t.Context(), from, 7)
		if err != nil {
			t.Fatal(err)
		}
		got, from = append(got, events...), next
		if time.Now().After(limit) {
			t.Fatalf("%d of %d events came", len(got), n)
		}
	}
	return got, from
}

func TestSince(t *testing.T) {
	t.Parallel()
	t.Run("an event committed late is not overlooked", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		b := callpg.New(db, nil)
		for _, id := range []call.ID{"call_late", "call_early"} {
			begin(t, b, opening(id, noon))
		}
		slow, err := db.Pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = slow.Rollback(context.WithoutCancel(t.Context())) }()
		if _, err := slow.Exec(t.Context(), `select note('call_late', now(), 'call.held', '{}')`); err != nil {
			t.Fatal(err)
		}
		if err := b.Note(t.Context(), fact("call_early", call.Held, 0)); err != nil { // begins later, commits first
			t.Fatal(err)
		}
		events, from, err := b.Since(t.Context(), callpg.Cursor{}, 10)
		if err != nil || len(events) != 0 {
			t.Fatalf("went past an open transaction: %v, %v", events, err)
		}
		if err := slow.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, _ := readOn(t, b, from, 2)
		if got[0].Call != "call_late" || got[1].Call != "call_early" {
			t.Errorf("got %s, %s", got[0].Call, got[1].Call)
		}
	})
	t.Run("a reader beside many writers sees each event once, each call in order", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		b := callpg.New(db, nil)
		const writers, each = 6, 25
		var wg sync.WaitGroup
		for w := range writers {
			id := call.ID(fmt.Sprintf("call_%d", w))
			begin(t, b, opening(id, noon))
			wg.Go(func() {
				for range each {
					err := db.In(t.Context(), func(tx *pg.Tx) error {
						tx.Note(fact(id, call.Held, 0))
						tx.Note(fact(id, call.Resumed, 0))
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		got, _ := readOn(t, b, callpg.Cursor{}, writers*each*2)
		wg.Wait()
		seq := map[call.ID]int{}
		for _, e := range got {
			if seq[e.Call]++; e.Seq != seq[e.Call] {
				t.Fatalf("%s: seq %d, want %d", e.Call, e.Seq, seq[e.Call])
			}
		}
	})
	t.Run("a cursor survives as text, and from an event's id", func(t *testing.T) {
		t.Parallel()
		b := callpg.New(pgtest.New(t), nil)
		begin(t, b, opening("call_1", noon), fact("call_1", call.Offered, 0), fact("call_1", call.Held, 0), fact("call_1", call.Resumed, 0))
		events, end := readOn(t, b, callpg.Cursor{}, 3)
		if got, err := callpg.ParseCursor(end.String()); err != nil || got != end {
			t.Errorf("%v became %v, %v", end, got, err)
		}
		after, err := b.After(t.Context(), events[1].ID)
		if err != nil {
			t.Fatal(err)
		}
		if rest, _ := readOn(t, b, after, 1); rest[0].Type != call.Resumed {
			t.Errorf("got %v", rest)
		}
		if _, err := b.After(t.Context(), 1<<40); !errors.Is(err, callpg.ErrNoEvent) {
			t.Error(err)
		}
		for _, s := range []string{"", "1", "-", "1-x", "x-1"} {
			if _, err := callpg.ParseCursor(s); !errors.Is(err, callpg.ErrCursor) {
				t.Errorf("%q: %v", s, err)
			}
		}
	})
}

func TestFollow(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	b := callpg.New(db, nil)
	begin(t, b, opening("call_1", noon), fact("call_1", call.Offered, 0))
	readOn(t, b, callpg.Cursor{}, 1)
	tip, err := b.Tip(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	came := make(chan call.Event, 100)
	done := make(chan error, 1)
	go func() {
		done <- b.Follow(ctx, tip, func(events []call.Event, _ callpg.Cursor) error {
			for _, e := range events {
				came <- e
			}
			return nil
		})
	}()
	expect := func(want call.EventType) {
		t.Helper()
		select {
		case e := <-came:
			if e.Type != want {
				t.Fatalf("got %s, want %s", e.Type, want)
			}
		case <-time.After(deadline):
			t.Fatalf("no %s", want)
		}
	}
	note := func(kind call.EventType) {
		t.Helper()
		if err := b.Note(t.Context(), fact("call_1", kind, 0)); err != nil {
			t.Fatal(err)
		}
	}
	note(call.Held)
	expect(call.Held)

	// One that is held back by a transaction which itself notes nothing, so that
	// its end is announced by nobody.
	slow, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := slow.Exec(t.Context(), `insert into nodes values ('n1', now(), now())`); err != nil {
		t.Fatal(err)
	}
	note(call.Resumed)
	for range 30 { // meanwhile the follower has looked, too, and found nothing
		if events, _, err := b.Since(t.Context(), tip, 10); err != nil || len(events) > 1 {
			t.Fatalf("went past an open transaction: %v, %v", events, err)
		}
	}
	if err := slow.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(call.Resumed)

	// A cut connection is made again, and what came meanwhile is read.
	if _, err := db.Pool.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'listen%'`); err != nil {
		t.Fatal(err)
	}
	note(call.Parted)
	expect(call.Parted)

	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	t.Run("an error of the reader ends it", func(t *testing.T) {
		enough := errors.New("enough")
		if err := b.Follow(t.Context(), callpg.Cursor{}, func([]call.Event, callpg.Cursor) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestFactsOfManyCalls(t *testing.T) {
	t.Parallel()
	b := callpg.New(pgtest.New(t), nil)
	const calls, each = 30, 8
	var wg sync.WaitGroup
	for i := range calls {
		id := call.ID(fmt.Sprintf("call_%02d", i))
		wg.Go(func() {
			if err := b.Begin(t.Context(), opening(id, noon), fact(id, call.Offered, 0)); err != nil {
				t.Error(err)
			}
			for n := range each {
				kind := call.Held
				if n == 3 {
					kind = call.Connected
				}
				if err := b.Note(t.Context(), fact(id, kind, time.Duration(2*n+1)*time.Second), fact(id, call.Resumed, time.Duration(2*n+2)*time.Second)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range calls {
		id := call.ID(fmt.Sprintf("call_%02d", i))
		events := timeline(t, b, id)
		if len(events) != 1+2*each {
			t.Fatalf("%s has %d facts", id, len(events))
		}
		for n := 1; n < len(events); n++ {
			if !events[n].At.After(events[n-1].At) {
				t.Errorf("%s: fact %d is out of order", id, n)
			}
		}
		if r := row(t, b, id); r.ConnectedAt == nil || !r.ConnectedAt.Equal(noon.Add(7*time.Second)) {
			t.Errorf("%s: connected at %v", id, r.ConnectedAt)
		}
	}
}
