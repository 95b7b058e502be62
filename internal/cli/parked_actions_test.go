package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestParkedActions(t *testing.T) {
	asked := make(chan string, 8)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		const parked = `{"id":"park_1","lot":"sales","slot":701,"note":"wants a quote"}`
		switch {
		case r.Method == http.MethodGet:
			_, _ = io.WriteString(w, `{"data":[`+parked+`]}`)
			return
		case strings.HasSuffix(r.URL.Path, "/move"):
			_, _ = io.WriteString(w, `{"id":"park_2","lot":"service","slot":802}`)
		default:
			_, _ = io.WriteString(w, parked)
		}
		asked <- r.Method + " " + r.URL.Path + " " + string(b)
	}))
	t.Cleanup(s.Close)
	run := func(args ...string) said {
		return sh(t, append(append([]string{"parked"}, args...), "--url", s.URL, "--key", "ck_x")...)
	}
	for _, c := range []struct {
		args []string
		sent string
		out  string
	}{
		{[]string{"note", "701", "wants a quote"}, `PATCH /v1/parked_calls/park_1 {"note":"wants a quote"}`, "slot 701: wants a quote"},
		{[]string{"note", "park_1", "", "--agent", "ann"}, `PATCH /v1/parked_calls/park_1 {"agent":"ann","note":""}`, "slot 701"},
		{[]string{"move", "701", "--slot", "802", "--lot", "service"}, `POST /v1/parked_calls/park_1/move {"lot":"service","slot":802}`, "slot 701 → slot 802 of lot service"},
		{[]string{"move", "park_1"}, `POST /v1/parked_calls/park_1/move {}`, "waits in slot 802 of lot service"},
		{[]string{"move", "701", "-o", "json"}, `POST /v1/parked_calls/park_1/move {}`, `"slot": 802`},
	} {
		run(c.args...).must(t, OK, c.out)
		if got := <-asked; got != c.sent {
			t.Errorf("%v asked %s, want %s", c.args, got, c.sent)
		}
	}
	run("move", "799").must(t, Failure, "nobody is parked in slot 799", "callyard parked")
	run("note", "701").must(t, Misuse, "the text is missing")
	run("move").must(t, Misuse, "the slot or the park's id is missing")
}
