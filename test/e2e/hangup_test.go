package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/softphone"
)

// The caller may hang up at any moment: whatever was going on ends, and nothing
// is left behind.
func TestCallerHangsUpAtEveryStage(t *testing.T) {
	t.Parallel()
	h := start(t, ladder(`{after_s: 0.5, do: offer, to: "agent:rep3", ring_s: 20}, {after_s: 1, do: enqueue, queue: sales}`))
	h.apply(`
flows:
  - schema: callflow/v1
    name: plays
    entry: answer
    handlers: {hangup: bye, error: bye}
    nodes:
      answer: {type: answer, on: {default: tone}}
      tone: {type: play, cfg: {prompt: default}, on: {default: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
  - schema: callflow/v1
    name: mails
    entry: answer
    handlers: {hangup: bye, error: bye}
    nodes:
      answer: {type: answer, on: {default: mail}}
      mail: {type: voicemail, cfg: {box: sales}, on: {default: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
numbers:
  - {number: "+12025550121", flow: plays}
  - {number: "+12025550122", flow: mails}
`)
	rep1, rep2, rep3, rep4 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual), h.rep("rep3", softphone.Manual), h.rep("rep4", softphone.Manual)
	trunk := h.callers()

	t.Run("while a rep's phone rings", func(t *testing.T) {
		caller := h.dials(trunk, rings1)
		at := offeredTo(t, "rep1", rep1)
		at.Ring()
		if err := caller.WaitRinging(within(t, 15*time.Second)); err != nil {
			t.Fatal(err)
		}
		id := h.newCall()
		caller.Hangup()
		if e := ends(t, "the caller", caller); e.Status != 487 {
			t.Errorf("a cancelled INVITE gets 487: %+v", e)
		}
		if e := ends(t, "rep1", at); e.Why != softphone.Cancelled {
			t.Errorf("%+v", e)
		}
		h.over(id, "abandoned")
	})
	t.Run("while a prompt plays", func(t *testing.T) {
		caller := h.calls(trunk, "+12025550121")
		if err := caller.HearsSomething(within(t, 15*time.Second)); err != nil {
			t.Fatal(err)
		}
		id := h.newCall()
		caller.Hangup()
		h.over(id, "abandoned")
	})
	t.Run("parked, while reps are offered the call and it waits in line", func(t *testing.T) {
		caller := h.calls(trunk, climbs)
		id := h.newCall()
		at3 := offeredTo(t, "rep3", rep3)
		at3.Ring()
		at4 := offeredTo(t, "rep4", rep4) // from the queue
		at4.Ring()
		caller.Hangup()
		for who, d := range map[string]*softphone.Dialog{"rep3": at3, "rep4": at4} {
			if e := ends(t, who, d); e.Why != softphone.Cancelled {
				t.Errorf("%s: %+v", who, e)
			}
		}
		events := h.over(id, "abandoned")
		if got := h.parkReasons(id); !slices.Equal(got, []string{"abandoned"}) {
			t.Error(got)
		}
		n := 0
		for _, e := range events {
			if e.Type == call.ParkAbandoned {
				n++
			}
		}
		if n != 1 {
			t.Errorf("abandoned %d times", n)
		}
	})
	t.Run("while talking", func(t *testing.T) {
		caller := h.calls(trunk, parks)
		id := h.newCall()
		d := h.dials(rep2, h.told(id, call.Parked).Slot)
		hears(t, "the caller", caller, repHz["rep2"])
		caller.Hangup()
		if e := ends(t, "rep2", d); e.Why != softphone.Bye || !e.Remote {
			t.Errorf("%+v", e)
		}
		h.over(id, "answered")
	})
	t.Run("while leaving a message", func(t *testing.T) {
		caller := h.calls(trunk, "+12025550122")
		id := h.newCall()
		eventually(t, "the recording begins", func() bool { return h.recording("sales", id) })
		if err := caller.HearsNothing(within(t, 20*time.Second), 1500*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		caller.Hangup()
		h.over(id, "voicemail")
		h.hasMessage("sales", id, callerHz)
	})
}
