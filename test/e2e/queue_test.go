package e2e

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/softphone"
	"github.com/callyard/callyard/queues"
)

// line is a number whose calls wait in a queue of rep3 and rep4, the one who has
// been idle the longest first.
func line(wrapUp string) string {
	return `
queues:
  - {name: sales, strategy: longest_idle, music: tone440, ring_s: 3, retry_s: 0.2, wrap_up_s: ` + wrapUp + `, agents: [{agent: rep3}, {agent: rep4}]}
flows:
  - schema: callflow/v1
    name: lines
    entry: answer
    handlers: {hangup: bye, error: bye}
    nodes:
      answer: {type: answer, on: {default: queue}}
      queue: {type: queue, cfg: {queue: sales, max_wait_s: 30}, on: {answered: bye, no_agents: mail, default: bye}}
      mail: {type: voicemail, cfg: {box: sales}, on: {default: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
numbers:
  - {number: "+12025550140", flow: lines}
`
}

const lines = "+12025550140"

// missed are the offers that were not taken, as "agent why".
func missed(events []call.Event) []string {
	var out []string
	for _, e := range events {
		if e.Type == call.OfferMissed {
			why, _ := e.Data["why"].(string)
			out = append(out, e.Actor.User+" "+why)
		}
	}
	return out
}

// state waits until an agent is in a state.
func (h *hub) state(agent string, want queues.State) {
	h.t.Helper()
	var is queues.State
	ctx := within(h.t, 10*time.Second)
	eventually(h.t, agent+" is "+string(want), func() bool {
		a, err := h.Agents.Agent(ctx, agent)
		if err != nil {
			h.t.Fatal(err)
		}
		is = a.State
		return is == want
	})
}

func TestOneAgentAfterTheOther(t *testing.T) {
	t.Parallel()
	h := start(t, line("-1"))
	rep3, rep4 := h.rep("rep3", softphone.Manual), h.rep("rep4", softphone.Manual)
	caller := h.calls(h.callers(), lines)
	id := h.newCall()

	ring := func() (string, *softphone.Dialog) {
		t.Helper()
		select {
		case d := <-rep3.Incoming():
			return "rep3", d
		case d := <-rep4.Incoming():
			return "rep4", d
		case <-within(t, 20*time.Second).Done():
			t.Fatal("nobody's phone rings")
			return "", nil
		}
	}
	alone := func(who string) {
		t.Helper()
		if n := len(rep3.Dialogs()) + len(rep4.Dialogs()); n != 1 {
			t.Errorf("%d phones ring beside %s's", n-1, who)
		}
	}
	first, at := ring()
	at.Ring()
	hears(t, "the caller in line", caller, musicHz)
	alone(first)
	// The phone stops by the INVITE's Expires or by our CANCEL, whichever it sees first.
	if e := ends(t, first, at); e.Why != softphone.Cancelled && e.Why != softphone.TimedOut || strings.Contains(e.Text, "elsewhere") {
		t.Errorf("nobody else has answered: %+v", e)
	}
	second, at := ring()
	if second == first {
		t.Errorf("%s missed the call and is asked again before the other", first)
	}
	alone(second)
	at.Reject(486)
	third, at := ring()
	at.Reject(603)
	_, at = ring()
	if err := at.Answer(); err != nil {
		t.Fatal(err)
	}
	last := h.told(id, call.OfferAnswered).Actor.User
	hears(t, "the caller", caller, repHz[last])
	hears(t, last, at, callerHz)
	at.Hangup()
	ends(t, "the caller", caller)
	events := h.over(id, "answered")
	if got := missed(events); !slices.Equal(got, []string{first + " no_answer", second + " busy", third + " rejected"}) {
		t.Error(got)
	}
}

