package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestCallback(t *testing.T) {
	const owed = `{"id":"cbk_1","call_id":"call_1","number":"+34600000001","name":"Ana","queue":"sales","tries":2,"tried":1,"state":"waiting",
		"result":"busy","made_at":"2026-11-22T10:00:00Z","due_at":"2026-11-22T10:05:00Z"}`
	asked := make(chan string, 8)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked <- r.Method + " " + r.URL.RequestURI() + " " + string(b)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method == http.MethodPost:
			_, _ = io.WriteString(w, owed)
		case r.URL.Query().Get("open") == "":
			_, _ = io.WriteString(w, `{"data":[]}`)
		default:
			_, _ = io.WriteString(w, `{"data":[`+owed+`]}`)
		}
	}))
	t.Cleanup(s.Close)
	run := func(args ...string) said {
		return sh(t, append(append([]string{"callback"}, args...), "--url", s.URL, "--key", "ck_x")...)
	}
	run("list", "--open").must(t, OK, "cbk_1", "+34600000001 Ana", "sales", "waiting", "1 of 2", "busy")
	run("list", "--open", "-o", "json").must(t, OK, `"number": "+34600000001"`)
	run("list").must(t, OK, "nobody is owed a call")
	for range 3 {
		<-asked
	}
	run("cancel", "cbk_1", "--reason", "sold").must(t, OK, "+34600000001 is not called back any more")
	if got := <-asked; got != `POST /v1/callbacks/cbk_1/cancel {"reason":"sold"}` {
		t.Errorf("asked %s", got)
	}
	run("cancel").must(t, Misuse, "the callback's id is missing")
}
