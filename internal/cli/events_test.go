package cli

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// streams is a hub whose stream of events says one thing per connection.
func streams(t *testing.T, says ...string) (asked func(i int) *http.Request) {
	t.Helper()
	var requests []*http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, r)
		_, _ = io.WriteString(w, says[min(len(requests), len(says))-1])
	}))
	t.Cleanup(s.Close)
	t.Setenv("CALLYARD_URL", s.URL)
	t.Setenv("CALLYARD_KEY", "ck_test")
	return func(i int) *http.Request { return requests[i] }
}

// follow runs the command until it has told of the end of a call.
func follow(t *testing.T, args ...string) said {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var errs bytes.Buffer
	out := &until{text: "call.ended", then: cancel}
	code := Run(ctx, append([]string{"events", "--follow"}, args...), Options{Version: "1.2.3", Program: "callyard", Out: out, Err: &errs})
	return said{code, out.String(), errs.String()}
}

const (
	standing = "id: 7-1\nevent: snapshot\ndata: {\"parked_calls\":[{\"id\":\"park_1\",\"call_id\":\"call_1\",\"lot\":\"sales\",\"slot\":701}],\"live_calls\":[{\"id\":\"call_1\",\"state\":\"parked\"}],\"cursor\":\"7-1\"}\n\n"
	parkedAt = "id: 8\nevent: park.parked\ndata: {\"id\":8,\"at\":\"2026-11-03T10:00:00Z\",\"call\":\"call_1\",\"type\":\"park.parked\",\"lot\":\"sales\",\"slot\":\"701\",\"actor\":{\"user\":\"ann\"},\"data\":{\"via\":\"refer\"}}\n\n"
	endedAt  = "id: 9\nevent: call.ended\ndata: {\"id\":9,\"at\":\"2026-11-03T10:00:09Z\",\"call\":\"call_1\",\"type\":\"call.ended\"}\n\n"
)

func TestEvents(t *testing.T) {
	t.Run("how things stand", func(t *testing.T) {
		streams(t, standing)
		sh(t, "events").must(t, OK, "park_1", "701", "call_1", "parked")
		sh(t, "events", "-o", "json").must(t, OK, `"cursor": "7-1"`)
		sh(t, "events", "--type", "park.*").must(t, Misuse, "are for --follow")
	})
	t.Run("what happens, also after a broken connection", func(t *testing.T) {
		asked := streams(t, standing+parkedAt, endedAt)
		s := follow(t, "--type", "park.*,call.ended", "--call", "call_1")
		s.must(t, OK, "call_1  park.parked", "lot=sales slot=701 by=ann via=refer", "connecting again", "call.ended")
		if q := asked(0).URL.RawQuery; q != "call=call_1&type=park.%2A%2Ccall.ended" {
			t.Error(q)
		}
		if asked(1).Header.Get("Last-Event-ID") != "8" {
			t.Errorf("went on behind %q", asked(1).Header.Get("Last-Event-ID"))
		}
	})
	t.Run("one object a line for programs", func(t *testing.T) {
		streams(t, standing+parkedAt+endedAt)
		s := follow(t, "-o", "json")
		want := `{"id":8,"at":"2026-11-03T10:00:00Z","call":"call_1","type":"park.parked","lot":"sales","slot":"701","actor":{"user":"ann"},"data":{"via":"refer"}}
{"id":9,"at":"2026-11-03T10:00:09Z","call":"call_1","type":"call.ended"}
`
		if s.code != OK || s.out != want {
			t.Errorf("%d\n%s", s.code, s.out)
		}
	})
	t.Run("what cannot be told any more", func(t *testing.T) {
		asked := streams(t, "event: resync\ndata: {}\n\n"+standing+endedAt)
		follow(t, "--after", "3").must(t, OK, "more was missed than can be told", "call.ended")
		if asked(0).Header.Get("Last-Event-ID") != "3" {
			t.Error("--after is not sent")
		}
	})
}