func TestEverybodyRings(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1, rep2 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual)
	caller := h.calls(h.callers(), queue)
	id := h.newCall()
	at1, at2 := offeredTo(t, "rep1", rep1), offeredTo(t, "rep2", rep2)
	at1.Ring()
	at2.Ring()
	hears(t, "the caller in line", caller, musicHz)
	if err := at2.Answer(); err != nil {
		t.Fatal(err)
	}
	hears(t, "the caller", caller, repHz["rep2"])
	hears(t, "rep2", at2, callerHz)
	e := ends(t, "rep1", at1)
	if reason := e.Header.Get("Reason"); e.Why != softphone.Cancelled || !strings.Contains(reason, "cause=200") || !strings.Contains(reason, "Call completed elsewhere") {
		t.Errorf("%+v", e)
	}
	h.state("rep1", queues.Idle)
	caller.Hangup()
	ends(t, "rep2", at2)
	events := h.over(id, "answered")
	if got := missed(events); len(got) != 0 {
		t.Error("who was not the quickest has missed nothing:", got)
	}
}

func TestNobodyLoggedIn(t *testing.T) {
	t.Parallel()
	h := start(t, line("-1"))
	for _, name := range []string{"rep3", "rep4"} {
		if err := h.Agents.SetStatus(t.Context(), name, queues.Offline, "", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	caller := h.calls(h.callers(), lines)
	id := h.newCall()
	eventually(t, "the flow goes on to voicemail", func() bool { return h.recording("sales", id) })
	caller.Hangup()
	h.told(id, call.Ended)
	events, err := h.Book.Timeline(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(events, func(e call.Event) bool {
		return e.Type == call.FlowDecided && e.Data["type"] == "queue" && e.Data["outcome"] == "no_agents"
	}) {
		t.Errorf("%+v", events)
	}
}

func TestWrapUp(t *testing.T) {
	t.Parallel()
	h := start(t, line("2"))
	rep3 := h.rep("rep3", softphone.Manual)
	trunk := h.callers()
	caller := h.calls(trunk, lines)
	id := h.newCall()
	at := offeredTo(t, "rep3", rep3)
	if err := at.Answer(); err != nil {
		t.Fatal(err)
	}
	hears(t, "the caller", caller, repHz["rep3"])
	waiting := h.calls(trunk, lines)
	second := h.newCall()
	hears(t, "who waits in line", waiting, musicHz)
	caller.Hangup()
	ends(t, "rep3", at)
	h.state("rep3", queues.WrapUp)
	at = offeredTo(t, "rep3", rep3)
	parted, offered := h.told(id, call.Parted).At, h.told(second, call.OfferMade).At
	if pause := offered.Sub(parted); pause < 1900*time.Millisecond {
		t.Errorf("the next call comes %v after the last, wrap-up is 2 s", pause)
	}
	if err := at.Answer(); err != nil {
		t.Fatal(err)
	}
	hears(t, "who waited", waiting, repHz["rep3"])
	waiting.Hangup()
	ends(t, "rep3", at)
	h.over(id, "answered")
	h.over(second, "answered")
}

// A direct call finds busy, declined and absent phones: the caller is told which.
func TestBusyDeclinedAbsent(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	trunk := h.callers()
	result := func(d *softphone.Dialog) *softphone.StatusError {
		t.Helper()
		var refused *softphone.StatusError
		err := d.WaitAnswered(within(t, 20*time.Second))
		if !errors.As(err, &refused) {
			t.Fatalf("the call should fail: %v", err)
		}
		return refused
	}
	d := h.dials(trunk, rings1)
	if r := result(d); r.Status != 480 {
		t.Errorf("no phone: %v", r)
	}
	h.over(h.newCall(), "abandoned")

	rep1 := h.rep("rep1", softphone.Manual)
	d = h.dials(trunk, rings1)
	offeredTo(t, "rep1", rep1).Reject(486)
	if r := result(d); r.Status != 486 {
		t.Errorf("busy: %v", r)
	}
	h.over(h.newCall(), "refused")

	d = h.dials(trunk, rings1)
	offeredTo(t, "rep1", rep1).Reject(603)
	if r := result(d); r.Status != 480 {
		t.Errorf("declined: %v", r)
	}
	h.over(h.newCall(), "abandoned")
	h.state("rep1", queues.Idle)
}
