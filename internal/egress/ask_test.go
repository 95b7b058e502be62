package egress_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/egress"
)

func TestAsk(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	secret := egress.NewSecret()
	signer, err := egress.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	asker := egress.Asker{Client: egress.New(egress.Config{Allow: loopback}), Signer: &signer, Now: func() time.Time { return now }}
	serve := func(t *testing.T, f http.HandlerFunc) egress.Question {
		t.Helper()
		srv := httptest.NewServer(f)
		t.Cleanup(srv.Close)
		return egress.Question{ID: "call_1-credit-3", Method: http.MethodPost, URL: srv.URL + "/credit?of=%2B34600000001", Wanted: true}
	}

	t.Run("the answer comes back with its status, the request is signed", func(t *testing.T) {
		q := serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if err := egress.Verify(secret, r.Header, body, now); err != nil || r.Header.Get("X-Team") != "sales" || r.URL.Query().Get("of") != "+34600000001" {
				t.Errorf("%v; headers %v, query %v", err, r.Header, r.URL.Query())
			}
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, `{"score": 7}`)
		})
		q.Body, q.Signed, q.Headers = []byte(`{"a":1}`), true, map[string]string{"X-Team": "sales"}
		status, answer, err := asker.Ask(t.Context(), q)
		if err != nil || status != http.StatusTeapot || string(answer) != `{"score": 7}` {
			t.Errorf("got %d %s %v", status, answer, err)
		}
	})

	t.Run("an answer that is too large is not read to its end", func(t *testing.T) {
		for _, told := range []bool{true, false} {
			q := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if told {
					w.Header().Set("Content-Length", fmt.Sprint(1<<30))
				}
				for range 1 << 14 { // 1 GB, if it were taken
					if _, err := w.Write(make([]byte, 1<<16)); err != nil {
						return
					}
				}
				t.Error("all of it was taken")
			})
			if _, _, err := asker.Ask(t.Context(), q); !errors.Is(err, egress.ErrTooLarge) {
				t.Errorf("length told %v: %v", told, err)
			}
		}
	})

	t.Run("one that begins and never ends is over with the time", func(t *testing.T) {
		q := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"score":`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, _, err := asker.Ask(ctx, q); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})

	t.Run("a redirect inside is an answer, and nobody goes there", func(t *testing.T) {
		reached := false
		inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
		defer inside.Close()
		q := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inside.URL, http.StatusFound) })
		status, _, err := asker.Ask(t.Context(), q)
		if err != nil || status != http.StatusFound || reached {
			t.Errorf("status %d, %v, reached %v", status, err, reached)
		}
	})

	t.Run("errors show no address", func(t *testing.T) {
		srv := httptest.NewServer(http.NotFoundHandler())
		srv.Close()
		_, _, err := asker.Ask(t.Context(), egress.Question{Method: http.MethodGet, URL: srv.URL + "/token-of-ours"})
		if err == nil || strings.Contains(err.Error(), "token-of-ours") {
			t.Errorf("error %v", err)
		}
		_, _, err = asker.Ask(t.Context(), egress.Question{Method: http.MethodGet, URL: "http://localhost/%token-of-ours"})
		if err == nil || strings.Contains(err.Error(), "token-of-ours") {
			t.Errorf("error %v", err)
		}
	})

	t.Run("what cannot be signed is not sent", func(t *testing.T) {
		q := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
		q.Signed = true
		if _, _, err := (egress.Asker{Client: asker.Client}).Ask(t.Context(), q); !errors.Is(err, egress.ErrNoSecret) {
			t.Errorf("error %v", err)
		}
	})
}
