package callctl_test

import (
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/callback"
	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// lined is a flow that waits in the queue of sales; 1 asks to be called back.
const lined = `"in": {"type": "queue", "cfg": {"queue": "sales", "exit_keys": {"1": "callback"}}, "on": {"callback_requested": "cb", "default": "bye"}},
	"cb": {"type": "callback", "cfg": {"retry_s": 60}, "on": {"scheduled": "bye", "default": "sorry"}},
	"sorry": {"type": "play", "cfg": {"prompt": "sorry"}, "on": {"next": "bye"}}`

// owing has a caller ask for a callback while ann talks to another.
func (r *rig) owing(flow string) (first call.ID) {
	r.t.Helper()
	r.flow(flow)
	r.serve(queues.Queue{Name: "sales"}, "ann")
	r.phone.has("ann", answersAfter(time.Second))
	r.phone.has(outside, answersAfter(100*time.Millisecond))
	r.dials("ann", outside) // she talks
	r.pass(time.Second)
	p := r.calls()
	r.pass(20 * time.Second)
	first = r.book.lastBegun()
	p.press("1")
	r.pass(time.Second)
	r.is("caller's leg", p.over(), true)
	return first
}

func TestCallingBack(t *testing.T) {
	free := func(r *rig) { // ann's own call is over, and her wrap-up
		r.inbound[0].hangUp()
		r.pass(10 * time.Second)
	}
	t.Run("the rep first, in the caller's turn; then the two are joined", func(t *testing.T) {
		story(t, func(r *rig) {
			first := r.owing(lined)
			r.phone.has(caller, answersAfter(3*time.Second))
			r.pass(30 * time.Second)
			r.is("promise", r.kept(), "calling after 0 of 2: ")
			w, _ := r.lines.Waiting(t.Context(), "sales")
			r.is("in line", len(w), 1)
			r.is("its clock", w[0].JoinedAt.Before(time.Now().Add(-45*time.Second)), true)
			free(r)
			r.pass(2 * time.Second)
			ann := r.phone.calls("ann")[0]
			r.hear(ann, "music:ringback")
			r.is("ann's phone shows", ann.inv.Display, "Call back: "+caller)
			r.is("ann", r.state("ann"), queues.Talking)
			r.pass(3 * time.Second)
			them := r.phone.calls(caller)[0]
			r.talking(ann, them)
			r.pass(10 * time.Second)
			them.hangUp()
			r.pass(time.Second)
			r.is("ann", r.state("ann"), queues.WrapUp)
			r.is("promise", r.kept(), "done after 1 of 2: connected")
			id := r.promise().Last
			r.outcome(id, "answered")
			c, _ := r.book.closing(id)
			r.is("answered by", c.AnsweredBy, "ann")
			r.is("logged", c.Activity.Direction+" to "+string(c.Activity.To)+" by "+c.Activity.Agent, "outbound to "+caller+" by ann")
			r.is("first call's ledger", r.book.about(first, call.CallbackResult)[0].Data["result"], "connected")
		})
	})
	t.Run("the called-back caller can be parked like any other", func(t *testing.T) {
		story(t, func(r *rig) {
			r.owing(lined)
			r.phone.has(caller, answersAfter(time.Second))
			free(r)
			r.pass(20 * time.Second)
			ann, them := r.phone.calls("ann")[0], r.phone.calls(caller)[0]
			r.talking(ann, them)
			ann.press("*7")
			r.pass(5 * time.Second)
			r.hear(them, "music:hold")
			bea := r.dials("bea", "701")
			r.pass(time.Second)
			r.talking(bea, them)
			them.hangUp()
			r.pass(time.Second)
			r.is("promise", r.kept(), "done after 1 of 2: connected")
		})
	})
	t.Run("busy, then nobody there: tried again until the tries are used up", func(t *testing.T) {
		story(t, func(r *rig) {
			r.owing(lined)
			free(r)
			r.phone.has(caller, device{does: "busy", after: time.Second})
			r.pass(20 * time.Second)
			r.is("promise", r.kept(), "waiting after 1 of 2: busy")
			r.outcome(r.promise().Last, "not_reached")
			r.is("ann", r.state("ann"), queues.Idle)
			r.phone.has(caller, device{does: "never"})
			r.pass(3 * time.Minute)
			r.is("promise", r.kept(), "failed after 2 of 2: no_answer")
		})
	})
	t.Run("nobody there to call: no try is used", func(t *testing.T) {
		story(t, func(r *rig) {
			r.owing(lined)
			if err := r.lines.SetStatus(t.Context(), "ann", queues.Offline, "", time.Now()); err != nil {
				t.Fatal(err)
			}
			free(r)
			r.pass(5 * time.Second)
			r.is("promise", r.kept(), "waiting after 0 of 2: no_agents")
			if err := r.lines.SetStatus(t.Context(), "ann", queues.Available, "", time.Now()); err != nil {
				t.Fatal(err)
			}
			r.phone.has(caller, answersAfter(time.Second))
			r.pass(70 * time.Second)
			r.talking(r.phone.calls("ann")[0], r.phone.calls(caller)[0])
			r.phone.calls("ann")[0].hangUp()
			r.pass(time.Second)
			r.is("promise", r.kept(), "done after 1 of 2: connected")
		})
	})
	t.Run("the rep hangs up before the caller answers", func(t *testing.T) {
		story(t, func(r *rig) {
			r.owing(lined)
			free(r)
			r.phone.has(caller, device{does: "never"})
			r.pass(20 * time.Second)
			r.phone.calls("ann")[0].hangUp()
			r.pass(time.Second)
			r.is("promise", r.kept(), "waiting after 1 of 2: hung_up")
			r.is("their phone", r.phone.calls(caller)[0].over(), true)
		})
	})
	t.Run("who calls again is owed nothing, and has their place", func(t *testing.T) {
		story(t, func(r *rig) {
			r.owing(lined)
			r.pass(5 * time.Second)
			since := r.promise().JoinedAt
			p := r.calls()
			r.pass(time.Second)
			r.is("promise", r.promise().State, callback.Cancelled)
			w, _ := r.lines.Waiting(t.Context(), "sales")
			r.is("in line", len(w) == 1 && w[0].JoinedAt.Equal(since), true)
			p.hangUp()
			free(r)
		})
	})
	t.Run("also while the rep's phone rings: the rep is let go", func(t *testing.T) {
		story(t, func(r *rig) {
			r.owing(lined)
			r.phone.has("ann", answersAfter(10*time.Second))
			free(r)
			r.pass(15 * time.Second)
			p := r.calls()
			r.pass(8 * time.Second)
			r.is("promise", r.promise().State, callback.Cancelled)
			r.is("ann's phone", r.phone.calls("ann")[0].over(), true)
			r.is("dialled", len(r.phone.calls(caller)), 0)
			p.hangUp()
		})
	})
	t.Run("the caller first: they hear music in the queue until a rep answers", func(t *testing.T) {
		story(t, func(r *rig) {
			r.owing(strings.Replace(lined, `"retry_s": 60`, `"retry_s": 60, "dial_first": "caller"`, 1))
			r.phone.has(caller, answersAfter(2*time.Second))
			r.pass(20 * time.Second)
			them := r.phone.calls(caller)[0]
			r.is("hears", strings.HasPrefix(them.hears(), "music:"), true)
			free(r)
			r.pass(3 * time.Second)
			r.talking(r.phone.calls("ann")[0], them)
			them.hangUp()
			r.pass(time.Second)
			r.is("promise", r.kept(), "done after 1 of 2: connected")
			r.outcome(r.promise().Last, "answered")
		})
	})
	t.Run("the owner of the record, without a queue", func(t *testing.T) {
		story(t, func(r *rig) {
			r.crm[caller] = crm.Record{Kind: "contact", Owner: "bea"}
			r.flow(`"in": {"type": "crm_lookup", "on": {"default": "cb"}}, "cb": {"type": "callback", "on": {"default": "bye"}}`)
			r.phone.has("bea", answersAfter(time.Second))
			r.phone.has(caller, answersAfter(time.Second))
			r.calls()
			r.pass(15 * time.Second)
			r.talking(r.phone.calls("bea")[0], r.phone.calls(caller)[0])
			r.phone.calls("bea")[0].hangUp()
			r.pass(time.Second)
			r.is("promise", r.kept(), "done after 1 of 2: connected")
		})
	})
	for name, from := range map[string]callctl.Party{"a withheld number": {}, "nobody to call back": {Number: caller}} {
		t.Run("declined: "+name, func(t *testing.T) {
			story(t, func(r *rig) {
				r.flow(`"in": {"type": "callback", "on": {"scheduled": "bye", "declined": "sorry"}}, "sorry": {"type": "play", "cfg": {"prompt": "sorry"}, "on": {"next": "bye"}}`)
				p := r.callsWith(func(p *phone) { p.remote = from })
				r.pass(500 * time.Millisecond)
				r.hear(p, "clip:sorry")
				r.pass(5 * time.Second)
				r.is("promises", len(r.owed.all), 0)
			})
		})
	}
	t.Run("a second wish of the same number is the same promise", func(t *testing.T) {
		story(t, func(r *rig) {
			r.owing(strings.Replace(lined, `"cb": {`, `"cb": {"type": "callback", "cfg": {"retry_s": 60}, "on": {"default": "cb2"}}, "cb2": {`, 1))
			r.is("promises", len(r.owed.all), 1)
			free(r)
			r.phone.has(caller, answersAfter(time.Second))
			r.pass(20 * time.Second)
			r.phone.calls("ann")[0].hangUp()
		})
	})
	t.Run("outside the hours of its calendar it waits for them", func(t *testing.T) {
		story(t, func(r *rig) {
			// Virtual time begins at midnight of a Saturday, 1 January 2000 in UTC.
			r.flowWith(`"calendars": {"c": {"tz": "UTC", "open": {"mon-fri": ["09:00", "17:00"]}}},`,
				`"in": {"type": "callback", "cfg": {"queue": "sales", "calendar": "c"}, "on": {"default": "bye"}}`)
			r.serve(queues.Queue{Name: "sales"}, "ann")
			r.calls()
			r.pass(time.Second)
			r.is("due", r.promise().Due.UTC().Format(time.RFC3339), "2000-01-03T09:00:00Z")
		})
	})
	t.Run("one that is due on what has become a holiday waits for the next day", func(t *testing.T) {
		story(t, func(r *rig) {
			const node = `"in": {"type": "callback", "cfg": {"queue": "sales", "calendar": "c", "expires_s": 172800}, "on": {"default": "bye"}}`
			r.flowWith(`"calendars": {"c": {"tz": "UTC", "open": {"mon-sun": ["00:00", "24:00"]}}},`, node)
			r.serve(queues.Queue{Name: "sales"}, "ann")
			r.calls()
			r.pass(time.Second)
			r.flowWith(`"calendars": {"c": {"tz": "UTC", "open": {"mon-sun": ["09:00", "17:00"]}, "holidays": ["2000-01-01"]}},`, node)
			r.pass(time.Minute)
			r.is("promise", r.kept(), "waiting after 0 of 2: closed")
			r.is("due", r.promise().Due.UTC().Format(time.RFC3339), "2000-01-02T09:00:00Z")
			r.is("calls to ann", len(r.phone.calls("ann")), 0)
			r.flowWith(`"calendars": {"c": {"tz": "UTC", "open": {}}},`, node)
			r.pass(36 * time.Hour)
			r.is("promise", r.kept(), "failed after 0 of 2: closed")
		})
	})
	t.Run("a parked caller is told, presses 1, and leaves the slot", func(t *testing.T) {
		story(t, func(r *rig) {
			r.serve(queues.Queue{Name: "sales"}, "ann")
			r.flow(`"in": {"type": "park", "cfg": {"lot": "sales", "max_park_s": 100, "ladder": [
				{"after_s": 10, "do": "offer_callback", "to": "back"}, {"after_s": 100, "do": "goto", "outcome": "expired"}]},
				"on": {"callback_requested": "cb", "default": "bye"}},
				"cb": {"type": "callback", "cfg": {"queue": "sales"}, "on": {"default": "bye"}}`)
			p := r.calls()
			r.pass(5 * time.Second)
			p.press("1") // not yet
			r.pass(4 * time.Second)
			r.is("parked", r.parked(), 1)
			r.pass(1500 * time.Millisecond)
			r.hear(p, "clip:back")
			id := r.book.lastBegun()
			p.press("1")
			r.pass(time.Second)
			r.is("caller's leg", p.over(), true)
			r.is("reasons", r.reasons(id), []string{string(parking.ExpiredCallback)})
			r.is("steps", r.results(id), []string{"offer_callback:offered"})
			r.is("its clock", r.promise().JoinedAt.Before(time.Now().Add(-10*time.Second)), true)
			r.phone.has("ann", answersAfter(time.Second))
			r.phone.has(caller, answersAfter(time.Second))
			r.pass(20 * time.Second)
			r.phone.calls("ann")[0].hangUp()
		})
	})
	t.Run("a queue tells those who wait", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(strings.Replace(strings.Replace(lined, `"exit_keys": {"1": "callback"}`, `"callback": {"after_s": 10, "key": "5", "prompt": "back"}`, 1), `"retry_s": 60`, `"retry_s": 60, "expires_s": 200`, 1))
			r.serve(queues.Queue{Name: "sales"}, "ann")
			r.phone.has("ann", device{does: "never"})
			p := r.calls()
			r.pass(9 * time.Second)
			p.press("5")
			r.pass(1500 * time.Millisecond)
			r.hear(p, "clip:back")
			r.pass(time.Second)
			r.is("music again", strings.HasPrefix(p.hears(), "music:"), true)
			p.press("5")
			r.pass(time.Second)
			r.is("caller's leg", p.over(), true)
			r.is("owed", r.promise().Queue, "sales")
			r.pass(5 * time.Minute) // nobody ever picks up
			r.is("state", r.promise().State, callback.Failed)
		})
	})
}
