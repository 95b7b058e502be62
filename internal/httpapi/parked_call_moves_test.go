package httpapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/userpg"
	"github.com/callyard/callyard/parking"
)

func TestParkedCallsMoveAndAreNoted(t *testing.T) {
	h := newHub(t)
	h.must(200, "PUT", "/v1/lots/sales", map[string]any{"first": 701, "last": 702})
	h.must(200, "PUT", "/v1/lots/service", map[string]any{"first": 801, "last": 801})
	park := func() (string, call.ID) {
		t.Helper()
		id := h.call()
		a := h.must(201, "POST", "/v1/parked_calls", map[string]any{"call_id": id, "lot": "sales", "agent": "ann"})
		return a.doc["id"].(string), id
	}
	first, _ := park()
	second, _ := park()
	at := func(id string) string { return "/v1/parked_calls/" + id }

	t.Run("a note is in the list", func(t *testing.T) {
		if a := h.must(200, "PATCH", at(first), map[string]any{"note": "wants a quote", "agent": "ann"}); a.doc["note"] != "wants a quote" {
			t.Error(a.body)
		}
		if got := h.must(200, "GET", "/v1/parked_calls", nil).data()[0]["note"]; got != "wants a quote" {
			t.Errorf("note %v", got)
		}
		h.problem(422, "validation_failed", "PATCH", at(first), map[string]any{"note": strings.Repeat("x", 201)})
		h.problem(422, "validation_failed", "PATCH", at(first), map[string]any{"note": "x", "slot": 3})
		h.problem(404, "parked_call_not_found", "PATCH", at("park_x"), map[string]any{"note": "x"})
	})
	t.Run("a refused move says who is there", func(t *testing.T) {
		a := h.problem(409, "slot_occupied", "POST", at(first)+"/move", map[string]any{"slot": 702})
		if a.doc["by"] != "ann" || a.doc["park"] != second || a.doc["at"] == nil {
			t.Error(a.body)
		}
		h.problem(409, "lot_full", "POST", at(first)+"/move", map[string]any{})
		h.problem(409, "call_parked_already", "POST", at(first)+"/move", map[string]any{"slot": 701})
		h.problem(404, "lot_not_found", "POST", at(first)+"/move", map[string]any{"lot": "none"})
		h.problem(404, "slot_not_found", "POST", at(first)+"/move", map[string]any{"lot": "service", "slot": 702})
		h.problem(404, "parked_call_not_found", "POST", at("park_x")+"/move", map[string]any{})
	})
	t.Run("the call goes on in another park", func(t *testing.T) {
		was := h.must(200, "GET", at(first), nil)
		a := h.must(200, "POST", at(first)+"/move", map[string]any{"lot": "service", "agent": "eva"})
		if a.doc["id"] == first || a.doc["slot"] != 801.0 || a.doc["parked_at"] != was.doc["parked_at"] || a.doc["note"] != "wants a quote" || a.doc["state"] != "parked" {
			t.Error(a.body)
		}
		old := h.must(200, "GET", at(first), nil)
		if old.doc["state"] != "ended" || old.doc["reason"] != "moved" || dig(old.doc, "ended_by", "user") != "eva" {
			t.Error(old.body)
		}
		for _, path := range []string{at(first) + "/move", at(first) + "/retrieve"} {
			a := h.problem(409, "call_not_parked", "POST", path, map[string]any{"agent": "ben"})
			if a.doc["by"] != "eva" || a.doc["reason"] != "moved" || a.doc["at"] == nil {
				t.Error(a.body)
			}
		}
		a = h.problem(409, "call_not_parked", "PATCH", at(first), map[string]any{"note": "late"})
		if a.doc["reason"] != "moved" {
			t.Error(a.body)
		}
	})
	t.Run("a call that is being taken stays", func(t *testing.T) {
		h.must(200, "POST", at(second)+"/retrieve", map[string]any{"agent": "ben"})
		a := h.problem(409, "call_not_parked", "POST", at(second)+"/move", map[string]any{})
		if a.doc["by"] != "ben" || a.doc["state"] != "claimed" || a.doc["at"] == nil {
			t.Error(a.body)
		}
	})
	t.Run("on another node, and when the call is over", func(t *testing.T) {
		there, err := h.lots.Put(t.Context(), parking.Park{Call: h.call(), Node: "n2", Lot: "sales", ParkedAt: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		a := h.problem(409, "call_on_other_node", "POST", at(there.ID)+"/move", map[string]any{"lot": "service"})
		if !strings.Contains(a.doc["detail"].(string), "n2") {
			t.Error(a.body)
		}
		h.must(200, "PATCH", at(there.ID), map[string]any{"note": "noted from here"})
		if _, err := h.lots.Adopt(t.Context(), there.ID, node, time.Now()); err != nil {
			t.Fatal(err)
		}
		h.must(202, "POST", "/v1/calls/"+string(there.Call)+"/hang_up", nil)
		h.problem(409, "call_not_parked", "POST", at(there.ID)+"/move", map[string]any{"lot": "service"})
	})
	t.Run("reps note, managers move", func(t *testing.T) {
		h.agent("ana")
		h.user("rep", userpg.Rep, "ana")
		rep := h.in("rep", password)
		if a := rep.gets(200, "", "PATCH", at(second), map[string]any{"note": "hers"}); a.doc["note"] != "hers" {
			t.Error(a.body)
		}
		rep.gets(403, "not_yours", "PATCH", at(second), map[string]any{"note": "x", "agent": "ben"})
		rep.gets(403, "role_missing", "POST", at(second)+"/move", map[string]any{})
	})
}
