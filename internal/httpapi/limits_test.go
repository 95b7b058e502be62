package httpapi_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/httpapi"
	"github.com/callyard/callyard/internal/keypg"
)

func TestLimits(t *testing.T) {
	now := time.Now()
	h := newHubWith(t, func(d *httpapi.Deps) {
		d.Now = func() time.Time { return now }
		d.Limits = httpapi.Limits{PerS: 2, Burst: 5, OpenPerS: 1, OpenBurst: 3}
	})
	t.Run("of a key, which another one does not feel", func(t *testing.T) {
		for i := range 5 {
			a := h.must(200, "GET", "/v1/lots", nil)
			if want := string(rune('4' - i)); a.header.Get("RateLimit-Remaining") != want || a.header.Get("RateLimit-Limit") != "5" {
				t.Errorf("%v", a.header)
			}
		}
		a := h.problem(429, "rate_limited", "GET", "/v1/lots", nil)
		if a.header.Get("Retry-After") != "1" || a.header.Get("RateLimit-Remaining") != "0" || a.header.Get("RateLimit-Reset") != "1" {
			t.Error(a.header)
		}
		_, other, err := h.keys.Create(t.Context(), keypg.Key{Name: "other", Scopes: []keypg.Scope{keypg.Read}}, now)
		if err != nil {
			t.Fatal(err)
		}
		h.must(200, "GET", "/v1/lots", nil, "Authorization", "Bearer "+other)
		now = now.Add(500 * time.Millisecond)
		h.must(200, "GET", "/v1/lots", nil)
		h.problem(429, "rate_limited", "GET", "/v1/lots", nil)
	})
	t.Run("of strangers by where they come from, wrong keys among them", func(t *testing.T) {
		h.problem(401, "key_missing", "GET", "/v1/lots", nil, "Authorization", "Basic x")
		h.problem(401, "key_invalid", "GET", "/v1/lots", nil, "Authorization", "Bearer ck_guess")
		h.must(200, "GET", "/v1/openapi.json", nil, "Authorization", "")
		for _, auth := range []string{"", "Basic x", "Bearer ck_guess"} {
			h.problem(429, "rate_limited", "GET", "/v1/lots", nil, "Authorization", auth)
		}
		now = now.Add(time.Second)
		h.must(200, "GET", "/v1/lots", nil) // a key is not its neighbours
	})
}
