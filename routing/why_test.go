package routing_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/callyard/callyard/routing"
)

// sample is a node of each type, and what may be told of it beyond its outcomes.
var sample = map[string]struct {
	cfg    string
	events []routing.Event
}{
	"answer": {``, told("answered")}, "play": {`"say": "x"`, told("done", "interrupted")},
	"menu":    {`"options": {"1": "sales"}, "retries": 0`, append(told("timeout"), digits("1"), digits("7"))},
	"collect": {`"min": 2, "match": "[1-5]+", "retries": 0`, append(told("timeout"), digits("12"), digits("7"), digits("77"))},
	"set":     {`"vars": {"a": 1}`, nil}, "tag": {`"campaign": "x"`, nil},
	"switch": {`"cases": [{"when": "crm.a > 1", "to": "bye"}, {"when": "caller.number == \"+34600000001\" and vars.b", "to": "bye"}]`, nil},
	"hours":  {`"calendar": "c"`, nil}, "split": {`"weights": {"a": 1, "b": 2}`, nil},
	"subflow": {`"flow": "inner"`, nil}, "return": {``, nil}, "hangup": {``, nil},
	"notify": {`"channel": "webhook", "template": "call_summary"`, nil},
	"park":   {`"lot": "sales"`, nil}, "queue": {`"queue": "sales", "priority": "crm.a ?? vars.b"`, []routing.Event{{Outcome: "exit_key", Vars: map[string]any{"key": "1"}}}},
	"dial": {`"targets": ["team:sales"]`, nil}, "http": {`"url": "https://example.com/"`, nil}, "crm_lookup": {``, nil},
	"voicemail": {``, nil}, "record": {`"do": "start"`, told("done")}, "disposition": {``, nil}, "callback": {``, []routing.Event{{Outcome: "scheduled", Vars: map[string]any{"due_at": "2026-11-03T10:00:10Z"}}, {Outcome: "declined", Vars: map[string]any{"why": "the caller's number is withheld"}}}},
	"transfer": {`"to": "agent:ann"`, nil},
}

func told(outcomes ...string) (out []routing.Event) {
	for _, o := range outcomes {
		out = append(out, routing.Event{Outcome: o})
	}
	return out
}

func digits(s string) routing.Event {
	return routing.Event{Outcome: "digits", Vars: map[string]any{"digits": s}}
}

// Whatever its type and however it is left, a node says by which rule and why.
func TestEveryNodeExplainsItself(t *testing.T) {
	inner := parse(t, `{"schema": "callflow/v1", "name": "inner", "entry": "r", "nodes": {"r": {"type": "return"}}}`)
	for _, kind := range routing.NodeTypes() {
		s, ok := sample[kind.Type]
		if !ok {
			t.Errorf("there is no sample of a %s: add one here", kind.Type)
			continue
		}
		events := s.events
		if kind.Waits {
			events = slices.Clone(events)
			for _, o := range kind.Outcomes {
				if !slices.ContainsFunc(events, func(e routing.Event) bool { return e.Outcome == o }) { // else it comes with more
					events = append(events, told(o)...)
				}
			}
			events = append(events, told("error", "hangup", "something else")...)
		}
		for _, on := range []string{`"default": "bye"`, `"default": "bye", "no_answer": "v", "timeout": "v", "invalid": "v", "1": "v", "error": "v"`} {
			if kind.Type == "hangup" || kind.Type == "return" {
				on = ""
			}
			f := parse(t, fmt.Sprintf(`{"schema": "callflow/v1", "name": "x", "entry": "n", "calendars": {"c": {"tz": "UTC", "open": {"mon-fri": ["09:00", "17:00"]}, "holidays": ["2026-11-03"], "overrides": {"2026-11-03": []}}},
				"nodes": {"n": {"type": %q, "cfg": {%s}, "on": {%s}}, "v": {"type": "play", "cfg": {"say": "x"}, "on": {"next": "bye"}}, "bye": {"type": "hangup"}}}`, kind.Type, s.cfg, on))
			f, err := routing.Link(f, routing.Parts{Flow: func(string) *routing.Flow { return inner }})
			if err != nil {
				t.Fatal(err)
			}
			begun, _ := start(t, f)
			runs := []routing.Run{begun}
			for _, e := range events {
				run, _ := resume(t, f, begun, e.Outcome, e.Vars)
				runs = append(runs, run)
			}
			for _, run := range runs {
				for _, d := range run.Path {
					if d.Rule == "" || d.Reason == "" || d.Outcome == "" {
						t.Errorf("%s does not explain itself: %+v", kind.Type, d)
					}
					if strings.HasPrefix(d.Reason, "it came to ") && slices.Contains(kind.Outcomes, d.Outcome) && d.Node == "n" {
						t.Errorf("%s says no more than its outcome of %q", kind.Type, d.Outcome)
					}
				}
			}
		}
	}
}

