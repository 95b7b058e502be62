package e2e

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/softphone"
)

// asks puts the caller on hold and calls a colleague, until the two hear each other.
func (h *hub) asks(k talk, from, to *softphone.Phone, number, name string) (ask, there *softphone.Dialog) {
	h.t.Helper()
	hold(h.t, k.name, k.rep, true)
	hears(h.t, "the caller on hold", k.caller, musicHz)
	ask = h.dials(from, number)
	there = offeredTo(h.t, name, to)
	there.Ring()
	if err := there.Answer(); err != nil {
		h.t.Fatal(err)
	}
	if err := ask.WaitAnswered(within(h.t, 5*time.Second)); err != nil {
		h.t.Fatal(err)
	}
	hears(h.t, name, there, repHz[k.name])
	hears(h.t, k.name, ask, repHz[name])
	return ask, there
}

func TestAttendedTransfer(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1, rep2 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual)
	trunk := h.callers()
	k := h.talks(trunk, rep1, callerHz)
	ask, there := h.asks(k, rep1, rep2, "202", "rep2")
	question := h.newCall()

	r, err := k.rep.ReferReplacing(within(t, 20*time.Second), ask)
	if err != nil || r.Status != 200 {
		t.Fatalf("the final NOTIFY says %d %s: %v", r.Status, r.Reason, err)
	}
	hears(t, "the caller", k.caller, repHz["rep2"])
	hears(t, "rep2", there, callerHz)
	for who, d := range map[string]*softphone.Dialog{"rep1": k.rep, "rep1's other call": ask} {
		if e := ends(t, who, d); e.Why != softphone.Bye || !e.Remote {
			t.Errorf("%s: %+v", who, e)
		}
	}
	h.over(question, "answered")
	if e := h.told(k.id, call.Transferred); e.Actor.User != "rep1" || e.Data["to"] != "rep2" || e.Data["from_call"] != string(question) {
		t.Errorf("%+v", e)
	}

	k = talk{id: k.id, caller: k.caller, rep: there, name: "rep2", hz: callerHz}
	if r := k.refers(t, "700"); r.Status != 200 { // and it goes on like any other
		t.Fatalf("the final NOTIFY says %d %s", r.Status, r.Reason)
	}
	if p := h.onlyPark(k.id); p.Parker != "rep2" {
		t.Errorf("%+v", p)
	}
	hears(t, "the parked caller", k.caller, musicHz)
	k.caller.Hangup()
	h.over(k.id, "answered")
}

func TestAttendedTransferThatFails(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1, rep2 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual)
	k := h.talks(h.callers(), rep1, callerHz)
	ask, there := h.asks(k, rep1, rep2, "202", "rep2")
	question := h.newCall()
	there.Hangup()
	ends(t, "rep1's other call", ask)
	h.over(question, "answered")
	r, err := k.rep.ReferReplacing(within(t, 20*time.Second), ask)
	if err != nil || (r.Status != 603 && r.Status != 481) {
		t.Fatalf("the final NOTIFY says %d %s: %v", r.Status, r.Reason, err)
	}
	hold(t, k.name, k.rep, false)
	k.together(t)
	k.rep.Hangup()
	h.over(k.id, "answered")
}

// TestAttendedPark: the rep calls the lot, is told a slot, and sends the caller there.
func TestAttendedPark(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1, rep2 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual)
	k := h.talks(h.callers(), rep1, callerHz)
	hold(t, k.name, k.rep, true)
	hears(t, "the caller on hold", k.caller, musicHz)
	asked := time.Now()
	lot := h.dialled(rep1, "rep1", "700")
	booked := h.newCall()
	hears(t, "rep1, once the number has been read", lot, musicHz)
	sent := time.Now()
	r, err := k.rep.ReferReplacing(within(t, 20*time.Second), lot)
	if err != nil || r.Status != 200 {
		t.Fatalf("the final NOTIFY says %d %s: %v", r.Status, r.Reason, err)
	}
	p := h.onlyPark(k.id)
	if p.Slot != 701 || p.Parker != "rep1" || p.ParkedAt.Before(asked) || p.ParkedAt.After(sent) {
		t.Errorf("parked by %q in %d at %s; the slot was asked for after %s and the caller sent at %s", p.Parker, p.Slot, p.ParkedAt, asked, sent)
	}
	hears(t, "the parked caller", k.caller, musicHz)
	ends(t, "rep1", k.rep)
	ends(t, "rep1's call to the lot", lot)
	h.over(booked, "parked")

	d := h.dialled(rep2, "rep2", "701")
	hears(t, "the caller", k.caller, repHz["rep2"])
	hears(t, "rep2", d, callerHz)
	d.Hangup()
	h.over(k.id, "answered")
}
