package sim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/routing"
)

const byLoad = `"s": {"type": "switch", "cfg": {"cases": [{"when": "queue.sales.agents_free > 0", "to": "q"}]}, "on": {"default": "v"}},
	"q": {"type": "queue", "cfg": {"queue": "sales", "priority": "queue.agents_free * 10"}, "on": {"answered": "who", "default": "v"}},
	"who": {"type": "switch", "cfg": {"cases": [{"when": "rep.name == \"ann\"", "to": "bye"}]}, "on": {"default": "v"}},
	"v": {"type": "voicemail", "on": {"default": "bye"}}`

func TestReads(t *testing.T) {
	f := flow(t, "s", byLoad).WithVersion(3)
	free := routing.Imagined{Agents: map[string]string{"ann": "available:4s", "ben": "busy"}, TalkS: 30}
	t.Run("queues and reps are as the call is imagined", func(t *testing.T) {
		r := run(t, hub(), f, free)
		told(t, r, "0s s decided: case 1", "waits in queue sales with priority 10", "4s q answers: ann", "who decided: case 1")
		if r = run(t, hub(), f, routing.Imagined{Agents: map[string]string{"ann": "busy"}}); !slices.Equal(r.Path, []string{"s", "v", "bye"}) {
			t.Error(r.Path)
		}
	})
	t.Run("a past call is led by what was read in it", func(t *testing.T) {
		p := really(t, hub(), f, free)
		if v := dry(t, f, f, p); v.Verdict != sim.Same || len(v.Notes) > 0 {
			t.Errorf("%+v", v)
		}
		next := flow(t, "s", strings.Replace(byLoad, "agents_free > 0", "agents_free > 5", 1)).WithVersion(4)
		v := dry(t, f, next, p)
		if v.Verdict == sim.Same || v.Becomes == nil || v.Becomes.Path[1] != "v" {
			t.Errorf("%+v", v)
		}
	})
	t.Run("what the past never read is not guessed", func(t *testing.T) {
		ran := flow(t, "s", strings.Replace(byLoad, "queue.sales.agents_free > 0", "time.year > 0", 1)).WithVersion(3)
		v := dry(t, ran, f, really(t, hub(), ran, free))
		if v.Verdict != sim.Undecided || !strings.Contains(v.Why, "never asked this of how queues and reps were") {
			t.Errorf("%+v", v)
		}
	})
}

func TestStepsRead(t *testing.T) {
	f := flow(t, "p", `"p": {"type": "park", "cfg": {"lot": "sales", "max_park_s": 60, "ladder": [
		{"after_s": 10, "do": "offer", "to": "agent:cy", "when": "queue.sales.agents_free == 0"}, {"after_s": 60, "do": "goto", "outcome": "expired"}]},
		"on": {"retrieved": "bye", "default": "bye"}}`).WithVersion(3)
	t.Run("as the call is imagined", func(t *testing.T) {
		told(t, run(t, hub(), f, routing.Imagined{Agents: map[string]string{"ann": "available"}}), "step_skipped: step 0")
		told(t, run(t, hub(), f, routing.Imagined{Agents: map[string]string{"ann": "busy"}}), "step_started: step 0")
	})
	t.Run("as it was noted of a past call", func(t *testing.T) {
		p := really(t, hub(), f, routing.Imagined{Agents: map[string]string{"ann": "busy"}})
		next := flow(t, "p", `"p": {"type": "park", "cfg": {"lot": "sales", "max_park_s": 60, "ladder": [
			{"after_s": 10, "do": "alert", "to": "manager", "when": "queue.sales.agents_free == 0"}, {"after_s": 50, "do": "goto", "outcome": "expired"}]},
			"on": {"retrieved": "bye", "default": "bye"}}`).WithVersion(4)
		if v := dry(t, f, next, p); v.Verdict != sim.Undecided || !strings.Contains(v.Why, "never read what queue.sales.agents_free == 0") {
			t.Errorf("%+v", v)
		}
		p.Facts = append(p.Facts, call.Event{
			At: ten.Add(10 * time.Second), Call: "call_1", Type: call.ParkStepResult, Lot: "sales",
			Data: map[string]any{"when": "queue.sales.agents_free == 0", "inputs": map[string]any{"queue.sales.agents_free": 0.0}, "result": "nobody"},
		})
		if v := dry(t, f, next, p); v.Verdict == sim.Undecided || !slices.ContainsFunc(v.Notes, func(n string) bool { return strings.Contains(n, "is as it was") }) {
			t.Errorf("%+v", v)
		}
	})
}
