package e2e

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/softphone"
)

// recalls is the lot with a ladder that calls the parker back, as soon as one may.
func recalls(bounce string) string {
	return `
lots:
  - name: sales
    extension: "700"
    first: 701
    last: 705
    music: tone440
    cool_down_s: 0
    bounce_s: ` + bounce + `
    on_expired: "voicemail:sales"
    ladder:
      - {after_s: 5, do: recall, to: parker, ring_s: 10}
      - {after_s: 300, do: goto, outcome: expired}
`
}

// recalled waits until the parker's phone rings for the call.
func recalled(t *testing.T, rep1 *softphone.Phone, slot int) *softphone.Dialog {
	t.Helper()
	at := offeredTo(t, "the parker", rep1)
	at.Ring()
	// The step is due after 5 s; a busy machine carries it out a little later.
	if shown := at.From().Display; !regexp.MustCompile(`^` + strconv.Itoa(slot) + ` 0:0[5-9] `).MatchString(shown) {
		t.Errorf("the phone shows %q, without the slot and its age", shown)
	}
	if got := at.Header("Diversion"); !strings.Contains(got, "sip:"+strconv.Itoa(slot)+"@") {
		t.Errorf("Diversion: %q", got)
	}
	return at
}

func TestParkerIsRecalled(t *testing.T) {
	t.Parallel()
	h := start(t, recalls("1"))
	rep1 := h.rep("rep1", softphone.Manual)
	k := h.talks(h.callers(), rep1, callerHz)
	if r := k.refers(t, "700"); r.Status != 200 {
		t.Fatalf("%+v", r)
	}
	park := h.onlyPark(k.id)
	at := recalled(t, rep1, park.Slot)
	if err := at.Answer(); err != nil {
		t.Fatal(err)
	}
	hears(t, "the caller", k.caller, repHz["rep1"])
	hears(t, "the parker", at, callerHz)
	took := h.told(k.id, call.ParkRetrieved) // when the time for second thoughts is over
	if took.Actor.User != "rep1" || took.Actor.Via != "recall" {
		t.Errorf("%+v", took.Actor)
	}
	hears(t, "the caller", k.caller, repHz["rep1"])

	at.Hangup()
	ends(t, "the caller", k.caller)
	h.over(k.id, "answered")
	if got := h.parkReasons(k.id); !slices.Equal(got, []string{"retrieved_recall"}) {
		t.Error(got)
	}
}

func TestRecalledParkerPutsThePhoneDown(t *testing.T) {
	t.Parallel()
	h := start(t, recalls("5"))
	rep1, rep2 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual)
	k := h.talks(h.callers(), rep1, callerHz)
	if r := k.refers(t, "702"); r.Status != 200 {
		t.Fatalf("%+v", r)
	}
	park := h.onlyPark(k.id)
	at := recalled(t, rep1, park.Slot)
	if err := at.Answer(); err != nil {
		t.Fatal(err)
	}
	hears(t, "the caller", k.caller, repHz["rep1"])
	at.Hangup()
	hears(t, "the caller, in the slot again,", k.caller, musicHz)
	h.told(k.id, call.ParkReleased)
	again := h.onlyPark(k.id)
	if again.ID != park.ID || again.Slot != 702 || !again.ParkedAt.Equal(park.ParkedAt) || again.State != "parked" {
		t.Errorf("the same park goes on: was %+v, is %+v", park, again)
	}

	d := h.dialled(rep2, "rep2", "702")
	hears(t, "the caller", k.caller, repHz["rep2"])
	hears(t, "rep2", d, callerHz)
	k.caller.Hangup()
	ends(t, "rep2", d)
	h.over(k.id, "answered")
	if got := h.parkReasons(k.id); !slices.Equal(got, []string{"retrieved_other"}) {
		t.Error(got)
	}
	if took := h.told(k.id, call.ParkRetrieved); took.Age < 5*time.Second {
		t.Errorf("parked for %v by the ledger: the original clock goes on", took.Age)
	}
}
