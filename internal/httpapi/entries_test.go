package httpapi_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

func TestEntries(t *testing.T) {
	h := newHub(t)
	for _, name := range []string{"ann", "bob"} {
		h.agent(name)
		err := h.agents.SaveDevice(t.Context(), queues.Device{Agent: name, Contact: "sip:" + name, Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
	}
	h.must(200, "PUT", "/v1/queues/sales", map[string]any{"agents": []any{map[string]any{"agent": "ann"}}})
	h.must(200, "PUT", "/v1/queues/help", map[string]any{"max_len": 1, "agents": []any{map[string]any{"agent": "bob"}}})
	join := func(ago time.Duration, priority int) (call.ID, string) {
		t.Helper()
		id := h.call()
		if err := h.agents.Join(t.Context(), queues.Entry{Call: id, Node: node, Queue: "sales", Priority: priority, JoinedAt: time.Now().Add(-ago)}, time.Now()); err != nil {
			t.Fatal(err)
		}
		return id, "/v1/queues/sales/entries/" + string(id)
	}
	line := func(queue string) (ids []any) {
		t.Helper()
		for _, e := range h.must(200, "GET", "/v1/queues/"+queue+"/entries", nil).data() {
			ids = append(ids, e["call_id"])
		}
		return ids
	}
	is := func(got []any, want ...call.ID) {
		t.Helper()
		for i, w := range want {
			if len(got) != len(want) || got[i] != string(w) {
				t.Fatalf("line %v, want %v", got, want)
			}
		}
	}
	vip, atVIP := join(time.Second, 50)
	old, atOld := join(3*time.Minute, 0)
	late, atLate := join(0, 0)

	t.Run("the list is in the order in which calls are served", func(t *testing.T) {
		is(line("sales"), old, vip, late)
	})
	t.Run("priority and first", func(t *testing.T) {
		if a := h.must(200, "PATCH", atLate, map[string]any{"priority": 60}); a.doc["priority"] != 60.0 || a.doc["position"] != 2.0 {
			t.Error(a.body)
		}
		is(line("sales"), old, late, vip)
		if a := h.must(200, "PATCH", atVIP, map[string]any{"first": true, "agent": "eva"}); a.doc["first"] != true || a.doc["position"] != 1.0 || a.doc["priority"] != 50.0 {
			t.Error(a.body)
		}
		is(line("sales"), vip, old, late)
		if a := h.must(200, "PATCH", atVIP, map[string]any{"first": false}); a.doc["position"] != 3.0 {
			t.Error(a.body)
		}
		if a := h.problem(422, "validation_failed", "PATCH", atVIP, map[string]any{}); a.location() != "body" {
			t.Error(a.body)
		}
		h.problem(422, "validation_failed", "PATCH", atVIP, map[string]any{"priority": 1_000_001})
		h.problem(422, "validation_failed", "PATCH", atVIP, map[string]any{"queue": "help"})
	})
	t.Run("another queue, which may refuse", func(t *testing.T) {
		a := h.must(200, "POST", atVIP+"/move", map[string]any{"queue": "help", "agent": "eva"})
		if a.doc["queue"] != "help" || a.doc["priority"] != 50.0 {
			t.Error(a.body)
		}
		is(line("help"), vip)
		if a := h.problem(409, "queue_refuses", "POST", atOld+"/move", map[string]any{"queue": "help"}); a.doc["reason"] != "full" {
			t.Error(a.body)
		}
		is(line("sales"), old, late)
		h.problem(404, "queue_not_found", "POST", atOld+"/move", map[string]any{"queue": "none"})
	})
	t.Run("withdrawn", func(t *testing.T) {
		h.must(204, "DELETE", atLate, nil)
		is(line("sales"), old)
		h.live.owed[old] = true
		h.problem(409, "entry_is_callback", "DELETE", atOld, nil)
	})
	t.Run("who comes too late learns who was quicker", func(t *testing.T) {
		at := time.Now().UTC().Truncate(time.Millisecond)
		err := h.book.Note(t.Context(), call.Event{At: at, Call: late, Type: call.QueueLeft, Queue: "sales", Actor: call.Actor{User: "ann", Via: "queue"}, Data: map[string]any{"outcome": "answered"}})
		if err != nil {
			t.Fatal(err)
		}
		for method, path := range map[string]string{"PATCH": atLate, "POST": atLate + "/move", "DELETE": atLate} {
			var body map[string]any
			switch method {
			case "PATCH":
				body = map[string]any{"first": true}
			case "POST":
				body = map[string]any{"queue": "help"}
			}
			var a answer
			if body == nil {
				a = h.problem(409, "call_not_waiting", method, path, nil)
			} else {
				a = h.problem(409, "call_not_waiting", method, path, body)
			}
			if got, _ := a.doc["at"].(string); a.doc["by"] != "ann" || a.doc["reason"] != "answered" || got == "" {
				t.Error(a.body)
			}
		}
	})
	t.Run("what is not there, and what is elsewhere", func(t *testing.T) {
		h.problem(404, "queue_not_found", "PATCH", "/v1/queues/none/entries/"+string(old), map[string]any{"first": true})
		h.problem(404, "entry_not_found", "PATCH", "/v1/queues/help/entries/"+string(old), map[string]any{"first": true})
		h.problem(404, "call_not_found", "DELETE", "/v1/queues/sales/entries/call_x", nil)
		delete(h.live.calls, old)
		if _, err := h.db.Pool.Exec(t.Context(), `update calls set node = 'n2' where id = $1`, old); err != nil {
			t.Fatal(err)
		}
		h.problem(409, "call_on_other_node", "DELETE", atOld, nil)
		h.problem(409, "call_on_other_node", "POST", atOld+"/move", map[string]any{"queue": "help"})
		h.problem(422, "validation_failed", "POST", atOld+"/move", map[string]any{"queue": "sales"})
		h.must(200, "PATCH", atOld, map[string]any{"first": true})
	})
}
