package webhook_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/crm/crmtest"
	"github.com/callyard/callyard/crm/webhook"
	"github.com/callyard/callyard/internal/egress"
)

func open(t *testing.T, o webhook.Options) *webhook.Provider {
	t.Helper()
	if o.Secret == "" {
		o.Secret = crmtest.Secret
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p, err := webhook.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProvider(t *testing.T) {
	crmtest.TestProvider(t, func(t *testing.T) crmtest.Subject {
		r := crmtest.NewReceiver(t)
		return crmtest.Subject{
			Provider:   open(t, webhook.Options{URL: r.URL, Timeout: 500 * time.Millisecond}),
			Activities: r.Activities,
			Lose:       func() { r.Lose(1) },
		}
	})
}

func TestAnswers(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	var (
		limited   *crm.RateLimitedError
		refused   *crm.RefusedError
		transient *crm.TransientError
	)
	for _, c := range []struct {
		status     int
		retryAfter string
		as         any // nil: accepted
		after      time.Duration
		gone       bool
	}{
		{status: 200},
		{status: 201},
		{status: 204},
		{status: 429, as: &limited, after: 30 * time.Second},
		{status: 429, retryAfter: "120", as: &limited, after: 2 * time.Minute},
		{status: 429, retryAfter: "-5", as: &limited, after: time.Second},
		{status: 429, retryAfter: "99999999999", as: &limited, after: 30 * time.Second}, // beyond an int on small machines, or a day
		{status: 503, retryAfter: now.Add(time.Hour).Format(http.TimeFormat), as: &limited, after: time.Hour},
		{status: 503, as: &transient},
		{status: 500, as: &transient},
		{status: 502, as: &transient},
		{status: 408, as: &transient},
		{status: 410, as: &refused, gone: true},
		{status: 400, as: &refused},
		{status: 401, as: &refused},
		{status: 404, as: &refused},
		{status: 422, as: &refused},
		{status: 302, as: &refused},
	} {
		t.Run(strconv.Itoa(c.status)+" "+c.retryAfter, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://127.0.0.1:1/")
				if c.retryAfter != "" {
					w.Header().Set("Retry-After", c.retryAfter)
				}
				w.WriteHeader(c.status)
				if c.status >= 200 && c.status != 204 {
					_, _ = w.Write([]byte("because"))
				}
			}))
			defer srv.Close()
			p := open(t, webhook.Options{URL: srv.URL, Now: func() time.Time { return now }})
			_, err := p.LogCall(t.Context(), crmtest.Activity("call_1"))
			if c.as == nil {
				if err != nil {
					t.Errorf("error %v", err)
				}
				return
			}
			if !errors.As(err, c.as) {
				t.Fatalf("error %v, want a %T", err, c.as)
			}
			switch c.as {
			case &limited:
				if limited.After != c.after && (c.retryAfter != "99999999999" || limited.After != 24*time.Hour) {
					t.Errorf("after %s, want %s", limited.After, c.after)
				}
			case &refused:
				if refused.Gone != c.gone || refused.Answer != "because" {
					t.Errorf("got %+v", refused)
				}
			}
		})
	}

	t.Run("nobody there is transient, without the address", func(t *testing.T) {
		srv := httptest.NewServer(http.NotFoundHandler())
		srv.Close()
		_, err := open(t, webhook.Options{URL: srv.URL + "/hidden-token"}).LogCall(t.Context(), crmtest.Activity("call_1"))
		if !errors.As(err, &transient) || strings.Contains(err.Error(), "hidden-token") {
			t.Errorf("error %v", err)
		}
	})

	t.Run("a private address is refused if it must be", func(t *testing.T) {
		r := crmtest.NewReceiver(t)
		_, err := open(t, webhook.Options{URL: r.URL, BlockPrivate: true}).LogCall(t.Context(), crmtest.Activity("call_1"))
		if !errors.As(err, &refused) || r.Requests() != 0 {
			t.Errorf("error %v after %d requests", err, r.Requests())
		}
	})
}

// headers runs one delivery and returns what was sent.
func headers(t *testing.T, o webhook.Options, a crm.Activity) (h http.Header, body string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var b strings.Builder
		_ = r.Write(&b)
		h, body = r.Header, b.String()[strings.Index(b.String(), "\r\n\r\n")+4:]
	}))
	o.URL = srv.URL
	_, err := open(t, o).LogCall(t.Context(), a)
	srv.Close() // waits for the handler
	if err != nil {
		t.Fatal(err)
	}
	return h, body
}

func TestHeaders(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	at := func(d time.Duration) func() time.Time { return func() time.Time { return now.Add(d) } }
	a := crmtest.Activity("call_1")

	t.Run("another attempt keeps id and body, and has a time of its own", func(t *testing.T) {
		h1, b1 := headers(t, webhook.Options{Now: at(0)}, a)
		h2, b2 := headers(t, webhook.Options{Now: at(time.Hour)}, a)
		if h1.Get("webhook-id") != h2.Get("webhook-id") || b1 != b2 {
			t.Errorf("id %q body %s\nid %q body %s", h1.Get("webhook-id"), b1, h2.Get("webhook-id"), b2)
		}
		if h1.Get("webhook-timestamp") == h2.Get("webhook-timestamp") || strings.Contains(h1.Get("webhook-id"), ".") {
			t.Errorf("headers %v, %v", h1, h2)
		}
	})

	t.Run("another revision has another id", func(t *testing.T) {
		h1, _ := headers(t, webhook.Options{}, a)
		b := a
		b.Rev = 2
		h2, body := headers(t, webhook.Options{}, b)
		if h1.Get("webhook-id") == h2.Get("webhook-id") || !strings.Contains(body, `"type":"call.updated"`) {
			t.Errorf("ids %q, %q, body %s", h1.Get("webhook-id"), h2.Get("webhook-id"), body)
		}
	})

	t.Run("both secrets verify while one is being changed", func(t *testing.T) {
		const old = "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZA=="
		h, body := headers(t, webhook.Options{OldSecret: old, Now: at(0)}, a)
		for _, s := range []string{crmtest.Secret, old} {
			if err := egress.Verify(s, h, []byte(body), now); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestNew(t *testing.T) {
	for name, o := range map[string]webhook.Options{
		"no address":       {Secret: crmtest.Secret},
		"a file":           {URL: "file:///etc/hosts", Secret: crmtest.Secret},
		"no secret":        {URL: "https://example.com"},
		"no prefix":        {URL: "https://example.com", Secret: "Y2FsbHlhcmQtdGVzdC1zZWNyZXQtMDEyMzQ1Njc4OQ=="},
		"a short secret":   {URL: "https://example.com", Secret: "whsec_c2hvcnQ="},
		"a broken old one": {URL: "https://example.com", Secret: crmtest.Secret, OldSecret: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := webhook.New(o); err == nil {
				t.Error("no error")
			}
		})
	}
}
