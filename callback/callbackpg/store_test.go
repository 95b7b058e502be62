package callbackpg_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/callback"
	"github.com/callyard/callyard/callback/callbackpg"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

type bench struct {
	*testing.T
	db *pg.DB
	*callbackpg.Store
}

func open(t *testing.T) *bench {
	b := &bench{T: t, db: pgtest.New(t)}
	b.Store = callbackpg.New(b.db)
	for _, id := range []string{"call_1", "call_2", "call_3"} {
		if _, err := b.db.Pool.Exec(t.Context(), `insert into calls (id, node, started_at) values ($1, 'n1', $2)`, id, noon); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) list(sql string) []string {
	b.Helper()
	rows, _ := b.db.Pool.Query(b.Context(), sql)
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	b.ok(err)
	return out
}

func (b *bench) is(what string, got, want []string) {
	b.Helper()
	if !slices.Equal(got, want) {
		b.Errorf("%s: %v, want %v", what, got, want)
	}
}

// jobs are the attempts that are to be made: "cbk_1 0".
func (b *bench) jobs() []string {
	return b.list(`select (args->>'callback') || ' ' || (args->>'begun') || ' ' || to_char(scheduled_at at time zone 'utc', 'HH24:MI:SS') from river_job order by id`)
}

func (b *bench) facts(id string) []string {
	return b.list(fmt.Sprintf(`select type || coalesce(' ' || (data->>'result'), '') || coalesce(' ' || (data->>'why'), '') from call_events where call_id = '%s' order by seq`, id))
}

func owed(id string, n call.Number) callback.Callback {
	return callback.Callback{
		ID: id, Call: "call_1", Number: n, Name: "Ana", To: "+34910000000", Queue: "sales", Owner: "ann", Priority: 70, JoinedAt: noon.Add(-time.Minute),
		First: callback.RepFirst, Tries: 2, Retry: time.Minute, Until: noon.Add(time.Hour), Flow: "f", Version: 3, Subflows: map[string]int{"hours": 2}, Node: "cb",
		MadeAt: noon, Due: noon.Add(10 * time.Second),
	}
}

func (b *bench) begin(id string, begun int, as call.ID) (callback.Callback, bool) {
	b.Helper()
	c, ok, err := b.Begin(b.Context(), callback.Due{Callback: id, Begun: begun}, "n1", as, noon.Add(10*time.Second))
	b.ok(err)
	return c, ok
}

func TestStore(t *testing.T) {
	t.Run("kept as it was promised, one for a number", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		want := owed("cbk_1", "+34600000001")
		_, err := b.Schedule(t.Context(), want)
		b.ok(err)
		again := owed("cbk_2", "+34600000001")
		again.Call = "call_2"
		got, err := b.Schedule(t.Context(), again)
		if err != nil || got.ID != "cbk_1" {
			t.Errorf("a second wish: %+v, %v", got, err)
		}
		got, err = b.Callback(t.Context(), "cbk_1")
		b.ok(err)
		want.State = callback.Waiting
		got.MadeAt, got.Due, got.Until = got.MadeAt.UTC(), got.Due.UTC(), got.Until.UTC()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		b.is("jobs", b.jobs(), []string{"cbk_1 0 12:00:10"})
		b.is("facts", b.facts("call_2"), []string{"callback.scheduled"})
		var unknown *callback.UnknownError
		if _, err := b.Callback(t.Context(), "cbk_9"); !errors.As(err, &unknown) {
			t.Error(err)
		}
	})
	t.Run("begun once, tried again, and over", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		_, err := b.Schedule(t.Context(), owed("cbk_1", "+34600000001"))
		b.ok(err)
		c, ok := b.begin("cbk_1", 0, "call_2")
		if !ok || c.Begun != 1 || c.State != callback.Calling {
			t.Fatalf("%+v %v", c, ok)
		}
		if _, ok := b.begin("cbk_1", 0, "call_3"); ok {
			t.Error("begun twice")
		}
		if _, ok := b.begin("cbk_9", 0, "call_3"); ok {
			t.Error("what is not there was begun")
		}
		yes, err := b.Standing(t.Context(), "cbk_1", "call_2")
		no, err2 := b.Standing(t.Context(), "cbk_1", "call_3")
		if err != nil || err2 != nil || !yes || no {
			t.Errorf("wanted: %v %v, %v %v", yes, no, err, err2)
		}
		busy := callback.Outcome{What: "busy", Counts: true, Again: noon.Add(2 * time.Minute)}
		b.ok(b.Settle(t.Context(), "cbk_1", "call_3", busy, noon)) // not the one under way
		b.ok(b.Settle(t.Context(), "cbk_1", "call_2", busy, noon.Add(time.Minute)))
		b.ok(b.Settle(t.Context(), "cbk_1", "call_2", busy, noon.Add(time.Minute)))
		b.is("jobs", b.jobs(), []string{"cbk_1 0 12:00:10", "cbk_1 1 12:02:00"})
		if _, ok := b.begin("cbk_1", 1, "call_3"); !ok {
			t.Error("not begun again")
		}
		b.ok(b.Settle(t.Context(), "cbk_1", "call_3", callback.Outcome{What: callback.Connected, Counts: true}, noon.Add(3*time.Minute)))
		b.is("of the first call", b.facts("call_1"), []string{"callback.scheduled", "callback.result busy", "callback.result connected"})
		b.is("of the last", b.facts("call_3"), []string{"callback.result connected"})
		c, err = b.Callback(t.Context(), "cbk_1")
		if err != nil || c.State != callback.Done || c.Tried != 2 || c.Last != "call_3" || !c.EndedAt.Equal(noon.Add(3*time.Minute)) {
			t.Errorf("%+v, %v", c, err)
		}
		if _, err := b.Cancel(t.Context(), "cbk_1", "late", call.Actor{}, noon); !errors.Is(err, callback.ErrOver) {
			t.Errorf("cancelled what is over: %v", err)
		}
	})
	t.Run("cancelled, or superseded by the caller", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		_, err := b.Schedule(t.Context(), owed("cbk_1", "+34600000001"))
		b.ok(err)
		_, err = b.Schedule(t.Context(), owed("cbk_2", "+34600000002"))
		b.ok(err)
		b.begin("cbk_2", 0, "call_2")
		c, err := b.Cancel(t.Context(), "cbk_1", "sold", call.Actor{User: "ann"}, noon.Add(time.Minute))
		if err != nil || c.State != callback.Cancelled || c.Result != "sold" {
			t.Errorf("%+v, %v", c, err)
		}
		if _, ok := b.begin("cbk_1", 0, "call_2"); ok {
			t.Error("a cancelled one was begun")
		}
		c, ok, err := b.Supersede(t.Context(), "+34600000002", "call_3", noon.Add(time.Minute))
		if err != nil || !ok || c.ID != "cbk_2" || c.Priority != 70 || !c.JoinedAt.Equal(noon.Add(-time.Minute)) {
			t.Errorf("%+v, %v, %v", c, ok, err)
		}
		if _, ok, err := b.Supersede(t.Context(), "+34600000002", "call_3", noon); ok || err != nil {
			t.Errorf("superseded twice: %v", err)
		}
		b.ok(b.Settle(t.Context(), "cbk_2", "call_2", callback.Outcome{What: callback.Connected}, noon)) // the attempt was still under way
		b.is("of who calls", b.facts("call_3"), []string{"callback.cancelled called_again"})
		_, err = b.Schedule(t.Context(), owed("cbk_3", "+34600000002")) // a new promise can be made
		b.ok(err)
		all, err := b.Callbacks(t.Context(), callback.Filter{Open: true})
		if err != nil || len(all) != 1 || all[0].ID != "cbk_3" {
			t.Errorf("open: %+v, %v", all, err)
		}
		all, err = b.Callbacks(t.Context(), callback.Filter{Before: "cbk_3", Limit: 1})
		if err != nil || len(all) != 1 || all[0].ID != "cbk_2" {
			t.Errorf("a page: %+v, %v", all, err)
		}
	})
	t.Run("what a node was at when it died is tried again, without counting", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		_, err := b.Schedule(t.Context(), owed("cbk_1", "+34600000001"))
		b.ok(err)
		b.begin("cbk_1", 0, "call_2")
		b.ok(b.Reset(t.Context(), "n2", noon))
		b.ok(b.Reset(t.Context(), "n1", noon.Add(time.Minute)))
		b.ok(b.Reset(t.Context(), "n1", noon.Add(2*time.Minute)))
		b.is("jobs", b.jobs(), []string{"cbk_1 0 12:00:10", "cbk_1 1 12:01:10"})
		if c, err := b.Callback(t.Context(), "cbk_1"); err != nil || c.Tried != 0 || c.State != callback.Waiting {
			t.Errorf("%+v, %v", c, err)
		}
	})
	t.Run("many at once: one promise, one attempt", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		var wg sync.WaitGroup
		var begun atomic.Int32
		for i := range 10 {
			wg.Go(func() {
				if _, err := b.Schedule(t.Context(), owed(fmt.Sprintf("cbk_%d", i), "+34600000001")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		all, err := b.Callbacks(t.Context(), callback.Filter{})
		if err != nil || len(all) != 1 || len(b.jobs()) != 1 {
			t.Fatalf("%d callbacks, jobs %v, %v", len(all), b.jobs(), err)
		}
		for range 10 {
			wg.Go(func() {
				if _, ok := b.begin(all[0].ID, 0, "call_2"); ok {
					begun.Add(1)
				}
			})
		}
		wg.Wait()
		if begun.Load() != 1 {
			t.Errorf("begun %d times", begun.Load())
		}
	})
}
