package callpg_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/routing"
)

// noon is when the calls of these tests begin.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func opening(id call.ID, at time.Time) callctl.Opening {
	return callctl.Opening{
		ID: id, Node: "n1", Trunk: "trk_1", From: callctl.Party{Number: "+34600000001", Name: "A Caller"},
		To: "+34900000000", Flow: "sales", Version: 3, At: at,
	}
}

func begin(t *testing.T, b *callpg.Book, o callctl.Opening, facts ...call.Event) {
	t.Helper()
	if err := b.Begin(t.Context(), o, facts...); err != nil {
		t.Fatal(err)
	}
}

func fact(id call.ID, kind call.EventType, after time.Duration) call.Event {
	return call.Event{Call: id, Type: kind, At: noon.Add(after)}
}

func timeline(t *testing.T, b *callpg.Book, id call.ID) []call.Event {
	t.Helper()
	events, err := b.Timeline(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		if e.Seq != i+1 {
			t.Fatalf("event %d has seq %d", i, e.Seq)
		}
	}
	return events
}

func row(t *testing.T, b *callpg.Book, id call.ID) callpg.Row {
	t.Helper()
	r, err := b.Call(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBook(t *testing.T) {
	t.Parallel()
	t.Run("what is noted is read again", func(t *testing.T) {
		t.Parallel()
		b := callpg.New(pgtest.New(t), nil)
		full := call.Event{
			At: noon.Add(time.Minute), Call: "call_1", Type: call.ParkRetrieved, Leg: "leg_1", Park: "park_1", Lot: "sales",
			Slot: "701", Queue: "vip", Actor: call.Actor{User: "ann", Device: "desk", Via: "dial"}, Age: 61500 * time.Millisecond,
			Flow: "sales", Version: 3, Node: "park", Cause: call.Normal, Data: map[string]any{"why": "dialled", "n": 2.0},
		}
		begin(t, b, opening("call_1", noon), fact("call_1", call.Offered, 0))
		if err := b.Note(t.Context(), full, fact("call_1", call.Held, 2*time.Minute)); err != nil {
			t.Fatal(err)
		}
		events := timeline(t, b, "call_1")
		if len(events) != 3 {
			t.Fatalf("%d events", len(events))
		}
		got := events[1]
		if got.ID <= events[0].ID || !got.At.Equal(full.At) {
			t.Errorf("id %d, at %v", got.ID, got.At)
		}
		got.ID, got.Seq, got.At = 0, 0, full.At
		if !reflect.DeepEqual(got, full) {
			t.Errorf("got  %+v\nwant %+v", got, full)
		}
		r := row(t, b, "call_1")
		if r.Node != "n1" || r.FromNumber != "+34600000001" || r.FromName != "A Caller" || r.Flow != "sales" || r.FlowVersion != 3 || !r.StartedAt.Equal(noon) || r.EndedAt != nil {
			t.Errorf("row %+v", r)
		}
	})
	t.Run("facts of an unknown call are dropped", func(t *testing.T) {
		t.Parallel()
		b := callpg.New(pgtest.New(t), nil)
		if err := b.Note(t.Context(), fact("call_none", call.Held, 0)); err != nil {
			t.Fatal(err)
		}
		if got := timeline(t, b, "call_none"); len(got) != 0 {
			t.Errorf("%v", got)
		}
		if _, err := b.Call(t.Context(), "call_none"); !errors.Is(err, callpg.ErrNoCall) {
			t.Error(err)
		}
	})
	t.Run("a call begins once", func(t *testing.T) {
		t.Parallel()
		b := callpg.New(pgtest.New(t), nil)
		begin(t, b, opening("call_1", noon))
		if err := b.Begin(t.Context(), opening("call_1", noon)); err == nil {
			t.Error("began twice")
		}
	})
	t.Run("the row knows who first talked before the call ends", func(t *testing.T) {
		t.Parallel()
		b := callpg.New(pgtest.New(t), nil)
		begin(t, b, opening("call_1", noon))
		answered, talked := fact("call_1", call.AnsweredBy, time.Second), fact("call_1", call.Connected, time.Minute)
		talked.Actor.User = "ann"
		again := fact("call_1", call.Connected, 2*time.Minute)
		again.Actor.User = "ben"
		if err := b.Note(t.Context(), answered, talked, again); err != nil {
			t.Fatal(err)
		}
		r := row(t, b, "call_1")
		if r.AnsweredBy != "ann" || r.AnsweredAt == nil || !r.AnsweredAt.Equal(answered.At) || r.ConnectedAt == nil || !r.ConnectedAt.Equal(talked.At) {
			t.Errorf("row %+v", r)
		}
	})
	t.Run("twenty writers leave no gap", func(t *testing.T) {
		t.Parallel()
		b := callpg.New(pgtest.New(t), nil)
		begin(t, b, opening("call_1", noon), fact("call_1", call.Offered, 0))
		const writers, each = 20, 10
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					e := fact("call_1", call.FlowDecided, 0)
					e.Data = map[string]any{"w": float64(w), "i": float64(i)}
					if err := b.Note(t.Context(), e, fact("call_1", call.Held, 0)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		events := timeline(t, b, "call_1") // checks seq
		if want := 1 + writers*each*2; len(events) != want {
			t.Errorf("%d events, want %d", len(events), want)
		}
		last := map[float64]float64{}
		for _, e := range events {
			if w, ok := e.Data["w"].(float64); ok {
				if e.Data["i"] != last[w] {
					t.Fatalf("writer %v: %v after %v", w, e.Data["i"], last[w]-1)
				}
				last[w]++
			}
		}
	})
}

func closing(id call.ID) callctl.Closing {
	return callctl.Closing{
		ID: id, At: noon.Add(5 * time.Minute), Cause: call.Normal, Outcome: "answered",
		AnsweredAt: noon.Add(time.Second), ConnectedAt: noon.Add(time.Minute), AnsweredBy: "ann", Talked: 4 * time.Minute,
		Run: routing.Run{Flow: "sales", Version: 3, Ended: true},
		Heard: []callctl.Heard{{Leg: "leg_1", Agent: "ann", Quality: callctl.Quality{
			Codec: "G722", Sent: 100, Received: 90, Lost: 10, LossPercent: 10, Jitter: 2345678, MOS: 3.9123, WorstMOS: 3.1,
		}}},
		Activity: &crm.Activity{Key: string(id), Outcome: "answered"},
	}
}

func TestEnd(t *testing.T) {
	t.Parallel()
	t.Run("row, facts and delivery are written together", func(t *testing.T) {
		t.Parallel()
		var delivered []crm.Activity
		b := callpg.New(pgtest.New(t), func(_ context.Context, _ *pg.Tx, as []crm.Activity) error {
			delivered = append(delivered, as...)
			return nil
		})
		begin(t, b, opening("call_1", noon))
		c := closing("call_1")
		if err := b.End(t.Context(), c, fact("call_1", call.Ended, 5*time.Minute)); err != nil {
			t.Fatal(err)
		}
		r := row(t, b, "call_1")
		if r.Outcome != "answered" || r.Cause != call.Normal || r.AnsweredBy != "ann" || r.Talked != 4*time.Minute ||
			r.EndedAt == nil || !r.EndedAt.Equal(c.At) || r.ConnectedAt == nil || !r.ConnectedAt.Equal(c.ConnectedAt) {
			t.Errorf("row %+v", r)
		}
		if want := (callpg.Leg{ID: "leg_1", Agent: "ann", Codec: "G722", Sent: 100, Received: 90, Lost: 10, LossPercent: 10, JitterMS: 2.35, MOS: 3.91, WorstMOS: 3.1}); len(r.Legs) != 1 || r.Legs[0] != want {
			t.Errorf("legs %+v", r.Legs)
		}
		if len(delivered) != 1 || delivered[0].Key != "call_1" {
			t.Errorf("delivered %v", delivered)
		}

		t.Run("and a second End changes nothing", func(t *testing.T) {
			c.Outcome, c.At = "abandoned", c.At.Add(time.Hour)
			if err := b.End(t.Context(), c, fact("call_1", call.Ended, time.Hour)); err != nil {
				t.Fatal(err)
			}
			if got := row(t, b, "call_1"); got.Outcome != "answered" || len(delivered) != 1 || len(timeline(t, b, "call_1")) != 1 {
				t.Errorf("row %+v, %d deliveries", got, len(delivered))
			}
		})
	})
	t.Run("what was said of the call meanwhile is logged with it", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		var delivered []crm.Activity
		b := callpg.New(db, func(_ context.Context, _ *pg.Tx, as []crm.Activity) error {
			delivered = append(delivered, as...)
			return nil
		})
		begin(t, b, opening("call_1", noon))
		said := disposition.Said{Code: "won", Label: "Won", Category: disposition.Positive, Note: "by Friday", By: call.Actor{User: "ann"}, At: noon.Add(time.Minute)}
		if _, err := db.Pool.Exec(t.Context(), `update calls set disposition = $1`, said); err != nil {
			t.Fatal(err)
		}
		c := closing("call_1")
		if err := b.End(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if len(delivered) != 1 || delivered[0].Disposition == nil || delivered[0].Disposition.Code != "won" || delivered[0].Disposition.By != "ann" || delivered[0].Notes != "by Friday" {
			t.Errorf("delivered %+v", delivered)
		}
		if r := row(t, b, "call_1"); r.Disposition == nil || !r.Disposition.At.Equal(said.At) || c.Activity.Disposition != nil {
			t.Errorf("row %+v", r.Disposition)
		}
	})
	t.Run("a delivery that fails leaves the call open", func(t *testing.T) {
		t.Parallel()
		full := errors.New("the outbox is full")
		b := callpg.New(pgtest.New(t), func(context.Context, *pg.Tx, []crm.Activity) error { return full })
		begin(t, b, opening("call_1", noon))
		if err := b.End(t.Context(), closing("call_1"), fact("call_1", call.Ended, 0)); !errors.Is(err, full) {
			t.Fatal(err)
		}
		if r := row(t, b, "call_1"); r.EndedAt != nil || len(timeline(t, b, "call_1")) != 0 {
			t.Errorf("row %+v", r)
		}
		internal := closing("call_1")
		internal.Activity = nil
		if err := b.End(t.Context(), internal); err != nil {
			t.Errorf("an internal call: %v", err)
		}
	})
	t.Run("an unknown call is told apart", func(t *testing.T) {
		t.Parallel()
		b := callpg.New(pgtest.New(t), nil)
		if err := b.End(t.Context(), closing("call_none")); !errors.Is(err, callpg.ErrNoCall) {
			t.Error(err)
		}
	})
	t.Run("one of many that end the same call delivers", func(t *testing.T) {
		t.Parallel()
		var mu sync.Mutex
		n := 0
		b := callpg.New(pgtest.New(t), func(context.Context, *pg.Tx, []crm.Activity) error {
			mu.Lock()
			defer mu.Unlock()
			n++
			return nil
		})
		begin(t, b, opening("call_1", noon))
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if err := b.End(t.Context(), closing("call_1"), fact("call_1", call.Ended, 0)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n != 1 || len(timeline(t, b, "call_1")) != 1 {
			t.Errorf("%d deliveries", n)
		}
	})
}

func TestCloseOrphans(t *testing.T) {
	t.Parallel()
	var logged []crm.Activity
	b := callpg.New(pgtest.New(t), func(_ context.Context, _ *pg.Tx, as []crm.Activity) error {
		logged = append(logged, as...)
		return nil
	})
	ended, theirs := opening("call_ended", noon), opening("call_theirs", noon)
	theirs.Node = "n2"
	for _, o := range []callctl.Opening{opening("call_waiting", noon), opening("call_talking", noon), ended, theirs} {
		begin(t, b, o, fact(o.ID, call.Offered, 0))
	}
	if err := b.Note(t.Context(), fact("call_talking", call.Connected, time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := b.End(t.Context(), closing("call_ended")); err != nil {
		t.Fatal(err)
	}
	at := noon.Add(time.Hour)
	if n, err := b.CloseOrphans(t.Context(), "n1", at); err != nil || n != 2 {
		t.Fatalf("%d closed, %v", n, err)
	}
	for id, want := range map[call.ID]string{"call_waiting": callpg.OutcomeAbandoned, "call_talking": callpg.OutcomeAnswered} {
		r := row(t, b, id)
		if r.EndedAt == nil || !r.EndedAt.Equal(at) || r.Cause != call.Failed || r.Outcome != want {
			t.Errorf("%s: %+v", id, r)
		}
		events := timeline(t, b, id)
		if last := events[len(events)-1]; last.Type != call.Ended || last.Cause != call.Failed || last.Data["outcome"] != want {
			t.Errorf("%s: %+v", id, last)
		}
	}
	outcomes := map[string]string{}
	for _, a := range logged {
		outcomes[a.Key] = a.Outcome
	}
	if len(logged) != 3 || outcomes["call_waiting"] != callpg.OutcomeAbandoned || outcomes["call_talking"] != callpg.OutcomeAnswered {
		t.Errorf("each call should be logged once: %v", outcomes)
	}
	if r := row(t, b, "call_theirs"); r.EndedAt != nil {
		t.Error("another node's call was closed")
	}
	if r := row(t, b, "call_ended"); r.Cause != call.Normal {
		t.Error("an ended call was closed again")
	}
	if n, err := b.CloseOrphans(t.Context(), "n1", at); err != nil || n != 0 {
		t.Errorf("a second time: %d closed, %v", n, err)
	}
}

func TestCalls(t *testing.T) {
	t.Parallel()
	b := callpg.New(pgtest.New(t), nil)
	for i := range 10 { // call_0 is the oldest; two each begin at the same moment
		o := opening(call.ID(fmt.Sprintf("call_%d", i)), noon.Add(time.Duration(i/2)*time.Minute))
		if i == 3 {
			o.Agent = "ben"
		}
		begin(t, b, o)
	}
	if err := b.End(t.Context(), closing("call_4")); err != nil { // answered by ann
		t.Fatal(err)
	}
	ids := func(rows []callpg.Row) (s []call.ID) {
		for _, r := range rows {
			s = append(s, r.ID)
		}
		return s
	}
	tests := map[string]struct {
		f    callpg.Filter
		want []call.ID
	}{
		"from and before": {callpg.Filter{From: noon.Add(time.Minute), To: noon.Add(2 * time.Minute)}, []call.ID{"call_2", "call_3"}},
		"answered by":     {callpg.Filter{Agent: "ann"}, []call.ID{"call_4"}},
		"placed by":       {callpg.Filter{Agent: "ben"}, []call.ID{"call_3"}},
		"number":          {callpg.Filter{Number: "+34600000001", Outcome: "answered"}, []call.ID{"call_4"}},
		"another number":  {callpg.Filter{Number: "+34600000099"}, nil},
		"another flow":    {callpg.Filter{Flow: "other"}, nil},
		"outcome":         {callpg.Filter{Outcome: "answered"}, []call.ID{"call_4"}},
		"live":            {callpg.Filter{Live: true, From: noon.Add(2 * time.Minute), To: noon.Add(3 * time.Minute)}, []call.ID{"call_5"}},
		"none":            {callpg.Filter{Agent: "ann", Live: true}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, next, err := b.Calls(t.Context(), tt.f)
			if err != nil || next != "" || !reflect.DeepEqual(ids(got), tt.want) {
				t.Errorf("got %v, %q, %v", ids(got), next, err)
			}
		})
	}
	t.Run("pages follow each other, the latest first", func(t *testing.T) {
		var got []call.ID
		f := callpg.Filter{Limit: 3}
		for pages := 1; ; pages++ {
			list, next, err := b.Calls(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, ids(list)...)
			if f.Cursor = next; next == "" {
				if pages != 4 {
					t.Errorf("%d pages", pages)
				}
				break
			}
		}
		want := []call.ID{"call_8", "call_9", "call_6", "call_7", "call_4", "call_5", "call_2", "call_3", "call_0", "call_1"}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a made-up cursor is refused", func(t *testing.T) {
		for _, c := range []string{"x", "!!", "e30"} {
			if _, _, err := b.Calls(t.Context(), callpg.Filter{Cursor: c}); !errors.Is(err, callpg.ErrCursor) {
				t.Errorf("%q: %v", c, err)
			}
		}
	})
}
