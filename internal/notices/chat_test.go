package notices_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/notices"
)

func TestChat(t *testing.T) {
	t.Run("a text that mentions and links nobody", func(t *testing.T) {
		var got struct{ Text string }
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%v, %v", err, r.Header)
			}
		}))
		defer srv.Close()
		c, err := notices.NewChat(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		n := summary()
		n.Vars["crm"] = map[string]any{"company": "<!channel> @all [x](http://thief.example.com)"}
		if err := c.Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(got.Text, "Call from ‹!channel›") || !strings.Contains(got.Text, "From: +34600000001") || strings.Contains(got.Text, "@all") || strings.Contains(got.Text, "](") {
			t.Errorf("text is\n%s", got.Text)
		}
	})

	t.Run("what is worth another attempt", func(t *testing.T) {
		var (
			refused *notices.RefusedError
			busy    *notices.BusyError
		)
		for status, as := range map[int]any{200: nil, 204: nil, 404: &refused, 403: &refused, 302: &refused, 429: &busy, 500: "again", 503: "again"} {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
			}))
			c, err := notices.NewChat(srv.URL + "/hush")
			if err != nil {
				t.Fatal(err)
			}
			err = c.Send(t.Context(), summary())
			srv.Close()
			switch as {
			case nil:
				if err != nil {
					t.Errorf("%d: %v", status, err)
				}
			case "again":
				if err == nil || errors.As(err, &refused) || errors.As(err, &busy) {
					t.Errorf("%d: %v", status, err)
				}
			default:
				if !errors.As(err, as) {
					t.Errorf("%d: %v", status, err)
				}
			}
		}
		if busy == nil || busy.After != 7*time.Second {
			t.Errorf("busy: %v", busy)
		}
	})

	t.Run("nobody there, and the address is not shown", func(t *testing.T) {
		srv := httptest.NewServer(http.NotFoundHandler())
		srv.Close()
		c, err := notices.NewChat(srv.URL + "/hush")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Send(t.Context(), summary()); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("error %v", err)
		}
		if _, err := notices.NewChat("hush://x"); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("error %v", err)
		}
	})
}
