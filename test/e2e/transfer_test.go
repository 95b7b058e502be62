package e2e

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/softphone"
	"github.com/callyard/callyard/parking"
)

// otherHz is a second caller's tone, by which it is told from the first one's.
const otherHz = 750

// talk is a caller and a rep who hear each other.
type talk struct {
	id     call.ID
	caller *softphone.Dialog
	rep    *softphone.Dialog
	name   string // of the rep
	hz     int    // of the caller
}

// talks brings a caller and rep1 together, and waits until they hear each other.
func (h *hub) talks(trunk, rep1 *softphone.Phone, hz int) talk {
	h.t.Helper()
	caller, err := trunk.Call(within(h.t, 5*time.Second), rings1, softphone.From(fmt.Sprintf("+1202555%04d", hz), ""), softphone.Tone(hz))
	if err != nil {
		h.t.Fatal(err)
	}
	at := offeredTo(h.t, "rep1", rep1)
	at.Ring()
	if err := at.Answer(); err != nil {
		h.t.Fatal(err)
	}
	if err := caller.WaitAnswered(within(h.t, 5*time.Second)); err != nil {
		h.t.Fatal(err)
	}
	k := talk{id: h.newCall(), caller: caller, rep: at, name: "rep1", hz: hz}
	k.together(h.t)
	return k
}

// together checks that both hear each other.
func (k talk) together(t *testing.T) {
	t.Helper()
	hears(t, "the caller", k.caller, repHz[k.name])
	hears(t, k.name, k.rep, k.hz)
}

// refers transfers the caller to where number leads, and is told the end of it.
func (k talk) refers(t *testing.T, number string) softphone.Referred {
	t.Helper()
	r, err := k.rep.Refer(within(t, 20*time.Second), number)
	if err != nil {
		t.Fatalf("refer to %s: %v", number, err)
	}
	return r
}

// dialled retrieves by dialling the slot and returns the rep's leg.
func (h *hub) dialled(p *softphone.Phone, who, slot string) *softphone.Dialog {
	h.t.Helper()
	d := h.dials(p, slot)
	if err := d.WaitAnswered(within(h.t, 5*time.Second)); err != nil {
		h.t.Fatalf("%s dials %s: %v", who, slot, err)
	}
	return d
}

// parked is what is in slots now, of one call or of all ("").
func (h *hub) parked(id call.ID) []parking.Park {
	h.t.Helper()
	list, err := h.Lots.Live(h.t.Context(), parking.Filter{Call: id})
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

// onlyPark is the call's only live park.
func (h *hub) onlyPark(id call.ID) parking.Park {
	h.t.Helper()
	list := h.parked(id)
	if len(list) != 1 {
		h.t.Fatalf("%d live parks of %s, want one: %+v", len(list), id, list)
	}
	return list[0]
}

// neverHeard checks that a tone did not reach somebody, in the whole call.
func neverHeard(t *testing.T, who string, d *softphone.Dialog, hz int) {
	t.Helper()
	for _, s := range d.Heard() {
		if math.Abs(s.Hz-float64(hz)) < 20 {
			t.Errorf("%s heard %v", who, s)
		}
	}
}

func TestTransferToTheLotParks(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1, rep2 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual)
	trunk := h.callers()

	k := h.talks(trunk, rep1, callerHz)
	since := time.Now()
	if r := k.refers(t, "700"); r.Status != 200 {
		t.Fatalf("the final NOTIFY says %d %s", r.Status, r.Reason)
	}
	park := h.onlyPark(k.id) // the NOTIFY comes after the commit
	if park.Parker != "rep1" || park.Via != "refer" || park.Slot < 701 || park.Slot > 705 {
		t.Errorf("parked by %q via %q in %d", park.Parker, park.Via, park.Slot)
	}
	hears(t, "the parked caller", k.caller, musicHz)
	if e := ends(t, "rep1", k.rep); e.Why != softphone.Bye || !e.Remote {
		t.Errorf("rep1's leg: %+v", e)
	}
	spoken := slices.ContainsFunc(k.rep.HeardSince(since), func(s softphone.Segment) bool { return s.Hz == 0 && s.To.Sub(s.From) > 200*time.Millisecond })
	if !spoken {
		t.Error("rep1 should be told the number of the slot:", k.rep.HeardSince(since))
	}

	d := h.dialled(rep2, "rep2", strconv.Itoa(park.Slot))
	hears(t, "the caller", k.caller, repHz["rep2"])
	hears(t, "rep2", d, callerHz)

	t.Run("and is parked again, in a slot of the rep's choice", func(t *testing.T) {
		k := talk{id: k.id, caller: k.caller, rep: d, name: "rep2", hz: callerHz}
		if r := k.refers(t, "703"); r.Status != 200 {
			t.Fatalf("the final NOTIFY says %d %s", r.Status, r.Reason)
		}
		again := h.onlyPark(k.id)
		if again.Slot != 703 || again.Parker != "rep2" || again.ID == park.ID {
			t.Errorf("%+v", again)
		}
		hears(t, "the caller", k.caller, musicHz)
		ends(t, "rep2", d)
		d = h.dialled(rep2, "rep2", "703")
		hears(t, "the caller", k.caller, repHz["rep2"])
		hears(t, "rep2", d, callerHz)
	})

	k.caller.Hangup()
	ends(t, "rep2", d)
	events := h.over(k.id, "answered")
	if got := h.parkReasons(k.id); !slices.Equal(got, []string{"retrieved_other", "retrieved_parker"}) {
		t.Error(got)
	}
	var talked int
	for _, e := range events {
		if e.Type == call.Connected {
			talked++
		}
	}
	if talked != 3 {
		t.Errorf("%d conversations in the ledger, want 3", talked)
	}

	r := h.report("parker")
	if r.Parks.Attempts != 2 || r.Parks.Calls != 1 || r.Parks.Answer.N != 2 || r.Parks.Outcomes["retrieved_other"] != 1 || r.Parks.Outcomes["retrieved_parker"] != 1 {
		t.Errorf("park to answer: %+v", r.Parks)
	}
	if len(r.Groups) != 2 || r.Groups[0].Key != "rep1" || r.Groups[1].Key != "rep2" {
		t.Errorf("by parker: %+v", r.Groups)
	}
}

