package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/keypg"
)

func TestConventions(t *testing.T) {
	h := newHub(t)
	_, reader, err := h.keys.Create(t.Context(), keypg.Key{Name: "board", Scopes: []keypg.Scope{keypg.Read}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}

	t.Run("nothing without a key", func(t *testing.T) {
		for _, auth := range []string{"", "Basic abc", "Bearer"} {
			a := h.problem(401, "key_missing", "GET", "/v1/lots", nil, "Authorization", auth)
			if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("WWW-Authenticate %q", a.header.Get("WWW-Authenticate"))
			}
		}
		h.problem(401, "key_invalid", "GET", "/v1/lots", nil, "Authorization", "Bearer ck_guess")
	})
	t.Run("a missing scope is named", func(t *testing.T) {
		h.must(200, "GET", "/v1/lots", nil, "Authorization", "Bearer "+reader)
		a := h.problem(403, "scope_missing", "DELETE", "/v1/lots/sales", nil, "Authorization", "Bearer "+reader)
		if !strings.Contains(a.body, "write") {
			t.Error(a.body)
		}
		h.problem(403, "scope_missing", "GET", "/v1/keys", nil, "Authorization", "Bearer "+reader)
	})
	t.Run("routes and methods that are not there", func(t *testing.T) {
		h.problem(404, "route_not_found", "GET", "/v1/nothing", nil)
		h.problem(404, "route_not_found", "GET", "/", nil)
		a := h.problem(405, "method_not_allowed", "PATCH", "/v1/lots", nil)
		if a.header.Get("Allow") == "" {
			t.Error("no Allow")
		}
	})
	t.Run("unknown parameters and keys are refused where they stand", func(t *testing.T) {
		if a := h.problem(422, "validation_failed", "GET", "/v1/lots?colour=red", nil); a.location() != "query.colour" {
			t.Error(a.body)
		}
		a := h.problem(422, "validation_failed", "PUT", "/v1/lots/sales", `{"first":701,"last":710,"colour":"red"}`)
		if a.location() != "body.colour" {
			t.Error(a.body)
		}
		a = h.problem(422, "validation_failed", "PUT", "/v1/lots/sales", `{"first":701,"last":710,"ladder":[{"after_s":5,"do":"remind"},{"after_s":9,"do":"dance"}]}`)
		if a.location() != "body.ladder[1].do" {
			t.Error(a.body)
		}
		h.problem(422, "validation_failed", "PUT", "/v1/lots/sales", `{"First":701,"last":710}`)
		h.problem(422, "validation_failed", "GET", "/v1/lots?limit=201", nil)
		h.problem(422, "validation_failed", "GET", "/v1/lots?cursor=%21", nil)
	})
	t.Run("what is sent is not echoed", func(t *testing.T) {
		for _, body := range []string{`{"password":"s3cr3t-`, `{"password":"s3cr3t"}`, `{"password":"s3cr3t-and-long","extension":7}`} {
			if a := h.do("PUT", "/v1/agents/ann", body); a.status/100 != 4 || strings.Contains(a.body, "s3cr3t") {
				t.Errorf("%d %s", a.status, a.body)
			}
		}
		if a := h.do("PUT", "/v1/agents/ann", `password: s3cr3t`, "Content-Type", "application/xml"); a.status != 415 || strings.Contains(a.body, "s3cr3t") {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("a long body is refused", func(t *testing.T) {
		long := `{"first":1,"last":2,"music":"` + strings.Repeat("x", 1<<20) + `"}`
		h.problem(413, "body_too_large", "PUT", "/v1/lots/sales", long)
		h.problem(413, "body_too_large", "POST", "/v1/parked_calls", long, "Idempotency-Key", "long")
	})
	t.Run("our own faults reveal nothing", func(t *testing.T) {
		id := h.call()
		h.live.fail = errors.New("connect to 10.0.0.7: password authentication failed")
		defer func() { h.live.fail = nil }()
		a := h.problem(500, "internal", "POST", "/v1/parked_calls", map[string]any{"call_id": id, "lot": "sales"})
		if strings.Contains(a.body, "10.0.0.7") || strings.Contains(a.body, "password") {
			t.Error(a.body)
		}
		if !strings.Contains(h.logged(), "10.0.0.7") || !strings.Contains(h.logged(), a.header.Get("X-Request-Id")) {
			t.Error("the reason is not in the log")
		}
	})
	t.Run("a panic is answered", func(t *testing.T) {
		calls := h.live.calls
		h.live.calls = nil
		defer func() { h.live.calls = calls }()
		h.live.unreachable = nil
		h.live.lots = nil // what would be parked in it panics
		defer func() { h.live.lots = h.lots }()
		h.live.calls = map[callID]bool{"call_x": true}
		h.problem(500, "internal", "POST", "/v1/parked_calls", map[string]any{"call_id": "call_x", "lot": "sales"})
	})
	t.Run("the log names routes, not numbers", func(t *testing.T) {
		h.do("GET", "/v1/numbers/+34911222333", nil)
		if strings.Contains(h.logged(), "34911222333") || !strings.Contains(h.logged(), "/v1/numbers/:number") {
			t.Error("the access log shows a number, or no route")
		}
	})
	t.Run("lists come in parts", func(t *testing.T) {
		for i := range 5 {
			h.must(200, "PUT", fmt.Sprintf("/v1/lots/l%d", i), map[string]any{"first": 100 + 10*i, "last": 105 + 10*i})
		}
		var names []string
		path := "/v1/lots?limit=2"
		for range 10 {
			a := h.must(200, "GET", path, nil)
			for _, l := range a.data() {
				names = append(names, fmt.Sprint(l["name"]))
			}
			next, ok := a.doc["next_cursor"].(string)
			if !ok {
				break
			}
			path = "/v1/lots?limit=2&cursor=" + next
		}
		if got := strings.Join(names, " "); got != "l0 l1 l2 l3 l4" {
			t.Error(got)
		}
	})
	t.Run("an empty list is a list", func(t *testing.T) {
		for _, path := range []string{"queues", "agents", "numbers", "trunks", "contacts", "crm_deliveries", "jobs/discarded", "parked_calls", "flows"} {
			if a := h.must(200, "GET", "/v1/"+path, nil); !strings.Contains(a.body, `"data":[]`) || !strings.Contains(a.body, `"next_cursor":null`) {
				t.Errorf("%s: %s", path, a.body)
			}
		}
	})
}

func TestKeysOverREST(t *testing.T) {
	h := newHub(t)
	made := h.must(201, "POST", "/v1/keys", map[string]any{"name": "dialler", "scopes": []string{"write"}}, "Idempotency-Key", "k1")
	secret, _ := made.doc["secret"].(string)
	if !strings.HasPrefix(secret, "ck_") {
		t.Fatal(made.body)
	}
	h.must(200, "GET", "/v1/lots", nil, "Authorization", "Bearer "+secret)

	again := h.must(201, "POST", "/v1/keys", map[string]any{"name": "dialler", "scopes": []string{"write"}}, "Idempotency-Key", "k1")
	if again.doc["id"] != made.doc["id"] || again.doc["secret"] != nil {
		t.Errorf("a repetition shows %s", again.body)
	}
	if list := h.must(200, "GET", "/v1/keys", nil); strings.Contains(list.body, secret) || len(list.data()) != 2 {
		t.Error(list.body)
	}
	h.problem(422, "validation_failed", "POST", "/v1/keys", map[string]any{"name": "x", "scopes": []string{"root"}})
	h.problem(422, "validation_failed", "POST", "/v1/keys", map[string]any{"name": "x", "scopes": []string{"read"}, "expires_at": "2020-01-01T00:00:00Z"})
	h.must(204, "DELETE", "/v1/keys/"+fmt.Sprint(made.doc["id"]), nil)
	h.problem(401, "key_invalid", "GET", "/v1/lots", nil, "Authorization", "Bearer "+secret)
	h.problem(404, "key_not_found", "DELETE", "/v1/keys/key_none", nil)
}

func TestIdempotency(t *testing.T) {
	h := newHub(t)
	post := func(status int, body string, key string) answer {
		t.Helper()
		return h.must(status, "POST", "/v1/contacts", body, "Idempotency-Key", key)
	}
	first := post(201, `{"name":"Ana"}`, "a")
	again := post(201, `{"name":"Ana"}`, "a")
	if first.body != again.body || again.header.Get("Idempotency-Replayed") != "true" || again.header.Get("Location") != first.header.Get("Location") {
		t.Errorf("%s, then %s", first.body, again.body)
	}
	if n := len(h.must(200, "GET", "/v1/contacts", nil).data()); n != 1 {
		t.Errorf("%d contacts", n)
	}
	h.problem(422, "idempotency_key_reused", "POST", "/v1/contacts", `{"name":"Ben"}`, "Idempotency-Key", "a")

	t.Run("what was refused may be tried again", func(t *testing.T) {
		h.problem(422, "validation_failed", "POST", "/v1/contacts", `{"name":""}`, "Idempotency-Key", "b")
		post(201, `{"name":"Ben"}`, "b")
	})
	t.Run("what still runs is not run twice", func(t *testing.T) {
		list, err := h.keys.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		before := post(201, `{"name":"Cleo"}`, "c")
		if _, err := h.db.Pool.Exec(t.Context(), `update idempotency_keys set status = 0 where api_key = $1 and key = 'c'`, list[0].ID); err != nil {
			t.Fatal(err)
		}
		a := h.problem(409, "idempotency_key_running", "POST", "/v1/contacts", `{"name":"Cleo"}`, "Idempotency-Key", "c")
		if a.header.Get("Retry-After") == "" || before.doc["id"] == nil {
			t.Error(a.header)
		}
	})
	t.Run("of many at once one is carried out", func(t *testing.T) {
		got := make(chan int, 8)
		for range 8 {
			go func() { got <- h.do("POST", "/v1/contacts", `{"name":"Dan"}`, "Idempotency-Key", "d").status }()
		}
		for range 8 {
			if s := <-got; s != http.StatusCreated && s != http.StatusConflict {
				t.Errorf("status %d", s)
			}
		}
		n := 0
		for _, c := range h.must(200, "GET", "/v1/contacts", nil).data() {
			if c["name"] == "Dan" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d contacts were made", n)
		}
	})
}
