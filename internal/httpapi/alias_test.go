package httpapi_test

import (
	"strings"
	"testing"
)

func TestAlias(t *testing.T) {
	h := newHub(t)
	const alias = "/v1/flows/small/alias"
	h.problem(404, "flow_not_found", "GET", alias, nil)
	h.must(200, "PUT", "/v1/flows/small/draft", small, "If-None-Match", "*")
	h.problem(404, "version_not_found", "GET", "/v1/flows/small/export", nil)
	h.must(200, "POST", "/v1/flows/small/publish", `{"message":"first"}`)
	busy := strings.Replace(small, "normal_clearing", "busy", 1)
	h.must(200, "PUT", "/v1/flows/small/draft", busy, "If-Match", "*")
	if v := h.must(200, "POST", "/v1/flows/small/publish", `{"message":"busy","live":false}`); v.doc["version"] != 2.0 {
		t.Error(v.body)
	}
	if f := h.must(200, "GET", "/v1/flows/small", nil); f.doc["live_version"] != 1.0 {
		t.Error(f.body)
	}

	t.Run("a canary", func(t *testing.T) {
		before := h.changes()
		a := h.must(200, "PUT", alias, `{"version":1,"canary":2,"percent":10,"guard":{"abandon_rate":0.15}}`)
		if dig(a.doc, "canary", "version") != 2.0 || dig(a.doc, "canary", "guard", "min_calls") != 20.0 || dig(a.doc, "canary", "author") != "first" || a.doc["last"] != nil {
			t.Error(a.body)
		}
		if h.changes() == before {
			t.Error("no call will know of it")
		}
		if b := h.must(200, "GET", alias, nil); b.body != a.body {
			t.Errorf("%s, then %s", a.body, b.body)
		}
		h.must(200, "PUT", alias, `{"version":1,"canary":2,"percent":25}`)
	})
	t.Run("what cannot be, and what to do", func(t *testing.T) {
		h.problem(422, "validation_failed", "PUT", alias, `{"version":1,"canary":2,"percent":91}`)
		h.problem(422, "validation_failed", "PUT", alias, `{"version":1,"percent":10}`)
		h.problem(404, "version_not_found", "PUT", alias, `{"version":1,"canary":7,"percent":10}`)
		h.must(200, "PUT", "/v1/flows/small/draft", strings.Replace(small, "normal_clearing", "rejected", 1), "If-Match", "*")
		p := h.problem(409, "canary_under_way", "POST", "/v1/flows/small/publish", `{"message":"another"}`)
		if !strings.Contains(p.body, "promote it or abort it") {
			t.Error(p.body)
		}
	})
	t.Run("promoted, and aborted", func(t *testing.T) {
		if a := h.must(200, "POST", alias+"/promote", nil); a.doc["version"] != 2.0 || dig(a.doc, "last", "ending") != "promoted" || a.doc["canary"] != nil {
			t.Error(a.body)
		}
		h.problem(404, "canary_not_found", "POST", alias+"/promote", nil)
		h.must(200, "PUT", alias, `{"version":2,"canary":1,"percent":1}`)
		if a := h.must(200, "POST", alias+"/abort", nil); a.doc["version"] != 2.0 || dig(a.doc, "last", "ending") != "aborted" {
			t.Error(a.body)
		}
	})
	t.Run("a document as it was written", func(t *testing.T) {
		for which, want := range map[string]string{"": busy, "?version=live": busy, "?version=1": small} {
			a := h.must(200, "GET", "/v1/flows/small/export"+which, nil)
			if a.body != want || !strings.Contains(a.header.Get("Content-Disposition"), `filename="small.v`) || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
				t.Errorf("%s: %v %s", which, a.header, a.body)
			}
		}
		if a := h.must(200, "GET", "/v1/flows/small/export?version=draft", nil); !strings.Contains(a.body, "rejected") {
			t.Error(a.body)
		}
		h.problem(422, "validation_failed", "GET", "/v1/flows/small/export?version=newest", nil)
		h.problem(404, "version_not_found", "GET", "/v1/flows/small/export?version=9", nil)
	})
}
