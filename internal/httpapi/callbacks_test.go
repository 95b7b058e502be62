package httpapi_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/callyard/callyard/callback"
	"github.com/callyard/callyard/callback/callbackpg"
	"github.com/callyard/callyard/internal/call"
)

func TestCallbacks(t *testing.T) {
	h := newHub(t)
	store, now := callbackpg.New(h.db), time.Now().UTC().Truncate(time.Second)
	for i := range 3 {
		_, err := store.Schedule(t.Context(), callback.Callback{
			ID: fmt.Sprintf("cbk_%d", i), Call: "call_1", Number: call.Number(fmt.Sprintf("+3460000000%d", i)), Queue: "sales", First: callback.RepFirst,
			Tries: 2, Retry: time.Minute, JoinedAt: now, MadeAt: now, Due: now, Until: now.Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("listed page by page, the latest first", func(t *testing.T) {
		a := h.must(200, "GET", "/v1/callbacks?limit=2", nil)
		got := a.data()
		if len(got) != 2 || got[0]["id"] != "cbk_2" || got[0]["retry_s"] != 60.0 || got[0]["ended_at"] != nil || got[0]["joined_at"] == nil {
			t.Fatal(a.body)
		}
		cursor, _ := a.doc["next_cursor"].(string)
		if got := h.must(200, "GET", "/v1/callbacks?limit=2&cursor="+cursor, nil).data(); len(got) != 1 || got[0]["id"] != "cbk_0" {
			t.Error(got)
		}
		if got := h.must(200, "GET", "/v1/callbacks?number=%2B34600000001", nil).data(); len(got) != 1 {
			t.Error(got)
		}
		h.must(422, "GET", "/v1/callbacks?state=owed", nil)
	})
	t.Run("read one by one", func(t *testing.T) {
		if a := h.must(200, "GET", "/v1/callbacks/cbk_2", nil); a.doc["queue"] != "sales" || a.doc["state"] != "waiting" {
			t.Error(a.body)
		}
	})
	t.Run("cancelled once, with who and why", func(t *testing.T) {
		a := h.must(200, "POST", "/v1/callbacks/cbk_1/cancel", map[string]any{"reason": "sold", "agent": "ann"})
		if a.doc["state"] != "cancelled" || a.doc["result"] != "sold" || a.doc["ended_at"] == nil {
			t.Error(a.body)
		}
		h.problem(409, "callback_over", "POST", "/v1/callbacks/cbk_1/cancel", nil)
		if a := h.must(200, "POST", "/v1/callbacks/cbk_0/cancel", nil); a.doc["result"] != "cancelled" {
			t.Error(a.body)
		}
		h.problem(404, "callback_not_found", "GET", "/v1/callbacks/cbk_9", nil)
		h.problem(404, "callback_not_found", "POST", "/v1/callbacks/cbk_9/cancel", nil)
		if got := h.must(200, "GET", "/v1/callbacks?open=true", nil).data(); len(got) != 1 || got[0]["id"] != "cbk_2" {
			t.Error(got)
		}
	})
}
