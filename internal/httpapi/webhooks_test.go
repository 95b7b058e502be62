package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/keypg"
	"github.com/callyard/callyard/webhooks/webhookspg"
)

func TestWebhooksOverREST(t *testing.T) {
	h := newHub(t)
	made := h.must(201, "POST", "/v1/webhooks", map[string]any{"url": "https://desk.example.com/hook", "events": []string{"park.*", "call.ended"}}, "Idempotency-Key", "w1")
	path, secret := made.header.Get("Location"), fmt.Sprint(made.doc["secret"])
	if path != "/v1/webhooks/"+fmt.Sprint(made.doc["id"]) || !strings.HasPrefix(secret, "whsec_") || made.doc["enabled"] != true {
		t.Fatal(made.body)
	}
	t.Run("the secret is shown once", func(t *testing.T) {
		again := h.must(201, "POST", "/v1/webhooks", map[string]any{"url": "https://desk.example.com/hook", "events": []string{"park.*", "call.ended"}}, "Idempotency-Key", "w1")
		for _, a := range []answer{again, h.must(200, "GET", path, nil), h.must(200, "GET", "/v1/webhooks", nil)} {
			if strings.Contains(a.body, secret) || strings.Contains(a.body, "whsec_") {
				t.Error(a.body)
			}
		}
		if strings.Contains(h.logged(), secret) {
			t.Error("it is in the log")
		}
	})
	t.Run("for a time two secrets sign", func(t *testing.T) {
		a := h.must(200, "POST", path+"/rotate_secret", map[string]any{"overlap_s": 3600})
		if s := fmt.Sprint(a.doc["secret"]); s == secret || !strings.HasPrefix(s, "whsec_") || a.doc["old_secret_until"] == nil {
			t.Error(a.body)
		}
		if a = h.must(200, "POST", path+"/rotate_secret", map[string]any{"overlap_s": 0}); a.doc["old_secret_until"] != nil {
			t.Error(a.body)
		}
		h.must(200, "POST", path+"/rotate_secret", nil)
	})
	t.Run("changed in part", func(t *testing.T) {
		a := h.must(200, "PATCH", path, `{"description":"desk","enabled":false}`)
		if a.doc["description"] != "desk" || a.doc["enabled"] != false || a.doc["disabled_at"] == nil || a.doc["url"] != "https://desk.example.com/hook" {
			t.Error(a.body)
		}
		if a = h.must(200, "PATCH", path, `{"enabled":null}`); a.doc["enabled"] != true || a.doc["disabled_at"] != nil {
			t.Error(a.body)
		}
	})
	t.Run("each fault has its place", func(t *testing.T) {
		for place, body := range map[string]string{
			"body.url":       `{"url":"ftp://x","events":["*"]}`,
			"body.events[1]": `{"url":"https://x.example.com","events":["*","Park"]}`,
			"body.events":    `{"url":"https://x.example.com","events":[]}`,
		} {
			if a := h.problem(422, "validation_failed", "POST", "/v1/webhooks", body); a.location() != place {
				t.Errorf("%s: %s", place, a.body)
			}
		}
		h.problem(422, "validation_failed", "PATCH", path, `{"url":"nowhere"}`)
		h.problem(404, "webhook_not_found", "GET", "/v1/webhooks/whk_none", nil)
		h.problem(404, "webhook_not_found", "POST", "/v1/webhooks/whk_none/test", nil)
		h.problem(404, "webhook_delivery_not_found", "GET", "/v1/webhook_deliveries/whd_none", nil)
		h.problem(404, "webhook_delivery_not_found", "POST", "/v1/webhook_deliveries/whd_none/resend", nil)
	})
	t.Run("who may only read sees deliveries and no webhooks", func(t *testing.T) {
		_, reader, err := h.keys.Create(t.Context(), keypg.Key{Name: "board", Scopes: []keypg.Scope{keypg.Read}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		h.must(200, "GET", "/v1/webhook_deliveries", nil, "Authorization", "Bearer "+reader)
		h.problem(403, "scope_missing", "GET", "/v1/webhooks", nil, "Authorization", "Bearer "+reader)
		h.problem(403, "scope_missing", "PATCH", path, `{}`, "Authorization", "Bearer "+reader)
	})
	t.Run("deliveries", func(t *testing.T) {
		test := h.must(202, "POST", path+"/test", nil)
		if test.doc["event"] != "webhook.test" || test.doc["state"] != "pending" || test.header.Get("Location") != fmt.Sprintf("/v1/webhook_deliveries/%s", test.doc["id"]) {
			t.Error(test.body)
		}
		h.call(call.Parked, call.ParkRetrieved)
		store := webhookspg.New(h.db)
		tick := time.NewTicker(5 * time.Millisecond) // other tests' transactions hold facts back
		defer tick.Stop()
		var list answer
		for limit := time.Now().Add(20 * time.Second); len(list.data()) < 2; <-tick.C {
			if _, _, err := store.FanOut(t.Context(), time.Now()); err != nil || time.Now().After(limit) {
				t.Fatalf("%v: %s", err, list.body)
			}
			list = h.must(200, "GET", "/v1/webhook_deliveries?state=pending&webhook="+fmt.Sprint(made.doc["id"]), nil)
			if n := len(list.data()); n == 3 {
				break
			}
		}
		one := h.must(200, "GET", "/v1/webhook_deliveries?event=park.parked&limit=1", nil).data()
		if len(one) != 1 || one[0]["body"] != nil {
			t.Fatal(one)
		}
		d := h.must(200, "GET", fmt.Sprintf("/v1/webhook_deliveries/%s", one[0]["id"]), nil)
		if dig(d.doc, "body", "type") != "park.parked" || dig(d.doc, "body", "data", "call") != d.doc["call_id"] {
			t.Error(d.body)
		}
		if again := h.must(202, "POST", fmt.Sprintf("/v1/webhook_deliveries/%s/resend", one[0]["id"]), nil); again.doc["state"] != "pending" {
			t.Error(again.body)
		}
		first := h.must(200, "GET", "/v1/webhook_deliveries?limit=1", nil)
		rest := h.must(200, "GET", "/v1/webhook_deliveries?cursor="+fmt.Sprint(first.doc["next_cursor"]), nil)
		if len(rest.data()) != 2 {
			t.Error(rest.body)
		}
	})
	h.must(204, "DELETE", path, nil)
	h.problem(404, "webhook_not_found", "DELETE", path, nil)
}
