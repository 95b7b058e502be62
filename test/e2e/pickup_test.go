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
	if err := caller.WaitRinging(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	id := h.newCall()

	take := func(p *softphone.Phone, who string, place *softphone.Dialog) *softphone.Dialog {
		d, err := p.Call(within(t, 5*time.Second), "pickup", softphone.WithHeader("Replaces", place.Replaces()), softphone.WithHeader("Require", "replaces"))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.WaitAnswered(within(t, 5*time.Second)); err != nil {
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
