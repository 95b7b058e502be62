package e2e

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/internal/softphone"
)

// lamp is a key of a phone with a lamp beside it.
type lamp struct {
	*softphone.Subscription
	t       *testing.T
	code    string
	version int // of the next notice
	last    string
}

// lamp subscribes a phone to a lamp, which must be dark.
func (h *hub) lamp(p *softphone.Phone, code string) *lamp {
	h.t.Helper()
	s, err := p.Subscribe(within(h.t, 5*time.Second), "dialog", code, 10*time.Minute)
	if err != nil {
		h.t.Fatal(err)
	}
	l := &lamp{Subscription: s, t: h.t, code: code}
	l.shows("terminated")
	return l
}

// shows waits for the lamp to look so; each notice must be of the next version. What
// it showed before may be told again with more to it: a dialog to be taken over.
func (l *lamp) shows(state string) softphone.Notice {
	l.t.Helper()
	for {
		n, err := l.Next(within(l.t, 20*time.Second))
		if err != nil {
			l.t.Fatalf("lamp %s should be %s: %v", l.code, state, err)
		}
		if n.Version != l.version || !n.Full || n.State != state && n.State != l.last {
			l.t.Fatalf("lamp %s, want %s of version %d:\n%s", l.code, state, l.version, n.Body)
		}
		l.version++
		if n.State == state {
			l.last = state
			return n
		}
	}
}

// names waits for the dialog to be taken over, and returns the Replaces for it.
func (l *lamp) names(state string) string {
	l.t.Helper()
	n := l.shows(state)
	for n.Replaces == "" {
		n = l.shows(state)
	}
	return n.Replaces
}

// The lamp of a slot: dark; lit when a call is parked, with the caller's number;
// blinking from half of the time until the first step; dark when it was taken.
func TestLampsOfASlotAndItsLot(t *testing.T) {
	t.Parallel()
	h := start(t, `
flows:
  - schema: callflow/v1
    name: parks
    entry: answer
    handlers: {hangup: bye, error: bye}
    nodes:
      answer: {type: answer, on: {default: park}}
      park: {type: park, cfg: {lot: sales, max_park_s: 60, ladder: [{after_s: 8, do: remind, to: parker}, {after_s: 60, do: goto, outcome: expired}]}, on: {retrieved: bye, expired: bye, default: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
`)
	rep2, rep3 := h.rep("rep2", softphone.Manual), h.rep("rep3", softphone.Manual)
	slot, lot := h.lamp(rep3, "701"), h.lamp(rep3, "700")

	caller := h.calls(h.callers(), parks)
	id := h.newCall()
	lit := slot.shows("confirmed")
	parked := h.told(id, call.Parked)
	if !strings.HasPrefix(lit.Remote, "sip:carrier@") {
		t.Errorf("the phone should show who waits:\n%s", lit.Body)
	}
	if n := lot.shows("confirmed"); n.Display != "1 waiting" {
		t.Errorf("%s", n.Body)
	}
	h.apply(`
agents:
  - {name: rep4, display: "Renamed", extension: "204", teams: [alternates]}
`) // a change of the configuration touches no subscription
	blinks := slot.shows("early")
	if after := blinks.At.Sub(parked.At); after < 4*time.Second {
		t.Errorf("blinks after %s, want 4 s, half of 8 s", after)
	}
	lot.shows("early")
	rep := h.dialled(rep2, "rep2", "701")
	// While it is being taken it need not blink; that may be over before it is told.
	for _, l := range []*lamp{slot, lot} {
		n, err := l.Next(within(t, 15*time.Second))
		if l.version++; err == nil && n.State == "confirmed" {
			n, err = l.Next(within(t, 15*time.Second))
			l.version++
		}
		if err != nil || n.State != "terminated" || n.Version != l.version-1 {
			t.Fatalf("lamp %s after the call was taken: %v\n%s", l.code, err, n.Body)
		}
	}
	rep.Hangup()
	ends(t, "the caller", caller)
	h.over(id, "answered")
	if err := slot.Renew(within(t, 15*time.Second), 0); err != nil {
		t.Fatal(err)
	}
	if n := slot.shows("terminated"); !strings.HasPrefix(n.Subscription, "terminated") {
		t.Error(n.Subscription)
	}
}

// A lot that gets other numbers leaves dark lamps behind, and nothing is dropped.
func TestLampsOfALotThatIsRenumbered(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep3 := h.rep("rep3", softphone.Manual)
	old := h.lamp(rep3, "701")
	later := h.lamp(rep3, "801") // nothing yet
	h.apply(`
lots:
  - {name: sales, extension: "800", first: 801, last: 805, music: tone440}
`)
	caller := h.calls(h.callers(), parks)
	later.shows("confirmed")
	caller.Hangup()
	later.shows("terminated")
	if err := old.Renew(within(t, 15*time.Second), time.Minute); err != nil {
		t.Fatal(err)
	}
	old.shows("terminated")
}

func TestLampOfARep(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1, rep2 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual)
	byName, byExtension := h.lamp(rep2, "rep1"), h.lamp(rep2, "201")
	caller := h.dials(h.callers(), rings1)
	in := offeredTo(t, "rep1", rep1)
	in.Ring()
	for _, l := range []*lamp{byName, byExtension} {
		if n := l.shows("early"); !strings.HasPrefix(n.Remote, "sip:carrier@") {
			t.Errorf("%s", n.Body)
		}
	}
	if err := in.Answer(); err != nil {
		t.Fatal(err)
	}
	byName.shows("confirmed")
	byExtension.shows("confirmed")
	caller.Hangup()
	byName.shows("terminated")
	byExtension.shows("terminated")
}

func TestLampsAreForReps(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep2 := h.rep("rep2", softphone.Manual)
	_, err := rep2.Subscribe(within(t, 15*time.Second), "presence", "701", time.Minute)
	var refused *softphone.StatusError
	if !errors.As(err, &refused) || refused.Status != 489 || refused.Header.Get("Allow-Events") == "" {
		t.Errorf("%v", err)
	}
	stranger := h.phone(softphone.Config{Hub: h.sip, User: "rep1", Password: "wrong"})
	if _, err := stranger.Subscribe(within(t, 15*time.Second), "dialog", "701", time.Minute); !errors.As(err, &refused) || refused.Status != 401 {
		t.Errorf("%v", err)
	}
}

// A lamp does not care which node has the call.
func TestLampsOfAnotherNode(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shared := func(c *config.Config) { c.Database = url }
	here, there := start(t, "", shared), start(t, "", shared)
	slot := here.lamp(here.rep("rep3", softphone.Manual), "701")
	caller := there.calls(there.callers(), parks)
	id := there.newCall()
	slot.shows("confirmed")
	caller.Hangup()
	slot.shows("terminated")
	there.over(id, "abandoned")
}
