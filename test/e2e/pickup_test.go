package e2e

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/softphone"
)

// TestPickUp: a colleague's phone rings, another rep takes the call there, and
// then a third takes over.
func TestPickUp(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1, rep2, rep3 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual), h.rep("rep3", softphone.Manual)
	caller := h.dials(h.callers(), rings1)
	at := offeredTo(t, "rep1", rep1)
	at.Ring()
	if err := caller.WaitRinging(within(t, 15*time.Second)); err != nil {
		t.Fatal(err)
	}
	id := h.newCall()

	take := func(p *softphone.Phone, who string, place *softphone.Dialog) *softphone.Dialog {
		d, err := p.Call(within(t, 15*time.Second), "pickup", softphone.WithHeader("Replaces", place.Replaces()), softphone.WithHeader("Require", "replaces"))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.WaitAnswered(within(t, 15*time.Second)); err != nil {
			t.Fatalf("%s: %v", who, err)
		}
		hears(t, "the caller", caller, repHz[who])
		hears(t, who, d, callerHz)
		return d
	}
	second := take(rep2, "rep2", at)
	if e := ends(t, "rep1's phone", at); e.Why != softphone.Cancelled || !e.Remote {
		t.Errorf("rep1: %+v", e)
	}
	third := take(rep3, "rep3", second)
	if e := ends(t, "rep2", second); e.Why != softphone.Bye || !e.Remote {
		t.Errorf("rep2: %+v", e)
	}
	neverHeard(t, "the caller", caller, repHz["rep1"])
	third.Hangup()
	h.over(id, "answered")
}

// takes has a phone take over what a lamp names: nothing else is known to it.
func (h *hub) takes(p *softphone.Phone, replaces string) *softphone.Dialog {
	h.t.Helper()
	d, err := p.Call(within(h.t, 5*time.Second), "pickup", softphone.WithHeader("Replaces", replaces), softphone.WithHeader("Require", "replaces"))
	if err != nil {
		h.t.Fatal(err)
	}
	if err := d.WaitAnswered(within(h.t, 5*time.Second)); err != nil {
		h.t.Fatal(err)
	}
	return d
}

// A colleague's lamp names the dialog by which the call can be taken: while their
// phone rings, and while they talk.
func TestPickUpByLamp(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1, rep2, rep3 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual), h.rep("rep3", softphone.Manual)
	first, second := h.lamp(rep2, "rep1"), h.lamp(rep3, "rep2")
	caller := h.dials(h.callers(), rings1)
	at := offeredTo(t, "rep1", rep1)
	at.Ring()
	id := h.newCall()

	d2 := h.takes(rep2, first.names("early"))
	hears(t, "the caller", caller, repHz["rep2"])
	hears(t, "rep2", d2, callerHz)
	if e := ends(t, "rep1's phone", at); e.Why != softphone.Cancelled || !e.Remote {
		t.Errorf("rep1: %+v", e)
	}
	n := second.shows("confirmed")
	for n.Replaces == "" {
		n = second.shows("confirmed")
	}
	if n.Direction != "initiator" { // rep2's phone placed the INVITE
		t.Errorf("%s", n.Body)
	}
	d3 := h.takes(rep3, n.Replaces)
	hears(t, "the caller", caller, repHz["rep3"])
	if e := ends(t, "rep2", d2); e.Why != softphone.Bye || !e.Remote {
		t.Errorf("rep2: %+v", e)
	}
	neverHeard(t, "the caller", caller, repHz["rep1"])
	d3.Hangup()
	h.over(id, "answered")
}

// A slot's lamp names the dialog of who waits in it.
func TestRetrieveByLamp(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep3 := h.rep("rep3", softphone.Manual)
	slot := h.lamp(rep3, "701")
	caller := h.calls(h.callers(), parks)
	id := h.newCall()
	d := h.takes(rep3, slot.names("confirmed"))
	hears(t, "the caller", caller, repHz["rep3"])
	hears(t, "rep3", d, callerHz)
	d.Hangup()
	h.over(id, "answered")
}
