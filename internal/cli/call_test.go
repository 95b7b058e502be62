package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestCallDisposition(t *testing.T) {
	asked := make(chan string, 4)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked <- r.Method + " " + r.URL.Path + " " + string(b)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"code":"won","label":"Won","category":"positive","note":"","at":"2026-11-22T10:00:00Z","by":{"user":"ann"}}`)
	}))
	t.Cleanup(s.Close)
	run := func(args ...string) said {
		return sh(t, append(append([]string{"call", "disposition"}, args...), "--url", s.URL, "--key", "ck_x")...)
	}
	run("call_1", "won", "--note", "by Friday", "--agent", "ann").must(t, OK, "call_1: Won (positive)")
	if got := <-asked; got != `POST /v1/calls/call_1/disposition {"agent":"ann","code":"won","note":"by Friday"}` {
		t.Errorf("asked %s", got)
	}
	run("call_1", "won", "-o", "json").must(t, OK, `"category": "positive"`)
	if got := <-asked; got != `POST /v1/calls/call_1/disposition {"code":"won"}` {
		t.Errorf("asked %s", got)
	}
	run("call_1").must(t, Misuse, "the code is missing")
}
