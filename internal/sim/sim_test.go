package sim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

var ten = time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)

// flow is a document of some nodes; "bye" is there, and handles the hang-up.
func flow(t testing.TB, entry, nodes string) *routing.Flow {
	t.Helper()
	return parse(t, `{"schema": "callflow/v1", "name": "x", "entry": "`+entry+`", "handlers": {"hangup": "bye"},
		"nodes": {`+nodes+`, "bye": {"type": "hangup"}}}`)
}

func run(t testing.TB, w sim.World, f *routing.Flow, g routing.Imagined, events ...routing.ImaginedEvent) sim.Result {
	t.Helper()
	g.At = ten
	r, err := sim.Call(t.Context(), w, f, g, events)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// story is the timeline, a line for each moment: "4.0 park rings: …".
func story(r sim.Result) string {
	var b strings.Builder
	for _, m := range r.Timeline {
		b.WriteString(time.Duration(m.AtMS*int64(time.Millisecond)).String() + " " + m.Node + " " + m.What + ": " + m.Text + "\n")
	}
	return b.String()
}

func told(t *testing.T, r sim.Result, lines ...string) {
	t.Helper()
	rest := story(r)
	for _, l := range lines {
		_, after, ok := strings.Cut(rest, l)
		if !ok {
			t.Fatalf("%q does not come in its turn in\n%s", l, story(r))
		}
		rest = after
	}
}

const parked = `"p": {"type": "park", "cfg": {"lot": "sales", "max_park_s": 120, "ladder": [
	{"after_s": 10, "do": "offer", "to": "agent:ann", "ring_s": 15},
	{"after_s": 30, "do": "enqueue", "queue": "sales", "priority": "90"},
	{"after_s": 40, "do": "alert", "to": "manager", "when": "crm.deal.amount > 1000"},
	{"after_s": 120, "do": "goto", "outcome": "expired"}]}, "on": {"retrieved": "bye", "default": "v"}},
	"v": {"type": "voicemail", "on": {"default": "bye"}}`

func hub() sim.World {
	return sim.World{
		Lots: []parking.Lot{{Name: "sales", First: 701, Last: 702, Music: "jazz"}},
		Queues: []queues.Queue{{Name: "sales", Music: "waltz", Agents: []queues.Assignment{
			{Agent: "ann"}, {Agent: "ben"}, {Agent: "cy", Tier: 1},
		}}},
		Agents: []queues.Agent{{Name: "ann", Teams: []string{"east"}}, {Name: "ben", Teams: []string{"east"}}, {Name: "cy"}},
	}
}

func TestWhisper(t *testing.T) {
	f := flow(t, "d", `"d": {"type": "dial", "cfg": {"targets": ["agent:ann", "agent:ben"], "whisper": "a gold customer, for you"}, "on": {"answered": "bye", "default": "v"}},
		"v": {"type": "voicemail", "on": {"default": "bye"}}`)
	w := hub()
	w.Speech = 10
	given := routing.Imagined{Agents: map[string]string{"ann": "available:4s", "ben": "available:5s"}, TalkS: 60}
	r := run(t, w, f, given)
	want := []sim.Heard{{FromMS: 0, ToMS: 6400, Kind: "ringback"}, {FromMS: 6400, ToMS: 66400, Kind: "conversation", What: "ann"}}
	if len(r.Hears) != 2 || r.Hears[0] != want[0] || r.Hears[1] != want[1] || r.Outcome != "answered" {
		t.Errorf("%+v, %s", r.Hears, r.Outcome)
	}
	r = run(t, w, f, given, routing.ImaginedEvent{AtS: 5, Hangup: true})
	if r.Outcome != "hangup" || len(r.Hears) != 1 {
		t.Error(r.Outcome, story(r))
	}
}

func TestLadder(t *testing.T) {
	f := flow(t, "p", parked)
	t.Run("offers, then the queue while the call stays in its slot", func(t *testing.T) {
		r := run(t, hub(), f, routing.Imagined{CRM: map[string]any{"deal": map[string]any{"amount": 5}}, Agents: map[string]string{"ann": "no_answer", "ben": "rejects:2s", "cy": "available:3s"}})
		// ann is asked by the step, and again by the queue, which asks ben meanwhile; the lower tier comes when both have passed.
		told(t, r, "0s p parked: parked in slot 701", "10s p rings: the phone of ann", "25s p missed: ann: no_answer", "step 0 comes to: no_answer",
			"30s p step_result: step 1 comes to: joined", "rings: the phone of", "step_skipped: step 2, alert, is left out: crm.deal.amount > 1000 does not hold",
			"the phone of cy rings", "cy answers")
		if r.Outcome != "retrieved" || strings.Join(r.Path, " ") != "p bye" {
			t.Error(r.Outcome, r.Path)
		}
	})
	t.Run("the caller hears music until somebody answers", func(t *testing.T) {
		r := run(t, hub(), f, routing.Imagined{Agents: map[string]string{"ann": "available:4s"}, TalkS: 60})
		want := []sim.Heard{{FromMS: 0, ToMS: 14000, Kind: "music", What: "jazz"}, {FromMS: 14000, ToMS: 74000, Kind: "conversation", What: "ann"}}
		if len(r.Hears) != 2 || r.Hears[0] != want[0] || r.Hears[1] != want[1] || r.TookMS != 74000 {
			t.Errorf("%+v, took %d ms", r.Hears, r.TookMS)
		}
	})
	t.Run("a queue of which all are away is not joined", func(t *testing.T) {
		r := run(t, hub(), f, routing.Imagined{})
		told(t, r, "10s p not_rung: ann is not rung: away", "step 1 comes to: all_away: queue sales", "2m0s v")
		if r.Outcome != "left" {
			t.Error(r.Outcome)
		}
	})
	t.Run("who comes back is asked", func(t *testing.T) {
		r := run(t, hub(), f, routing.Imagined{Agents: map[string]string{"ben": "busy"}}, routing.ImaginedEvent{AtS: 70, Agent: "ben", Becomes: "available:5s"})
		told(t, r, "comes to: joined", "1m10s p changed: ben is available:5s", "1m10s p rings: the phone of ben", "1m15s p answers: ben")
	})
	t.Run("a hang-up in conversation is an answered call", func(t *testing.T) {
		r := run(t, hub(), f, routing.Imagined{Agents: map[string]string{"ann": "available"}, TalkS: 600}, routing.ImaginedEvent{AtS: 50, Hangup: true})
		if r.Outcome != "retrieved" || r.EndedBy != sim.ByCaller || strings.Join(r.Path, " ") != "p" {
			t.Error(r.Outcome, r.EndedBy, r.Path)
		}
	})
	t.Run("a CRM that is away does not stop a step", func(t *testing.T) {
		r := run(t, hub(), f, routing.Imagined{CRMOutcome: "error"})
		told(t, r, "step_unknown: step 2", "step_started: step 2 after 40s: alert manager")
	})
	t.Run("a lot that is full", func(t *testing.T) {
		r := run(t, hub(), f, routing.Imagined{Nodes: map[string]routing.Foretold{"p": {Outcome: "full"}}})
		if strings.Join(r.Path, " ") != "p v bye" {
			t.Error(r.Path)
		}
	})
	t.Run("a lot that is not there", func(t *testing.T) {
		r := run(t, sim.World{}, f, routing.Imagined{})
		told(t, r, "refused: there is no lot sales", "failed")
	})
}

func TestLadderIntoQueue(t *testing.T) {
	ladder := func(steps string) *routing.Flow {
		return flow(t, "p", `"p": {"type": "park", "cfg": {"lot": "sales", "max_park_s": 120, "ladder": [`+steps+`, {"after_s": 120, "do": "goto", "outcome": "expired"}]},
			"on": {"retrieved": "bye", "callback_requested": "bye", "expired": "v", "default": "v"}}, "v": {"type": "voicemail", "on": {"default": "bye"}}`)
	}
	t.Run("widened, the lower tier is asked at once", func(t *testing.T) {
		f := ladder(`{"after_s": 10, "do": "enqueue", "queue": "sales", "tier": 0}, {"after_s": 40, "do": "widen", "tier": 1}`)
		r := run(t, hub(), f, routing.Imagined{Agents: map[string]string{"ann": "talking", "ben": "talking", "cy": "available:3s"}})
		told(t, r, "10s p step_result: step 0 comes to: joined", "40s p step_result: step 1 comes to: widened", "40s p rings: the phone of cy", "43s p answers: cy")
		if r.Outcome != "retrieved" {
			t.Error(r.Outcome)
		}
	})
	t.Run("nothing to widen", func(t *testing.T) {
		f := ladder(`{"after_s": 10, "do": "enqueue", "queue": "sales", "tier": 0, "when": "call.from == \"nobody\""}, {"after_s": 40, "do": "widen", "tier": 1}`)
		told(t, run(t, hub(), f, routing.Imagined{}), "step_skipped: step 0", "step 1 comes to: not_queued")
	})
	leaves := ladder(`{"after_s": 5, "do": "offer_callback", "to": "call-you"}, {"after_s": 10, "do": "enqueue", "queue": "sales", "stay_parked": false}, {"after_s": 60, "do": "offer", "to": "agent:cy"}`)
	t.Run("the call leaves its slot, and is answered from the queue", func(t *testing.T) {
		r := run(t, hub(), leaves, routing.Imagined{Agents: map[string]string{"ann": "available:4s"}, TalkS: 60})
		told(t, r, "10s p step_result: step 1 comes to: left_slot", "14s p answers: ann")
		if r.Outcome != "retrieved" || !slices.Contains(r.Hears, sim.Heard{FromMS: 10_000, ToMS: 14_000, Kind: "music", What: "waltz"}) {
			t.Error(r.Outcome, r.Hears)
		}
	})
	t.Run("and goes where the ladder ends when nobody takes it", func(t *testing.T) {
		r := run(t, hub(), leaves, routing.Imagined{Agents: map[string]string{"ann": "no_answer"}})
		told(t, r, "comes to: left_slot", "2m0s p timeout")
		if strings.Join(r.Path, " ") != "p v bye" || strings.Contains(story(r), "agent:cy") {
			t.Error(r.Path, story(r))
		}
	})
	t.Run("the key that was offered in the slot still counts", func(t *testing.T) {
		r := run(t, hub(), leaves, routing.Imagined{Agents: map[string]string{"ann": "no_answer"}}, routing.ImaginedEvent{AtS: 20, Digits: "1"})
		if r.Outcome != "callback_requested" {
			t.Error(r.Outcome, story(r))
		}
	})
	t.Run("a queue that takes nobody leaves it in its slot, and the ladder goes on", func(t *testing.T) {
		r := run(t, hub(), leaves, routing.Imagined{Agents: map[string]string{"ann": "away"}})
		told(t, r, "step 1 comes to: all_away", "step_started: step 2")
	})
}

func TestKeys(t *testing.T) {
	f := flow(t, "m", `"m": {"type": "menu", "cfg": {"say": "Press one for sales.", "options": {"1": "sales"}, "timeout_s": 5, "retries": 1}, "on": {"1": "q", "default": "bye"}},
		"q": {"type": "queue", "cfg": {"queue": "sales", "max_wait_s": 60, "exit_keys": {"9": "no_agents"}}, "on": {"no_agents": "bye", "default": "bye"}}`)
	t.Run("the time to the key counts from the end of the prompt", func(t *testing.T) {
		w := sim.Anywhere
		w.Speech = 2 // 20 letters: 10 s
		r := run(t, w, f, routing.Imagined{})
		if r.Outcome != "timeout" || r.TookMS != 30_000 {
			t.Error(r.Outcome, r.TookMS)
		}
	})
	t.Run("a key cuts the prompt short, another leaves the queue", func(t *testing.T) {
		w := sim.Anywhere
		w.Speech = 2
		r := run(t, w, f, routing.Imagined{}, routing.ImaginedEvent{AtS: 3, Digits: "1"}, routing.ImaginedEvent{AtS: 20, Digits: "9"})
		if r.Outcome != "exit_key" || r.TookMS != 20_000 || r.Hears[0] != (sim.Heard{ToMS: 3000, Kind: "text", What: "Press one for sales."}) {
			t.Errorf("%s %d %+v", r.Outcome, r.TookMS, r.Hears)
		}
	})
	t.Run("a queue whose reps are all talking lets wait", func(t *testing.T) {
		r := run(t, sim.Anywhere, f, routing.Imagined{}, routing.ImaginedEvent{AtS: 1, Digits: "1"})
		if r.Outcome != "timeout" || r.TookMS != 61_000 {
			t.Error(r.Outcome, r.TookMS)
		}
	})
}

func TestDial(t *testing.T) {
	f := flow(t, "d", `"d": {"type": "dial", "cfg": {"targets": ["team:east", "number:+34910000001"], "ring_s": 20}, "on": {"default": "bye"}}`)
	for _, c := range []struct {
		name, outcome string
		agents        map[string]string
		took          int64
	}{
		{"the first who answers has it", "answered", map[string]string{"ann": "available:6s", "ben": "available:3s"}, 3000},
		{"nobody answers", "no_answer", map[string]string{"team:east": "no_answer"}, 20000},
		{"a decline says more than silence", "rejected", map[string]string{"ann": "rejects:1s", "number:+34910000001": "no_answer"}, 20000},
		{"no phone, and the number is no better", "unavailable", map[string]string{"ann": "unreachable", "number:+34910000001": "unreachable"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := run(t, hub(), f, routing.Imagined{Agents: c.agents})
			if r.Outcome != c.outcome || r.TookMS != c.took {
				t.Errorf("%s after %d ms\n%s", r.Outcome, r.TookMS, story(r))
			}
		})
	}
}

func TestAnotherSystem(t *testing.T) {
	f := flow(t, "h", `"h": {"type": "http", "cfg": {"url": "https://erp.example.com/credit", "save": "credit"}, "on": {"ok": "s", "default": "bye"}},
		"s": {"type": "switch", "cfg": {"cases": [{"when": "vars.credit.blocked == true", "to": "v"}]}, "on": {"default": "bye"}}, "v": {"type": "voicemail", "on": {"default": "bye"}}`)
	r := run(t, sim.Anywhere, f, routing.Imagined{Nodes: map[string]routing.Foretold{"h": {Outcome: "ok", AfterMS: 300, Answer: map[string]any{"blocked": true}}}})
	if strings.Join(r.Path, " ") != "h s v bye" || r.TookMS != 300 || len(r.Notes) > 0 {
		t.Error(r.Path, r.TookMS, r.Notes)
	}
	if r = run(t, sim.Anywhere, f, routing.Imagined{}); strings.Join(r.Path, " ") != "h bye" || len(r.Notes) != 1 {
		t.Errorf("nothing is said of the other system: %v, %v", r.Path, r.Notes)
	}
}

func TestSlowCRM(t *testing.T) {
	f := flow(t, "l", `"l": {"type": "crm_lookup", "cfg": {"deadline_ms": 800}, "on": {"error": "v", "default": "bye"}}, "v": {"type": "voicemail", "on": {"default": "bye"}}`)
	r := run(t, sim.Anywhere, f, routing.Imagined{CRM: map[string]any{"owner": "ann"}, CRMLatencyMS: 2000, MessageS: 4})
	if strings.Join(r.Path, " ") != "l v bye" || r.TookMS != 4800 {
		t.Error(r.Path, r.TookMS)
	}
}
