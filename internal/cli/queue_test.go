package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestQueue(t *testing.T) {
	asked := make(chan string, 8)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked <- r.Method + " " + r.URL.RequestURI() + " " + string(b)
		w.Header().Set("Content-Type", "application/json")
		const entry = `{"position":1,"call_id":"call_1","queue":"sales","from":"+34600000001","name":"Ana","priority":7,"first":true,"joined_at":"2026-11-22T10:00:00Z","tried":["ann"]}`
		switch r.Method {
		case http.MethodGet:
			_, _ = io.WriteString(w, `{"data":[`+entry+`]}`)
		case http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		default:
			_, _ = io.WriteString(w, entry)
		}
	}))
	t.Cleanup(s.Close)
	for _, c := range []struct {
		args []string
		sent string
		out  string
	}{
		{[]string{"waiting", "sales"}, "GET /v1/queues/sales/entries?limit=200 ", "+34600000001"},
		{[]string{"waiting", "sales", "-o", "yaml"}, "GET /v1/queues/sales/entries?limit=200 ", "call_id: call_1"},
		{[]string{"first", "sales", "call_1"}, `PATCH /v1/queues/sales/entries/call_1 {"first":true}`, "call_1: place 1 in queue sales, priority 7, put first"},
		{[]string{"first", "sales", "call_1", "--undo", "-o", "json"}, `PATCH /v1/queues/sales/entries/call_1 {"first":false}`, `"position": 1`},
		{[]string{"priority", "sales", "call_1", "50", "--agent", "ann"}, `PATCH /v1/queues/sales/entries/call_1 {"agent":"ann","priority":50}`, "priority 7"},
		{[]string{"move", "sales", "call_1", "help"}, `POST /v1/queues/sales/entries/call_1/move {"queue":"help"}`, "place 1"},
		{[]string{"withdraw", "sales", "call_1", "--agent", "ann"}, `DELETE /v1/queues/sales/entries/call_1?agent=ann `, "call_1 waits in queue sales no longer"},
	} {
		sh(t, append(append([]string{"queue"}, c.args...), "--url", s.URL, "--key", "ck_x")...).must(t, OK, c.out)
		if got := <-asked; got != c.sent {
			t.Errorf("%v asked %s, want %s", c.args, got, c.sent)
		}
	}
	sh(t, "queue", "priority", "sales", "call_1", "high", "--url", s.URL, "--key", "ck_x").must(t, Failure, `"high" is not a number`)
	sh(t, "queue", "move", "sales", "call_1").must(t, Misuse, "the other queue is missing")
}
