package httpapi_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
)

func TestRecordings(t *testing.T) {
	h := newHub(t)
	began := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	kept := func(file string) call.Event {
		return call.Event{Call: "call_1", Type: call.Recorded, At: began, Actor: call.Actor{User: "ann"}, Data: map[string]any{
			"file": file, "began_at": began, "length_ms": 4200, "paused": true,
		}}
	}
	if err := h.book.Begin(t.Context(), callctl.Opening{ID: "call_1", Node: node, At: began}, kept("2026-03-02/call_1-1.wav"), kept("2026-03-02/gone.wav")); err != nil {
		t.Fatal(err)
	}
	list := h.must(200, "GET", "/v1/calls/call_1/recordings", nil).data()
	if len(list) != 2 || list[0]["agent"] != "ann" || list[0]["length_ms"] != 4200.0 || list[0]["paused"] != true || list[1]["n"] != 2.0 {
		t.Errorf("%v", list)
	}
	if a := h.must(200, "GET", "/v1/calls/call_1/recordings/1/audio", nil); a.body != "RIFF" || a.header.Get("Content-Type") != "audio/wav" {
		t.Errorf("%s %q", a.header, a.body)
	}
	h.problem(410, "recording_gone", "GET", "/v1/calls/call_1/recordings/2/audio", nil)
	h.problem(404, "recording_not_found", "GET", "/v1/calls/call_1/recordings/3/audio", nil)
	h.problem(404, "call_not_found", "GET", "/v1/calls/call_none/recordings", nil)

	do := map[string]any{"do": "pause", "agent": "ann"}
	h.problem(404, "call_not_found", "POST", "/v1/calls/call_none/recording", do)
	h.problem(404, "call_not_live", "POST", "/v1/calls/call_1/recording", do)
	h.live.calls["call_1"] = true
	h.must(204, "POST", "/v1/calls/call_1/recording", do)
	h.problem(422, "validation_failed", "POST", "/v1/calls/call_1/recording", map[string]any{"do": "erase"})
}
