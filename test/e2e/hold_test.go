package e2e

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/softphone"
)

// hold is a re-INVITE that puts the far end on hold, or takes it back.
func hold(t *testing.T, who string, d *softphone.Dialog, on bool) {
	t.Helper()
	if err := d.Hold(within(t, 15*time.Second), on); err != nil {
		t.Fatalf("%s holds (%v): %v", who, on, err)
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1 := h.rep("rep1", softphone.Manual)
	k := h.talks(h.callers(), rep1, callerHz)

	hold(t, "rep1", k.rep, true)
	hears(t, "the caller on hold", k.caller, musicHz)
	hold(t, "rep1", k.rep, false)
	k.together(t)

	hold(t, "the caller", k.caller, true)
	hears(t, "the rep on hold", k.rep, musicHz)
	hold(t, "the caller", k.caller, false)
	k.together(t)

	k.rep.Hangup()
	ends(t, "the caller", k.caller)
	events := h.over(k.id, "answered")
	var got []call.EventType
	for _, e := range events {
		if e.Type == call.Held || e.Type == call.Resumed {
			got = append(got, e.Type)
		}
	}
	if !slices.Equal(got, []call.EventType{call.Held, call.Resumed, call.Held, call.Resumed}) {
		t.Error(got)
	}
}

// Both put the other on hold: until both have taken it back, nobody is
// unexpectedly heard.
func TestBothHold(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1 := h.rep("rep1", softphone.Manual)
	k := h.talks(h.callers(), rep1, callerHz)
	hold(t, "rep1", k.rep, true)
	hears(t, "the caller on hold", k.caller, musicHz)
	hold(t, "the caller", k.caller, true)
	hold(t, "the caller", k.caller, false)
	hears(t, "the caller, whom rep1 still holds,", k.caller, musicHz)
	hold(t, "rep1", k.rep, false)
	k.together(t)
	k.caller.Hangup()
	ends(t, "rep1", k.rep)
	h.over(k.id, "answered")
}

// Most phones put the call on hold before they transfer it.
func TestTransferOfAHeldCall(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1, rep2 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual)
	trunk := h.callers()

	t.Run("to a slot", func(t *testing.T) {
		k := h.talks(trunk, rep1, callerHz)
		hold(t, "rep1", k.rep, true)
		if r := k.refers(t, "700"); r.Status != 200 {
			t.Fatalf("%+v", r)
		}
		hears(t, "the parked caller", k.caller, musicHz)
		ends(t, "rep1", k.rep)
		d := h.dialled(rep2, "rep2", strconv.Itoa(h.onlyPark(k.id).Slot))
		hears(t, "the caller", k.caller, repHz["rep2"])
		hears(t, "rep2", d, callerHz)
		d.Hangup()
		ends(t, "the caller", k.caller)
		h.over(k.id, "answered")
	})
	t.Run("to a colleague who is busy, and then to one who answers", func(t *testing.T) {
		k := h.talks(trunk, rep1, callerHz)
		hold(t, "rep1", k.rep, true)
		told := make(chan int, 1)
		refer := func() {
			r, err := k.rep.Refer(within(t, 20*time.Second), "202")
			if err != nil {
				t.Error(err)
			}
			told <- r.Status
		}
		go refer()
		offeredTo(t, "rep2", rep2).Reject(486)
		if status := <-told; status != 486 {
			t.Errorf("told %d", status)
		}
		hold(t, "rep1", k.rep, false)
		k.together(t)
		hold(t, "rep1", k.rep, true)
		go refer()
		at := offeredTo(t, "rep2", rep2)
		if err := at.Answer(); err != nil {
			t.Fatal(err)
		}
		if status := <-told; status != 200 {
			t.Errorf("told %d", status)
		}
		hears(t, "the caller", k.caller, repHz["rep2"])
		hears(t, "rep2", at, callerHz)
		at.Hangup()
		ends(t, "the caller", k.caller)
		h.over(k.id, "answered")
	})
}

func TestParkedCallerHolds(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep2 := h.rep("rep2", softphone.Manual)
	caller := h.calls(h.callers(), parks)
	id := h.newCall()
	slot := h.told(id, call.Parked).Slot
	park := h.onlyPark(id)
	hears(t, "the parked caller", caller, musicHz)

	hold(t, "the caller", caller, true)
	if again := h.onlyPark(id); again.ID != park.ID || again.State != "parked" {
		t.Errorf("%+v", again)
	}
	hold(t, "the caller", caller, false)
	hears(t, "the parked caller", caller, musicHz)

	// Retrieved while on hold: the two hear each other as soon as the caller is back.
	hold(t, "the caller", caller, true)
	d := h.dialled(rep2, "rep2", slot)
	hold(t, "the caller", caller, false)
	hears(t, "the caller", caller, repHz["rep2"])
	hears(t, "rep2", d, callerHz)
	caller.Hangup()
	ends(t, "rep2", d)
	h.over(id, "answered")
}
