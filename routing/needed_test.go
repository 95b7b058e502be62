package routing_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/routing"
)

const byLoad = `"in": {"type": "switch", "cfg": {"cases": [{"when": "queue.sales.agents_free > 0", "to": "q"}, {"when": "rep.team == \"east\"", "to": "bye"}]}, "on": {"default": "bye"}},
	"q": {"type": "queue", "cfg": {"queue": "sales", "priority": "queue.waiting * 10"}, "on": {"default": "bye"}}`

func entry(doc string) string { return strings.Replace(with(doc), `"entry": "q"`, `"entry": "in"`, 1) }

// TestReadsBeforeItDecides: the walk stops for what an expression wants to know of
// queues and reps, and decides by what it is told.
func TestReadsBeforeItDecides(t *testing.T) {
	f := parse(t, entry(byLoad))
	run, cmds := start(t, f)
	read, ok := cmds[0].(routing.Read)
	if !ok || !reflect.DeepEqual(read.Needed, routing.Needed{Queues: []string{"sales"}, Rep: true}) || !run.Reading || run.At != "in" || len(run.Path) != 0 {
		t.Fatalf("%+v, run %+v", cmds, run)
	}
	stored, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(stored, &run); err != nil {
		t.Fatal(err)
	}
	at := run.StartedAt.Add(time.Second)
	told := func(run routing.Run, vars map[string]any) (routing.Run, []routing.Command) {
		t.Helper()
		run, cmds, err := routing.Resume(f, run, routing.Event{Node: run.At, Outcome: routing.ReadOutcome, At: at, Vars: vars})
		if err != nil {
			t.Fatal(err)
		}
		return run, cmds
	}
	t.Run("by what it is told, of the node's own queue too", func(t *testing.T) {
		run, cmds := told(run, map[string]any{"queue": map[string]any{"sales": map[string]any{"agents_free": 2}}, "rep": map[string]any{}})
		if in := run.Path[0].Inputs; run.Path[0].To != "q" || in["queue.sales.agents_free"] != 2.0 || run.Path[0].At != at {
			t.Errorf("%+v", run.Path)
		}
		own, ok := cmds[0].(routing.Read)
		if !ok || own.Own != "sales" || !reflect.DeepEqual(own.Queues, []string{""}) {
			t.Fatalf("%+v", cmds)
		}
		run, cmds = told(run, map[string]any{"queue": own.Read("", func(name string) map[string]any { return map[string]any{"waiting": 3, "name": name} })})
		q, ok := cmds[0].(routing.Queue)
		if !ok || q.Priority != 30 || run.Reading {
			t.Errorf("%+v", cmds)
		}
		stands, err := routing.Replay(f, run)
		if err != nil || !reflect.DeepEqual(stands[len(stands)-1].Run.Path, run.Path) || len(stands) != 3 {
			t.Errorf("replayed %+v, %v", stands, err)
		}
	})
	t.Run("what cannot be known is missing", func(t *testing.T) {
		run, _ := told(run, nil)
		if d := run.Path[0]; d.To != "bye" || !strings.Contains(d.Reason, "missing: queue.sales.agents_free") {
			t.Errorf("%+v", d)
		}
	})
	t.Run("a caller who hangs up meanwhile", func(t *testing.T) {
		run, _, err := routing.Resume(f, run, routing.Event{Outcome: routing.HangupOutcome, At: at})
		if err != nil || !run.Ended || run.Reading || run.Path[0].Outcome != routing.HangupOutcome {
			t.Errorf("%+v, %v", run, err)
		}
	})
	t.Run("a run from before there were readings goes on as it did", func(t *testing.T) {
		old := parse(t, with(`"q": {"type": "queue", "cfg": {"queue": "sales", "priority": "queue.waiting * 10"}, "on": {"timeout": "bye", "default": "bye"}}`))
		was, cmds := start(t, old)
		if _, ok := cmds[0].(routing.Read); !ok {
			t.Fatalf("%+v", cmds)
		}
		was, _, err := routing.Resume(old, was, routing.Event{Node: "q", Outcome: "timeout", At: at})
		if err != nil || !was.Ended || was.Path[0].Outcome != "timeout" || was.Path[0].Inputs["priority"] != float64(routing.DefaultPriority) || len(was.Told) != 1 {
			t.Errorf("%+v, %v", was, err)
		}
	})
	t.Run("a circle of readings comes to its end", func(t *testing.T) {
		f := parse(t, entry(`"in": {"type": "switch", "cfg": {"cases": [{"when": "queue.sales.waiting < 0", "to": "bye"}]}, "on": {"default": "in2"}},
			"in2": {"type": "switch", "cfg": {"cases": [{"when": "queue.sales.waiting < 0", "to": "bye"}]}, "on": {"default": "in"}},
			"q": {"type": "queue", "cfg": {"queue": "sales"}, "on": {"default": "bye"}}`))
		run, _ := start(t, f)
		for n := 0; !run.Ended; n++ {
			if n > 10_000 {
				t.Fatal("it does not end")
			}
			run, _, _ = routing.Resume(f, run, routing.Event{Node: run.At, Outcome: routing.ReadOutcome, At: at})
		}
	})
}

func TestLintOfReadings(t *testing.T) {
	for when, says := range map[string]string{
		"queue.sales.agents_free == 0":                 "",
		"queue.waiting > 3 and rep.team == \"a\"":      "",
		"queue[\"sales\"].longest_wait_s > 60":         "",
		"queue.sales.agents == 0":                      `queue has no "agents"`,
		"queue.length > 3":                             `queue has no "length"`,
		"queue.sale.waiting > 3":                       `no queue "sale"`,
		"rep.mood == \"good\"":                         `rep has no "mood"`,
		"rep.name == \"ann\" or queue.foo.waiting > 1": `no queue "foo"`,
	} {
		cond, _ := json.Marshal(when)
		f := parse(t, entry(`"in": {"type": "switch", "cfg": {"cases": [{"when": `+string(cond)+`, "to": "q"}]}, "on": {"default": "bye"}}, "q": {"type": "queue", "cfg": {"queue": "sales"}, "on": {"default": "bye"}}`))
		errs := routing.Lint(f, known()).Errors()
		if says == "" && len(errs) > 0 || says != "" && (len(errs) == 0 || !strings.Contains(errs[0].Message, says)) {
			t.Errorf("%s: %v, want %q", when, errs, says)
		}
	}
}
