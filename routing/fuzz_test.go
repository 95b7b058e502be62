package routing_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/callyard/callyard/routing"
)

// Whatever the document, nothing panics and everything ends.
func FuzzFlow(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		doc, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc, "one", "1", uint8(0))
	}
	f.Add([]byte(park(`"ladder": [{"after_s": 6, "do": "goto", "outcome": "expired", "when": "crm.x > 1"}]`)), "expired", "", uint8(3))
	f.Add([]byte(with(`"a": {"type": "menu", "cfg": {"options": {"1": ""}, "timeout_s": 1}, "on": {"1": "a", "default": "a"}}`)), "digits", "1", uint8(9))
	for _, doc := range goodFlows(f) {
		f.Add(doc, "answered", "1", uint8(2))
	}
	inner := parse(f, `{"schema": "callflow/v1", "name": "inner", "entry": "r", "nodes": {"r": {"type": "return", "cfg": {"outcome": "big"}}}}`)
	outer := parse(f, `{"schema": "callflow/v1", "name": "outer", "entry": "s", "nodes": {"s": {"type": "subflow", "cfg": {"flow": "inner"}, "on": {"default": "r"}}, "r": {"type": "return"}}}`)
	f.Add([]byte(with(`"a": {"type": "subflow", "cfg": {"flow": "outer"}, "on": {"big": "a", "default": "bye"}}`)), "done", "", uint8(1))
	f.Fuzz(func(t *testing.T, doc []byte, outcome, digits string, turn uint8) {
		flow, err := routing.Parse(doc)
		routing.Lint(flow, known())
		if err != nil {
			return
		}
		// What it calls is one of two that are there, or itself.
		shelf := library{"inner": inner, flow.Name(): flow}
		shelf["outer"] = outer
		if linked, err := routing.Link(flow, routing.Parts{Flow: shelf.find}); err == nil {
			routing.Lint(flow, routing.Known{Flow: shelf.find})
			flow = linked
		}
		outcomes := []string{outcome, "default", "timeout", "digits", "hangup", "error", "answered", "done", "expired"}
		run, _, err := routing.Start(flow, routing.Caller{From: "+34600000001", At: noon}, noon)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 300 {
			e := routing.Event{Node: run.At, Outcome: outcomes[(i*int(turn))%len(outcomes)], At: noon, Vars: map[string]any{"digits": digits, "crm": map[string]any{"x": digits}}}
			if run, _, err = routing.Resume(flow, run, e); err != nil {
				t.Fatal(err)
			}
			if run.Ended != (run.At == "") {
				t.Fatalf("ended %v, but at %q", run.Ended, run.At)
			}
		}
	})
}

// Whatever is written as a condition or a number, it is refused or comes to an end.
func FuzzExpression(f *testing.F) {
	for _, src := range []string{`crm.deal.amount >= 50000 and crm.tier == "gold"`, `not (caller.number startsWith "+34")`, `crm.tags[1] ?? len(vars.a) * -2`, `vars.a ? 1 : 2`, `lower(crm.x) in ["a", 1, nil]`, `"a" matches "(a+)+$"`, `crm["a"]?.b`} {
		f.Add(src)
	}
	f.Fuzz(func(_ *testing.T, src string) {
		s := scope()
		_, _ = routing.EvalBool(src, s)
		_, _ = routing.EvalInt(src, s)
		_ = routing.WhyNot(src, s)
	})
}

// Whatever is written as a text with values in it, what comes out is one bounded line.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{`Hello {{caller.name}}`, `{{crm.a.b}}{{vars.x}}`, `{{`, `}}{{ crm.a }}`, "a\x00\n{{crm.name}}"} {
		f.Add(s, "Eva\r\nX: y")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		doc, err := json.Marshal(map[string]any{"schema": "callflow/v1", "name": "x", "entry": "a", "nodes": map[string]any{
			"a": map[string]any{"type": "play", "cfg": map[string]any{"say": text}, "on": map[string]any{"default": "b"}}, "b": map[string]any{"type": "hangup"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		flow, err := routing.Parse(doc)
		if err != nil {
			return
		}
		vars := map[string]any{"crm": map[string]any{"name": value, "a": map[string]any{"b": value}}}
		_, cmds, err := routing.StartWith(flow, routing.Caller{Name: value, At: noon}, noon, vars)
		if err != nil {
			t.Fatal(err)
		}
		if said := cmds[0].(routing.Play).Say; utf8.RuneCountInString(said) > 1000 || strings.ContainsAny(said, "\r\n\x00") {
			t.Errorf("said %q", said)
		}
	})
}
