package e2e

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/client"
	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
	"github.com/callyard/callyard/internal/softphone"
)

// The caller is told, the conversation is in a file, caller left and rep right.
func TestAConversationIsRecorded(t *testing.T) {
	t.Parallel()
	h := start(t, `
flows:
  - schema: callflow/v1
    name: records
    entry: answer
    handlers: {hangup: bye, error: bye}
    nodes:
      answer: {type: answer, on: {next: record}}
      record: {type: record, on: {next: ring}}
      ring: {type: dial, cfg: {targets: ["agent:rep1"], ring_s: 20}, on: {default: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
numbers:
  - {number: "+12025550132", flow: records}
`)
	h.rep("rep1", softphone.Always)
	caller := h.calls(h.callers(), "+12025550132")
	id := h.newCall()
	hears(t, "the caller", caller, repHz["rep1"])
	for range 3 { // long enough to be listened to
		hears(t, "the caller", caller, repHz["rep1"])
	}
	caller.Hangup()
	h.told(id, call.Recorded)
	hub := &client.Client{URL: "http://" + h.HTTPAddr(), Key: h.APIKey}
	b, err := hub.Bytes(within(t, 15*time.Second), "/v1/calls/"+string(id)+"/recordings/1/audio")
	if err != nil {
		t.Fatal(err)
	}
	var left, right []int16
	for at := wav.HeaderSize; at+4 <= len(b); at += 4 {
		left = append(left, int16(binary.LittleEndian.Uint16(b[at:])))
		right = append(right, int16(binary.LittleEndian.Uint16(b[at+2:])))
	}
	if len(left) < 8000 || !tone.Has(left, callerHz) || !tone.Has(right, float64(repHz["rep1"])) || tone.Has(left, float64(repHz["rep1"])) {
		t.Errorf("%d samples: the caller is not left or the rep not right", len(left))
	}
}
