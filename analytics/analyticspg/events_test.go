package analyticspg_test

import (
	"context"
	"encoding/json"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/callyard/callyard/analytics"
	"github.com/callyard/callyard/analytics/analyticspg"
	"github.com/callyard/callyard/analytics/analyticstest"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
)

func TestEvents(t *testing.T) {
	db := pgtest.New(t)
	l := analyticstest.Random(rand.New(rand.NewPCG(7, 7)), 80)
	err := db.In(t.Context(), func(tx *pg.Tx) error {
		for _, events := range l.Calls {
			if _, err := tx.Exec(t.Context(), `insert into calls (id, node, started_at) values ($1, 'n1', $2)`, string(events[0].Call), events[0].At); err != nil {
				return err
			}
			tx.Note(events...)
			tx.Note(call.Event{Call: events[0].Call, At: events[0].At, Type: call.Held}) // of no interest
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ledger := analyticspg.New(db)

	t.Run("a report from Postgres is the report of the same events in memory", func(t *testing.T) {
		for _, group := range []analytics.By{analytics.ByNone, analytics.ByLot, analytics.ByFlow, analytics.ByAgent, analytics.ByParker, analytics.ByHour} {
			o := analytics.Options{GroupBy: group, Now: l.Window.To.Add(time.Hour)}
			want, err := analytics.Summarize(all(l.Calls), l.Window, o)
			if err != nil {
				t.Fatal(err)
			}
			got, err := analytics.Summarize(ledger.Events(t.Context(), l.Window), l.Window, o)
			if err != nil {
				t.Fatal(err)
			}
			if g, w := doc(t, got), doc(t, want); g != w {
				t.Errorf("by %s: got\n%s\nwant\n%s", group, g, w)
			}
			if got.Parks.Attempts != l.Attempts || got.Parks.Attempts == 0 {
				t.Errorf("by %s: %d attempts, want %d", group, got.Parks.Attempts, l.Attempts)
			}
		}
	})

	t.Run("only calls that began or were parked in the window are read, in order", func(t *testing.T) {
		seen, last := map[call.ID]int{}, call.ID("")
		for e, err := range ledger.Events(t.Context(), l.Window) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Type == call.Held || e.Call != last && seen[e.Call] > 0 || e.Seq <= seen[e.Call] {
				t.Fatalf("event %d of %s, %s, after %d of %s", e.Seq, e.Call, e.Type, seen[last], last)
			}
			seen[e.Call], last = e.Seq, e.Call
		}
		if len(seen) == 0 || len(seen) >= len(l.Calls) {
			t.Errorf("read %d of %d calls", len(seen), len(l.Calls))
		}
	})

	t.Run("leaving the loop gives the connection back", func(t *testing.T) {
		for range 50 { // more often than there are connections
			for _, err := range ledger.Events(t.Context(), l.Window) {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
		}
	})

	t.Run("an error is the last pair", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := analytics.Summarize(ledger.Events(ctx, l.Window), l.Window, analytics.Options{}); err == nil {
			t.Error("no error")
		}
	})
}

func all(calls [][]call.Event) iter.Seq2[call.Event, error] {
	return func(yield func(call.Event, error) bool) {
		for _, events := range calls {
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

func doc(t *testing.T, r analytics.Report) string {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