func TestTransferIntoAnOccupiedSlot(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1, rep2 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual)
	trunk := h.callers()

	waiting := h.talks(trunk, rep1, otherHz)
	if r := waiting.refers(t, "703"); r.Status != 200 {
		t.Fatalf("%d %s", r.Status, r.Reason)
	}
	ends(t, "rep1", waiting.rep)
	parkedAt := h.onlyPark(waiting.id).ParkedAt

	k := h.talks(trunk, rep1, callerHz)
	r := k.refers(t, "703")
	if r.Status != 486 || !strings.Contains(r.Fragment, "703") || !strings.Contains(r.Fragment, "…750") {
		t.Errorf("refused with the slot and whose call is in it: %q", r.Fragment)
	}
	k.together(t)
	hears(t, "who is in the slot", waiting.caller, musicHz)
	if !h.onlyPark(waiting.id).ParkedAt.Equal(parkedAt) {
		t.Error("the clock of the call in the slot goes on")
	}

	d := h.dialled(rep2, "rep2", "703")
	hears(t, "who was in the slot", waiting.caller, repHz["rep2"])
	neverHeard(t, "the first caller", waiting.caller, callerHz)
	neverHeard(t, "the second caller", k.caller, otherHz)

	waiting.caller.Hangup()
	ends(t, "rep2", d)
	k.rep.Hangup()
	ends(t, "the caller", k.caller)
	h.over(waiting.id, "answered")
	events := h.over(k.id, "answered")
	if got := h.parkReasons(k.id); len(got) != 0 {
		t.Error("never in a slot:", got)
	}
	if !slices.ContainsFunc(events, func(e call.Event) bool { return e.Type == call.ParkRefused }) {
		t.Error("the refusal should be in the ledger")
	}
}