func TestWhy(t *testing.T) {
	path := func(nodes string, outcome string, vars map[string]any) routing.Decision {
		f := parse(t, `{"schema": "callflow/v1", "name": "x", "entry": "n", "calendars": {"c": {"tz": "Europe/Madrid", "open": {"mon-fri": ["14:00", "17:00"], "wed-fri": ["20:00", "22:00"]}, "holidays": ["2026-11-03"]}},
			"nodes": {`+nodes+`, "bye": {"type": "hangup"}}}`)
		run, _, err := routing.StartWith(f, routing.Caller{From: "+34600000001", At: noon}, noon, map[string]any{"crm": map[string]any{"amount": 10.0, "tier": "gold"}})
		if err != nil {
			t.Fatal(err)
		}
		if outcome != "" {
			run, _ = resume(t, f, run, outcome, vars)
		}
		return run.Path[0]
	}
	t.Run("a switch tells each case that did not hold, with what it read", func(t *testing.T) {
		d := path(`"n": {"type": "switch", "cfg": {"cases": [{"when": "crm.amount >= 50", "to": "bye"}, {"when": "vars.vip and crm.tier == \"gold\"", "to": "bye"}, {"when": "crm.tier == \"gold\"", "to": "bye"}, {"when": "crm.amount > 0", "to": "bye"}]}, "on": {"default": "bye"}}`, "", nil)
		if d.Rule != "cases[2]" || len(d.Rejected) != 2 {
			t.Fatalf("%+v", d)
		}
		if got := d.Rejected[0]; got.Choice != "case 1" || got.Why != "crm.amount >= 50: crm.amount is 10" {
			t.Errorf("%+v", got)
		}
		if got := d.Rejected[1].Why; !strings.Contains(got, "vars.vip is missing") || !strings.Contains(got, "crm.tier is gold") {
			t.Error(got)
		}
	})
	t.Run("hours tell which of override, holiday and week decided", func(t *testing.T) {
		d := path(`"n": {"type": "hours", "cfg": {"calendar": "c"}, "on": {"default": "bye"}}`, "", nil)
		if d.Outcome != "holiday" || d.Rule != "calendars.c.holidays" || d.Rejected[0].Choice != "open" || d.Inputs["local_time"] != "2026-11-03T13:00:00+01:00" {
			t.Errorf("%+v", d)
		}
	})
	t.Run("a queue tells its priority and what it was made of", func(t *testing.T) {
		d := path(`"n": {"type": "queue", "cfg": {"queue": "sales", "priority": "crm.amount * 3"}, "on": {"default": "bye"}}`, "timeout", nil)
		if d.Inputs["priority"] != 30.0 || d.Inputs["crm.amount"] != 10.0 || d.Inputs["queue"] != "sales" || d.Rule != "on.default" {
			t.Errorf("%+v", d)
		}
		d = path(`"n": {"type": "queue", "cfg": {"queue": "sales", "priority": "crm.visits * 3"}, "on": {"default": "bye"}}`, "answered", nil)
		if d.Inputs["priority"] != 50.0 || d.Inputs["priority_missing"] != "crm.visits" {
			t.Errorf("%+v", d)
		}
	})
	t.Run("a dial tells whom it rang, and that the default was taken", func(t *testing.T) {
		d := path(`"n": {"type": "dial", "cfg": {"targets": ["agent:ann"], "ring_s": 7}, "on": {"answered": "bye", "default": "bye"}}`, "no_answer", nil)
		if d.Inputs["ring_s"] != 7.0 || fmt.Sprint(d.Inputs["targets"]) != "[agent:ann]" || d.Rule != "on.default" || !strings.Contains(d.Reason, "nobody answered in time; no edge for no_answer") {
			t.Errorf("%+v", d)
		}
	})
	t.Run("a menu tells what was pressed", func(t *testing.T) {
		d := path(`"n": {"type": "menu", "cfg": {"options": {"1": "sales"}, "retries": 0}, "on": {"1": "bye", "default": "bye"}}`, "digits", map[string]any{"digits": "1"})
		if d.Rule != "options.1" || d.Inputs["digits"] != "1" {
			t.Errorf("%+v", d)
		}
	})
	t.Run("a caller who hangs up leaves what was under way", func(t *testing.T) {
		d := path(`"n": {"type": "park", "cfg": {"lot": "sales"}, "on": {"default": "bye"}}`, "hangup", nil)
		if d.Rule != "handlers.hangup" || d.Inputs["lot"] != "sales" {
			t.Errorf("%+v", d)
		}
	})
}

// A record of any size, and a switch of any length, make a decision that the
// ledger can keep.
func TestDecisionsAreBounded(t *testing.T) {
	cases, tags := "", []any{}
	for i := range 200 {
		cases += fmt.Sprintf(`{"when": "crm.f%d == \"a\" or crm.g%d == \"b\"", "to": "bye"}, `, i, i)
		tags = append(tags, strings.Repeat("x", 900))
	}
	f := parse(t, `{"schema": "callflow/v1", "name": "x", "entry": "n", "nodes": {"n": {"type": "switch", "cfg": {"cases": [`+cases[:len(cases)-2]+`]}, "on": {"default": "bye"}}, "bye": {"type": "hangup"}}}`)
	record := map[string]any{}
	for i := range 200 {
		record[fmt.Sprintf("f%d", i)], record[fmt.Sprintf("g%d", i)] = strings.Repeat("ñ", 5000), tags
	}
	run, _, err := routing.StartWith(f, routing.Caller{At: noon}, noon, map[string]any{"crm": record})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(run.Path[0])
	if err != nil || len(b) > 24<<10 {
		t.Errorf("the decision has %d bytes, %v", len(b), err)
	}
}
