package egress_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/egress"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func get(t *testing.T, c *http.Client, url string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Do(req)
}

func TestClient(t *testing.T) {
	t.Run("a name that leads inside is not reached", func(t *testing.T) {
		reached := false
		srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
		defer srv.Close()
		var forbidden *egress.ForbiddenAddressError
		for _, url := range []string{srv.URL, strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)} {
			res, err := get(t, egress.New(egress.Config{}), url)
			if !errors.As(err, &forbidden) {
				t.Errorf("%s: %v, %v", url, res, err)
			}
		}
		if reached {
			t.Error("the server was reached")
		}
		res, err := get(t, egress.New(egress.Config{Allow: loopback}), srv.URL)
		if err != nil || !reached {
			t.Fatalf("allowed, yet: %v", err)
		}
		_ = res.Body.Close()
	})

	t.Run("a redirect is given back, not followed", func(t *testing.T) {
		var paths []string
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			paths = append(paths, r.URL.Path)
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}))
		defer srv.Close()
		res, err := get(t, egress.New(egress.Config{Allow: egress.Everywhere()}), srv.URL+"/here")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusTemporaryRedirect || len(paths) != 1 {
			t.Errorf("status %d after %v", res.StatusCode, paths)
		}
	})

	t.Run("a host is not crowded, and is free again once an answer is read", func(t *testing.T) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
		defer srv.Close()
		c := egress.New(egress.Config{Allow: loopback, PerHost: 2})
		var open []*http.Response
		for range 2 {
			res, err := get(t, c, srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, res)
		}
		if res, err := get(t, c, srv.URL); !errors.Is(err, egress.ErrCrowded) {
			t.Errorf("a third: %v, %v", res, err)
		}
		other := httptest.NewServer(http.NotFoundHandler())
		defer other.Close()
		if res, err := get(t, c, other.URL); err != nil {
			t.Errorf("another host: %v", err)
		} else {
			_ = res.Body.Close()
		}
		_ = open[0].Body.Close()
		_ = open[0].Body.Close() // twice counts once
		res, err := get(t, c, srv.URL)
		if err != nil {
			t.Fatalf("after one has ended: %v", err)
		}
		if third, err := get(t, c, srv.URL); !errors.Is(err, egress.ErrCrowded) {
			t.Errorf("closing twice counted twice: %v, %v", third, err)
		}
		_ = res.Body.Close()
		_ = open[1].Body.Close()
	})

	t.Run("all hosts together are bounded too", func(t *testing.T) {
		one, other := httptest.NewServer(http.NotFoundHandler()), httptest.NewServer(http.NotFoundHandler())
		defer one.Close()
		defer other.Close()
		c := egress.New(egress.Config{Allow: loopback, Total: 1})
		res, err := get(t, c, one.URL)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := get(t, c, other.URL); !errors.Is(err, egress.ErrCrowded) {
			t.Errorf("a second: %v, %v", second, err)
		}
		_ = res.Body.Close()
		if res, err = get(t, c, other.URL); err != nil {
			t.Fatalf("after the first: %v", err)
		}
		_ = res.Body.Close()
	})

	t.Run("a request that fails leaves room", func(t *testing.T) {
		srv := httptest.NewServer(http.NotFoundHandler())
		srv.Close()
		c := egress.New(egress.Config{Allow: loopback, PerHost: 1})
		for range 2 {
			if res, err := get(t, c, srv.URL); err == nil || errors.Is(err, egress.ErrCrowded) {
				t.Errorf("got %v, %v", res, err)
			}
		}
	})
}
