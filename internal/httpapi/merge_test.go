package httpapi_test

import (
	"fmt"
	"sync"
	"testing"
)

func TestMergePatch(t *testing.T) {
	h := newHub(t)
	h.must(200, "PUT", "/v1/agents/ann", map[string]any{"password": "correct horse", "extension": "201", "teams": []string{"sales"}})
	h.must(200, "PUT", "/v1/lots/sales", map[string]any{"first": 701, "last": 709, "max_park_s": 240, "ladder": []any{map[string]any{"after_s": 20, "do": "offer", "to": "team:sales"}}})
	h.must(200, "PUT", "/v1/queues/sales", map[string]any{"ring_s": 12, "music": "default", "agents": []any{map[string]any{"agent": "ann", "tier": 1}}})
	h.must(200, "PUT", "/v1/trunks/carrier", map[string]any{"host": "192.0.2.1", "username": "u1", "password": "correct horse"})
	contact := h.must(201, "POST", "/v1/contacts", map[string]any{"name": "Ana", "fields": map[string]any{"tier": "gold", "deal": map[string]any{"amount": 10}}}).doc["id"]

	t.Run("what is not named stays, null takes away", func(t *testing.T) {
		a := h.must(200, "PATCH", "/v1/lots/sales", `{"last":712,"max_park_s":null}`, "Content-Type", "application/merge-patch+json")
		if a.doc["last"] != 712.0 || a.doc["first"] != 701.0 || a.doc["max_park_s"] == 240.0 || dig(a.doc, "ladder", 0, "after_s") != 20.0 || a.header.Get("ETag") == "" {
			t.Error(a.body)
		}
		a = h.must(200, "PATCH", "/v1/queues/sales", map[string]any{"ring_s": 9})
		if a.doc["ring_s"] != 9.0 || a.doc["music"] != "default" || dig(a.doc, "agents", 0, "tier") != 1.0 {
			t.Error(a.body)
		}
		a = h.must(200, "PATCH", "/v1/agents/ann", map[string]any{"display": "Ann", "teams": nil})
		if a.doc["display"] != "Ann" || a.doc["extension"] != "201" || len(a.doc["teams"].([]any)) != 0 {
			t.Error(a.body)
		}
		h.must(200, "PATCH", "/v1/trunks/carrier", map[string]any{"max_calls": 30})
		if stored, err := h.routes.Trunk(t.Context(), "carrier"); err != nil || stored.Password != "correct horse" || stored.MaxCalls != 30 {
			t.Errorf("%+v, %v", stored, err)
		}
		a = h.must(200, "PATCH", fmt.Sprintf("/v1/contacts/%s", contact), `{"fields":{"deal":{"stage":"won"},"tier":null}}`)
		if dig(a.doc, "fields", "deal", "amount") != 10.0 || dig(a.doc, "fields", "deal", "stage") != "won" || dig(a.doc, "fields", "tier") != nil || a.doc["name"] != "Ana" {
			t.Error(a.body)
		}
	})
	t.Run("the whole is checked as a PUT is", func(t *testing.T) {
		if a := h.problem(422, "validation_failed", "PATCH", "/v1/lots/sales", `{"ladder":[{"after_s":5,"do":"dance"}]}`); a.location() != "body.ladder[0].do" {
			t.Error(a.body)
		}
		if a := h.problem(422, "validation_failed", "PATCH", "/v1/lots/sales", `{"colour":"red"}`); a.location() != "body.colour" {
			t.Error(a.body)
		}
		h.problem(422, "validation_failed", "PATCH", "/v1/lots/sales", `{"first":null}`)
		h.problem(422, "validation_failed", "PATCH", "/v1/lots/sales", `{"last":1}`)
		h.problem(422, "validation_failed", "PATCH", "/v1/lots/sales", `[1]`)
		h.problem(400, "bad_request", "PATCH", "/v1/lots/sales", `{"last":`)
		h.problem(400, "bad_request", "PATCH", "/v1/lots/sales", `{} {}`)
		h.problem(404, "lot_not_found", "PATCH", "/v1/lots/none", `{"last":712}`)
		h.problem(415, "unsupported_media_type", "PATCH", "/v1/lots/sales", `{}`, "Content-Type", "application/json-patch+json")
		h.problem(401, "key_missing", "PATCH", "/v1/lots/sales", `{"last":710}`, "Authorization", "")
		if got := h.must(200, "GET", "/v1/lots/sales", nil); got.doc["last"] != 712.0 {
			t.Error(got.body)
		}
	})
	t.Run("who has read something older is told", func(t *testing.T) {
		first := h.must(200, "GET", "/v1/queues/sales", nil).header.Get("ETag")
		second := h.must(200, "PATCH", "/v1/queues/sales", `{"ring_s":14}`, "If-Match", first).header.Get("ETag")
		if first == second || second == "" {
			t.Errorf("%s, then %s", first, second)
		}
		for _, method := range []string{"PATCH", "PUT", "DELETE"} {
			body := any(map[string]any{"ring_s": 15})
			if method == "DELETE" {
				body = nil
			}
			a := h.problem(412, "precondition_failed", method, "/v1/queues/sales", body, "If-Match", first)
			if a.header.Get("ETag") != second {
				t.Errorf("%s: ETag %q", method, a.header.Get("ETag"))
			}
		}
		h.problem(412, "precondition_failed", "PUT", "/v1/queues/none", `{}`, "If-Match", "*")
		h.must(200, "PUT", "/v1/queues/sales", `{"ring_s":15}`, "If-Match", second)
	})
	t.Run("what has not changed need not be sent", func(t *testing.T) {
		a := h.must(200, "GET", "/v1/queues/sales", nil)
		b := h.must(304, "GET", "/v1/queues/sales", nil, "If-None-Match", a.header.Get("ETag"))
		if b.body != "" || b.header.Get("ETag") != a.header.Get("ETag") {
			t.Errorf("%v %s", b.header, b.body)
		}
		h.must(200, "GET", "/v1/queues/sales", nil, "If-None-Match", `"old"`)
	})
	t.Run("an agent's ETag is of what is set, not of what they do", func(t *testing.T) {
		before := h.must(200, "GET", "/v1/agents/ann", nil).header.Get("ETag")
		h.must(200, "POST", "/v1/agents/ann/status", map[string]any{"status": "away"})
		a := h.must(200, "GET", "/v1/agents/ann", nil, "If-None-Match", before)
		if a.header.Get("ETag") != before || a.doc["status"] != "away" {
			t.Error(a.header, a.body)
		}
	})
	t.Run("of many who change a part each nothing is lost", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				h.must(200, "PATCH", fmt.Sprintf("/v1/contacts/%s", contact), fmt.Sprintf(`{"fields":{"f%d":%d}}`, i, i))
			})
		}
		all.Wait()
		got := h.must(200, "GET", fmt.Sprintf("/v1/contacts/%s", contact), nil)
		for i := range 8 {
			if dig(got.doc, "fields", fmt.Sprintf("f%d", i)) != float64(i) {
				t.Errorf("f%d is lost: %s", i, got.body)
			}
		}
	})
}
