package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/softphone"
)

// ladder is a number whose calls are parked with the steps given.
func ladder(steps string) string {
	return `
flows:
  - schema: callflow/v1
    name: climbs
    entry: answer
    handlers: {hangup: bye, error: bye}
    nodes:
      answer: {type: answer, on: {default: park}}
      park: {type: park, cfg: {lot: sales, max_park_s: 60, ladder: [` + steps + `, {after_s: 60, do: goto, outcome: expired}]}, on: {retrieved: bye, expired: mail, default: bye}}
      mail: {type: voicemail, cfg: {box: sales}, on: {default: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
numbers:
  - {number: "+12025550120", flow: climbs}
`
}

const climbs = "+12025550120"

func TestEscalationReachesTheAlternates(t *testing.T) {
	t.Parallel()
	h := start(t, ladder(`{after_s: 1, do: remind, to: parker}, {after_s: 1.5, do: offer, to: "team:alternates", ring_s: 10}`))
	rep3, rep4 := h.rep("rep3", softphone.Manual), h.rep("rep4", softphone.Manual)
	caller := h.calls(h.callers(), climbs)
	id := h.newCall()

	at3, at4 := offeredTo(t, "rep3", rep3), offeredTo(t, "rep4", rep4)
	at3.Ring()
	at4.Ring()
	hears(t, "the caller, still parked,", caller, musicHz)
	if err := at3.Answer(); err != nil {
		t.Fatal(err)
	}
	hears(t, "the caller", caller, repHz["rep3"])
	hears(t, "rep3", at3, callerHz)
	other := ends(t, "rep4", at4)
	if other.Why != softphone.Cancelled || !strings.Contains(other.Reason+other.Text+other.Header.Get("Reason"), "elsewhere") {
		t.Errorf("rep4's phone should be told that the call was completed elsewhere: %+v", other)
	}

	caller.Hangup()
	ends(t, "rep3", at3)
	events := h.over(id, "answered")
	if got := h.parkReasons(id); !slices.Equal(got, []string{"retrieved_offer"}) {
		t.Error(got)
	}
	var results []string
	for _, e := range events {
		if e.Type == call.ParkStepResult {
			results = append(results, e.Data["result"].(string))
		}
	}
	if !slices.Contains(results, "no_parker") {
		t.Error("a flow parked the call: the reminder has nobody to go to:", results)
	}
}

func TestQueueAnswerAgainstSlotDial(t *testing.T) {
	t.Parallel()
	h := start(t, ladder(`{after_s: 0.5, do: enqueue, queue: sales}`))
	rep2, rep3 := h.rep("rep2", softphone.Manual), h.rep("rep3", softphone.Manual)
	trunk := h.callers()

	t.Run("the queue's agent answers a parked call", func(t *testing.T) {
		caller := h.calls(trunk, climbs)
		id := h.newCall()
		offer := offeredTo(t, "rep3", rep3)
		offer.Ring()
		hears(t, "the caller, parked and in line,", caller, musicHz)
		if err := offer.Answer(); err != nil {
			t.Fatal(err)
		}
		hears(t, "the caller", caller, repHz["rep3"])
		slot := h.told(id, call.Parked).Slot
		late := h.dials(rep2, slot)
		if err := late.WaitAnswered(within(t, 15*time.Second)); err == nil {
			t.Error("the slot is empty: nobody can take the call twice")
		}
		offer.Hangup()
		ends(t, "the caller", caller)
		h.over(id, "answered")
		if got := h.parkReasons(id); !slices.Equal(got, []string{"retrieved_queue"}) {
			t.Error(got)
		}
	})

	t.Run("a slot dial while the queue's agent rings", func(t *testing.T) {
		caller := h.calls(trunk, climbs)
		id := h.newCall()
		offer := offeredTo(t, "rep3", rep3)
		offer.Ring()
		taker := h.dials(rep2, h.told(id, call.Parked).Slot)
		if err := taker.WaitAnswered(within(t, 15*time.Second)); err != nil {
			t.Fatal(err)
		}
		hears(t, "the caller", caller, repHz["rep2"])
		if e := ends(t, "rep3", offer); e.Why != softphone.Cancelled {
			t.Errorf("rep3's phone should stop ringing: %+v", e)
		}
		caller.Hangup()
		h.over(id, "answered")
		if got := h.parkReasons(id); !slices.Equal(got, []string{"retrieved_other"}) {
			t.Error(got)
		}
	})
}
