package callpg_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/routing"
)

func TestRan(t *testing.T) {
	t.Parallel()
	b := callpg.New(pgtest.New(t), nil)
	for i := range 7 {
		o := opening(call.ID(fmt.Sprintf("call_%d", i)), noon.Add(time.Duration(i/2)*time.Minute)) // two each at the same time
		if i == 3 {
			o.Flow = "other"
		}
		begin(t, b, o, fact(o.ID, call.Offered, 0))
		if i == 5 {
			continue // still going on
		}
		c := closing(o.ID)
		c.Run = routing.Run{
			Flow: "sales", Version: 3, Ended: true, StartedAt: o.At,
			Told: []routing.Told{{Node: "p", Outcome: "digits", At: o.At.Add(time.Second), Vars: map[string]any{"digits": "1"}}},
			Path: []routing.Decision{{Node: "p", Outcome: "1", At: o.At.Add(time.Second), Inputs: map[string]any{"digits": "1"}}},
		}
		if err := b.End(t.Context(), c, fact(o.ID, call.Connected, time.Second), fact(o.ID, call.Ended, 0)); err != nil {
			t.Fatal(err)
		}
	}
	f := callpg.RanFilter{Flow: "sales", From: noon, To: noon.Add(time.Hour), Limit: 2, Kinds: []string{string(call.Connected)}}
	if n, err := b.CountRan(t.Context(), f); err != nil || n != 5 {
		t.Errorf("%d calls, %v", n, err)
	}
	var got []string
	for pages := 1; ; pages++ {
		list, next, err := b.Ran(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			got = append(got, string(r.ID))
			if len(r.Facts) != 1 || r.Facts[0].Type != call.Connected || !r.Run.StartedAt.Equal(r.StartedAt) || r.Run.Told[0].Vars["digits"] != "1" {
				t.Errorf("%+v", r)
			}
		}
		if f.Cursor = next; next == "" || pages > 5 {
			break
		}
	}
	if want := []string{"call_0", "call_1", "call_2", "call_4", "call_6"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	f.Cursor, f.To = "", noon.Add(time.Minute)
	if list, _, err := b.Ran(t.Context(), f); err != nil || len(list) != 2 {
		t.Errorf("%d calls before a minute past noon, %v", len(list), err)
	}
}
