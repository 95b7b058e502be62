package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/softphone"
)

func TestParkedCallIsRetrievedByDiallingTheSlot(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep2 := h.rep("rep2", softphone.Manual)
	caller := h.calls(h.callers(), parks)
	hears(t, "the parked caller", caller, musicHz)
	id := h.newCall()
	parked := h.told(id, call.Parked)

	rep := h.dials(rep2, parked.Slot)
	if err := rep.WaitAnswered(within(t, 15*time.Second)); err != nil {
		t.Fatal(err)
	}
	hears(t, "the caller", caller, repHz["rep2"])
	hears(t, "the rep", rep, callerHz)
	if got := rep.Header("P-Asserted-Identity"); got == "" {
		t.Error("the rep should be shown who the caller is")
	}

	rep.Hangup()
	ends(t, "the caller", caller)
	events := h.over(id, "answered")
	if got := h.parkReasons(id); !slices.Equal(got, []string{"retrieved_other"}) {
		t.Error(got)
	}
	for _, e := range events {
		if e.Type == call.ParkRetrieved && e.Actor.User != "rep2" {
			t.Error("retrieved by", e.Actor)
		}
	}
}

func TestParkedCallerHangsUp(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep2 := h.rep("rep2", softphone.Manual)
	caller := h.calls(h.callers(), parks)
	id := h.newCall()
	slot := h.told(id, call.Parked).Slot
	caller.Hangup()
	h.over(id, "abandoned")
	if got := h.parkReasons(id); !slices.Equal(got, []string{"abandoned"}) {
		t.Error(got)
	}
	late := h.dials(rep2, slot)
	if err := late.WaitAnswered(within(t, 15*time.Second)); err == nil {
		t.Error("an empty slot should not be answered")
	}
}