func TestFullLot(t *testing.T) {
	t.Parallel()
	h := start(t, `
flows:
  - schema: callflow/v1
    name: parks-or-not
    entry: answer
    handlers: {hangup: bye, error: bye}
    nodes:
      answer: {type: answer, on: {default: park}}
      park: {type: park, cfg: {lot: sales, max_park_s: 60, ladder: [{after_s: 60, do: goto, outcome: expired}]}, on: {full: sorry, default: bye}}
      sorry: {type: voicemail, cfg: {box: sales}, on: {default: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
numbers:
  - {number: "+12025550130", flow: parks-or-not}
`)
	rep1 := h.rep("rep1", softphone.Manual)
	trunk := h.callers()
	slots := map[int]bool{}
	for range 5 {
		h.calls(trunk, parks)
		id := h.newCall()
		h.told(id, call.Parked)
		slots[h.onlyPark(id).Slot] = true
	}
	if len(slots) != 5 {
		t.Fatalf("five calls in %v", slots)
	}

	t.Run("a transfer to it is refused and both stay together", func(t *testing.T) {
		k := h.talks(trunk, rep1, otherHz)
		if r := k.refers(t, "700"); r.Status != 486 {
			t.Errorf("%q", r.Fragment)
		}
		k.together(t)
		k.rep.Hangup()
		ends(t, "the caller", k.caller)
		h.over(k.id, "answered")
	})
	t.Run("a flow is told that it is full", func(t *testing.T) {
		caller := h.calls(trunk, "+12025550130")
		id := h.newCall()
		eventually(t, "the flow goes on to voicemail", func() bool { return h.recording("sales", id) })
		caller.Hangup()
		h.told(id, call.Ended)
		events, err := h.Book.Timeline(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(events, func(e call.Event) bool {
			return e.Type == call.FlowDecided && e.Data["type"] == "park" && e.Data["outcome"] == "full"
		}) {
			t.Errorf("%+v", events)
		}
	})
}

func TestParkByKeysAndOverTheAPI(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1 := h.rep("rep1", softphone.Manual)
	trunk := h.callers()

	back := func(t *testing.T, k talk, park parking.Park) {
		t.Helper()
		hears(t, "the parked caller", k.caller, musicHz)
		ends(t, "rep1", k.rep)
		d := h.dialled(rep1, "rep1", strconv.Itoa(park.Slot))
		hears(t, "the caller", k.caller, repHz["rep1"])
		hears(t, "rep1", d, k.hz)
		k.caller.Hangup()
		ends(t, "rep1", d)
		h.over(k.id, "answered")
		if got := h.parkReasons(k.id); !slices.Equal(got, []string{"retrieved_parker"}) {
			t.Error(got)
		}
	}
	t.Run("the rep presses *7", func(t *testing.T) {
		k := h.talks(trunk, rep1, callerHz)
		if err := k.rep.SendDigits(within(t, 15*time.Second), "*7"); err != nil && !errors.Is(err, softphone.ErrEnded) {
			t.Fatal(err)
		}
		h.told(k.id, call.Parked)
		park := h.onlyPark(k.id)
		if park.Parker != "rep1" || park.Via != "feature" {
			t.Errorf("%+v", park)
		}
		back(t, k, park)
	})
	t.Run("a program parks", func(t *testing.T) {
		k := h.talks(trunk, rep1, callerHz)
		park, err := h.Hub.Park(within(t, 15*time.Second), k.id, "sales", 704, call.Actor{Via: "rest"})
		if err != nil {
			t.Fatal(err)
		}
		if park.Slot != 704 || park.Parker != "rep1" || park.Via != "rest" {
			t.Errorf("%+v", park)
		}
		if _, err := h.Hub.Park(within(t, 15*time.Second), k.id, "sales", 705, call.Actor{Via: "rest"}); err == nil {
			t.Error("a parked call cannot be parked once more")
		}
		back(t, k, park)
	})
	t.Run("over REST", func(t *testing.T) {
		k := h.talks(trunk, rep1, callerHz)
		var made struct {
			ID     string
			Slot   int
			Parker string
		}
		h.post(http.StatusCreated, "/v1/parked_calls", map[string]any{"call_id": k.id, "lot": "sales"}, &made)
		park := h.onlyPark(k.id)
		if park.ID != made.ID || park.Slot != made.Slot || made.Parker != "rep1" {
			t.Errorf("answered %+v, parked %+v", made, park)
		}
		back(t, k, park)
	})
}

func TestTwoParksOfOneCallAtOnce(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1, rep2 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual)
	k := h.talks(h.callers(), rep1, callerHz)

	other := make(chan error, 1)
	go func() {
		_, err := h.Hub.Park(within(t, 15*time.Second), k.id, "sales", 0, call.Actor{User: "rep1", Via: "rest"})
		other <- err
	}()
	r, err := k.rep.Refer(within(t, 20*time.Second), "700")
	won := 0
	if err == nil && r.Status == 200 {
		won++
	}
	if <-other == nil {
		won++
	}
	if won != 1 {
		t.Errorf("%d parks of one call took place: %+v %v", won, r, err)
	}
	park := h.onlyPark(k.id)
	hears(t, "the caller", k.caller, musicHz)
	d := h.dialled(rep2, "rep2", strconv.Itoa(park.Slot))
	hears(t, "the caller", k.caller, repHz["rep2"])
	k.caller.Hangup()
	ends(t, "rep2", d)
	h.over(k.id, "answered")
	if got := h.parkReasons(k.id); !slices.Equal(got, []string{"retrieved_other"}) {
		t.Error(got)
	}
}

func TestTransferToAColleague(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1, rep2 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual)
	k := h.talks(h.callers(), rep1, callerHz)

	told := make(chan softphone.Referred, 1)
	refer := func(to string) {
		go func() {
			r, err := k.rep.Refer(within(t, 20*time.Second), to)
			if err != nil {
				t.Error(err)
			}
			told <- r
		}()
	}
	refer("202")
	offeredTo(t, "rep2", rep2).Reject(486)
	if r := <-told; r.Status != 486 {
		t.Errorf("busy: %+v", r)
	}
	k.together(t)

	refer("299")
	if r := <-told; r.Status != 404 {
		t.Errorf("nobody has the number: %+v", r)
	}
	k.together(t)

	refer("202")
	at := offeredTo(t, "rep2", rep2)
	at.Ring()
	k.together(t) // while the colleague's phone rings
	if err := at.Answer(); err != nil {
		t.Fatal(err)
	}
	if r := <-told; r.Status != 200 {
		t.Errorf("answered: %+v", r)
	}
	hears(t, "the caller", k.caller, repHz["rep2"])
	hears(t, "rep2", at, callerHz)
	if e := ends(t, "rep1", k.rep); !e.Remote {
		t.Errorf("rep1 is let go: %+v", e)
	}
	k.caller.Hangup()
	ends(t, "rep2", at)
	h.over(k.id, "answered")
}
