package e2e

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/softphone"
)

// TestCallback: who asks for it in a queue is called back in their turn, the rep
// first, through the trunk.
func TestCallback(t *testing.T) {
	t.Parallel()
	h := start(t, `
queues:
  - {name: sales, music: tone440, ring_s: 20, wrap_up_s: -1, agents: [{agent: rep3}]}
flows:
  - schema: callflow/v1
    name: owing
    entry: queue
    handlers: {hangup: bye, error: bye}
    nodes:
      queue: {type: queue, cfg: {queue: sales, exit_keys: {"1": callback}}, on: {callback_requested: back, default: bye}}
      back: {type: callback, on: {default: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
numbers:
  - {number: "+12025550141", flow: owing}
`)
	them := h.phone(softphone.Config{Hub: h.sip, User: "+12025550177", ToneHz: callerHz})
	h.apply(`trunks: [{name: out, host: "` + them.Addr() + `", for: ["+12025550177"]}]`)
	rep3 := h.rep("rep3", softphone.Manual)

	d := h.calls(them, "+12025550141")
	first := h.newCall()
	hears(t, "the caller", d, musicHz)
	offeredTo(t, "rep3", rep3)
	_ = d.SendDigits(within(t, 15*time.Second), "1") // the hub may hang up before the key is at its end
	ends(t, "the caller", d)
	var owed struct {
		Data []struct {
			ID, Number, Queue, State string
			Last                     call.ID `json:"last_call_id"`
		}
	}
	h.get("/v1/callbacks?open=true", &owed)
	if len(owed.Data) != 1 || owed.Data[0].Number != "+12025550177" || owed.Data[0].Queue != "sales" || owed.Data[0].State != "waiting" {
		t.Fatalf("owed: %+v", owed.Data)
	}

	var rep, back *softphone.Dialog
	select {
	case rep = <-rep3.Incoming():
	case <-within(t, 40*time.Second).Done():
		t.Fatal("rep3 is not rung")
	}
	if err := rep.Answer(); err != nil {
		t.Fatal(err)
	}
	select {
	case back = <-them.Incoming():
	case <-within(t, 20*time.Second).Done():
		t.Fatal("the caller is not rung")
	}
	if err := back.Answer(); err != nil {
		t.Fatal(err)
	}
	hears(t, "the caller", back, repHz["rep3"])
	hears(t, "rep3", rep, callerHz)
	back.Hangup()
	ends(t, "rep3", rep)

	eventually(t, "the callback is done", func() bool {
		h.get("/v1/callbacks", &owed)
		return owed.Data[0].State == "done"
	})
	if r := h.told(first, call.CallbackResult); r.Data["result"] != "connected" || r.Data["as"] != string(owed.Data[0].Last) {
		t.Errorf("the first call's ledger says %v", r.Data)
	}
	h.over(owed.Data[0].Last, "answered")
}
