package httpapi_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

type callID = call.ID

func TestParkedCalls(t *testing.T) {
	h := newHub(t)
	h.must(200, "PUT", "/v1/lots/sales", map[string]any{"first": 701, "last": 702, "extension": "700"})
	park := func(status int, body map[string]any) answer {
		t.Helper()
		return h.must(status, "POST", "/v1/parked_calls", body)
	}
	one, two, three := h.call(), h.call(), h.call()
	first := park(201, map[string]any{"call_id": one, "lot": "sales", "slot": 701, "agent": "ann"})
	id, _ := first.doc["id"].(string)
	if first.doc["slot"] != 701.0 || first.doc["parker"] != "ann" || first.doc["via"] != "rest" || first.header.Get("Location") != "/v1/parked_calls/"+id {
		t.Fatal(first.body)
	}

	t.Run("an occupied slot says who holds it", func(t *testing.T) {
		a := h.problem(409, "slot_occupied", "POST", "/v1/parked_calls", map[string]any{"call_id": two, "lot": "sales", "slot": 701})
		if a.doc["by"] != "ann" || a.doc["slot"] != 701.0 || a.doc["park"] != id || a.doc["at"] == nil {
			t.Error(a.body)
		}
	})
	t.Run("a full lot takes nobody", func(t *testing.T) {
		park(201, map[string]any{"call_id": two, "lot": "sales"})
		if a := h.problem(409, "lot_full", "POST", "/v1/parked_calls", map[string]any{"call_id": three, "lot": "sales"}); a.doc["lot"] != "sales" {
			t.Error(a.body)
		}
	})
	t.Run("one call, one slot", func(t *testing.T) {
		h.problem(409, "call_parked_already", "POST", "/v1/parked_calls", map[string]any{"call_id": one, "lot": "sales"})
	})
	t.Run("what is not there", func(t *testing.T) {
		h.problem(404, "lot_not_found", "POST", "/v1/parked_calls", map[string]any{"call_id": three, "lot": "x"})
		h.problem(404, "slot_not_found", "POST", "/v1/parked_calls", map[string]any{"call_id": three, "lot": "sales", "slot": 9})
		h.problem(404, "call_not_found", "POST", "/v1/parked_calls", map[string]any{"call_id": "call_x", "lot": "sales"})
		h.problem(404, "parked_call_not_found", "GET", "/v1/parked_calls/park_x", nil)
		h.problem(404, "parked_call_not_found", "POST", "/v1/parked_calls/park_x/retrieve", map[string]any{"agent": "ben"})
	})
	t.Run("a slot that is reserved", func(t *testing.T) {
		h.must(200, "PUT", "/v1/lots/booked", map[string]any{"first": 901, "last": 902})
		now := time.Now()
		r, err := h.lots.Reserve(t.Context(), parking.Reservation{
			Call: three, Lot: "booked", Slot: 902, By: call.Actor{User: "ann"}, At: now, Until: now.Add(time.Minute),
		})
		if err != nil {
			t.Fatal(err)
		}
		read := h.must(200, "GET", "/v1/lots/booked", nil).doc["slots"]
		if dig(read, 0, "state") != "free" || dig(read, 1, "state") != "reserved" || dig(read, 1, "reserved", "by") != "ann" || dig(read, 1, "reserved", "call_id") != string(three) {
			t.Errorf("slots %v", read)
		}
		if err := h.lots.Unreserve(t.Context(), r.ID, "test", now); err != nil {
			t.Fatal(err)
		}
		if read := h.must(200, "GET", "/v1/lots/booked", nil).doc["slots"]; dig(read, 1, "state") != "free" {
			t.Errorf("slots %v", read)
		}
	})
	t.Run("lists and slots show it", func(t *testing.T) {
		if n := len(h.must(200, "GET", "/v1/parked_calls?lot=sales", nil).data()); n != 2 {
			t.Errorf("%d parked", n)
		}
		if n := len(h.must(200, "GET", "/v1/parked_calls?lot=other", nil).data()); n != 0 {
			t.Errorf("%d parked elsewhere", n)
		}
		slots, _ := h.must(200, "GET", "/v1/lots/sales", nil).doc["slots"].([]any)
		if len(slots) != 2 || dig(slots, 0, "state") != "parked" {
			t.Errorf("slots %v", slots)
		}
		h.problem(409, "lot_in_use", "DELETE", "/v1/lots/sales", nil)
		if a := h.must(200, "PATCH", "/v1/lots/sales", map[string]any{"music": "jazz"}); a.doc["slots"] != nil || a.doc["music"] != "jazz" {
			t.Errorf("a change of the lot answers with more than what is set: %s", a.body)
		}
	})
	t.Run("a phone that is not there changes nothing", func(t *testing.T) {
		h.live.unreachable["eve"] = true
		h.problem(409, "agent_unreachable", "POST", "/v1/parked_calls/"+id+"/retrieve", map[string]any{"agent": "eve"})
	})
	t.Run("one of many wins and the others learn who", func(t *testing.T) {
		agents := []string{"ben", "cleo", "dan", "fay"}
		got := make(chan answer, len(agents))
		for _, agent := range agents {
			go func() { got <- h.do("POST", "/v1/parked_calls/"+id+"/retrieve", map[string]any{"agent": agent}) }()
		}
		winner, losers := "", []answer{}
		for range agents {
			a := <-got
			switch a.status {
			case 200:
				winner = fmt.Sprint(dig(a.doc, "claimed_by", "user"))
			case 409:
				losers = append(losers, a)
			default:
				t.Errorf("%d %s", a.status, a.body)
			}
		}
		if winner == "" || len(losers) != len(agents)-1 {
			t.Fatalf("winner %q, %d losers", winner, len(losers))
		}
		for _, l := range losers {
			at, _ := l.doc["at"].(string)
			if _, err := time.Parse(time.RFC3339Nano, at); err != nil || l.doc["code"] != "call_not_parked" || l.doc["by"] != winner || l.doc["state"] != "claimed" {
				t.Error(l.body)
			}
		}
	})
	t.Run("who comes after the end learns of it", func(t *testing.T) {
		if _, err := h.lots.End(t.Context(), id, 0, parking.RetrievedOther, call.Actor{User: "ben"}, time.Now()); err != nil {
			t.Fatal(err)
		}
		a := h.problem(409, "call_not_parked", "POST", "/v1/parked_calls/"+id+"/retrieve", map[string]any{"agent": "dan"})
		if a.doc["by"] != "ben" || a.doc["state"] != "ended" || a.doc["reason"] != "retrieved_other" {
			t.Error(a.body)
		}
		if a := h.must(200, "GET", "/v1/parked_calls/"+id, nil); a.doc["state"] != "ended" || a.doc["ended_by"] == nil {
			t.Error(a.body)
		}
	})
	t.Run("hang up", func(t *testing.T) {
		h.must(202, "POST", "/v1/calls/"+string(three)+"/hang_up", nil)
		h.problem(404, "call_not_live", "POST", "/v1/calls/"+string(three)+"/hang_up", nil)
		h.problem(404, "call_not_found", "POST", "/v1/calls/call_x/hang_up", nil)
		if _, err := h.db.Pool.Exec(t.Context(), `update calls set node = 'n2' where id = $1`, three); err != nil {
			t.Fatal(err)
		}
		h.problem(409, "call_on_other_node", "POST", "/v1/calls/"+string(three)+"/hang_up", nil)
		if _, err := h.db.Pool.Exec(t.Context(), `update calls set ended_at = now() where id = $1`, three); err != nil {
			t.Fatal(err)
		}
		h.problem(409, "call_ended", "POST", "/v1/calls/"+string(three)+"/hang_up", nil)
	})
}
