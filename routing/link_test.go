package routing_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/routing"
)

// library is flows by name, as they are published.
type library map[string]*routing.Flow

func (l library) find(name string) *routing.Flow { return l[name] }

// put parses a flow and publishes it as the version.
func (l library) put(t testing.TB, name string, version int, rest string) *routing.Flow {
	t.Helper()
	f := parse(t, fmt.Sprintf(`{"schema": "callflow/v1", "name": %q, "handlers": {"hangup": "bye"}, %s, "bye": {"type": "hangup"}}}`, name, rest))
	l[name] = f.WithVersion(version)
	return l[name]
}

// shelf is a main flow that asks another who is calling, and that a third.
func shelf(t testing.TB) library {
	l := library{}
	l.put(t, "main", 7, `"entry": "qualify", "nodes": {
		"qualify": {"type": "subflow", "cfg": {"flow": "qualify", "params": {"least": 50000, "line": "{{call.to}}"}}, "on": {"hot": "sales", "default": "mail"}},
		"sales": {"type": "dial", "cfg": {"targets": ["team:sales"]}, "on": {"default": "bye"}},
		"mail": {"type": "voicemail", "on": {"default": "bye"}}`)
	l.put(t, "qualify", 3, `"entry": "hours", "calendars": {"c": {"tz": "America/New_York", "open": {"mon-fri": ["09:00", "17:00"]}}}, "nodes": {
		"hours": {"type": "hours", "cfg": {"calendar": "c"}, "on": {"open": "who", "default": "done"}},
		"who": {"type": "subflow", "cfg": {"flow": "who"}, "on": {"default": "deal"}},
		"deal": {"type": "switch", "cfg": {"cases": [{"when": "crm.deal.amount >= vars.least and time.hour < 17", "to": "hot"}]}, "on": {"default": "done"}},
		"hot": {"type": "return", "cfg": {"outcome": "hot"}},
		"done": {"type": "return"}`)
	l.put(t, "who", 4, `"entry": "look", "nodes": {
		"look": {"type": "crm_lookup", "on": {"default": "back"}},
		"back": {"type": "return", "cfg": {"outcome": "known"}}`)
	return l
}

func link(t testing.TB, l library, name string) *routing.Flow {
	t.Helper()
	f, err := routing.Link(l[name], routing.Parts{Flow: l.find})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func walked(path []routing.Decision) (out []string) {
	for _, d := range path {
		out = append(out, d.Node)
	}
	return out
}

func TestSubflow(t *testing.T) {
	l := shelf(t)
	f := link(t, l, "main")
	open := time.Date(2026, 11, 3, 15, 0, 0, 0, time.UTC) // 10:00 in New York
	run, cmds, err := routing.Start(f, routing.Caller{From: "+34600000001", To: "+34910000000", At: open}, open)
	if err != nil {
		t.Fatal(err)
	}
	if run.At != "qualify/who/look" || len(cmds) != 1 {
		t.Fatalf("waits at %q, commands %v", run.At, cmds)
	}
	if want := map[string]any{"least": 50000.0, "line": "+34910000000"}; fmt.Sprint(run.Vars["vars"]) != fmt.Sprint(want) {
		t.Errorf("vars are %v", run.Vars["vars"])
	}
	b, _ := json.Marshal(run)
	var stored routing.Run
	if err := json.Unmarshal(b, &stored); err != nil || stored.Subflows["qualify"] != 3 || stored.Subflows["who"] != 4 || stored.Version != 7 {
		t.Fatalf("%s, %v", b, err)
	}
	e := routing.Event{Node: run.At, Outcome: "one", At: open, Vars: map[string]any{"crm": map[string]any{"deal": map[string]any{"amount": 80000.0}}}}
	run, cmds, err = routing.Resume(f, stored, e)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"qualify", "qualify/hours", "qualify/who", "qualify/who/look", "qualify/who/back", "qualify/deal", "qualify/hot"}
	if got := walked(run.Path); !slices.Equal(got, want) {
		t.Errorf("path is %v, want %v", got, want)
	}
	if d, ok := cmds[0].(routing.Dial); !ok || d.Node != "sales" || run.At != "sales" {
		t.Errorf("commands %v at %q", cmds, run.At)
	}
	if d := run.Path[6]; d.Flow != "qualify" || d.Version != 3 || d.Outcome != "hot" || d.To != "sales" || !strings.Contains(d.Reason, "main/qualify") {
		t.Errorf("the decision to return is %+v", d)
	}
	if d := run.Path[5]; d.To != "qualify/hot" {
		t.Errorf("the case leads to %q", d.To)
	}
	t.Run("what it returns and nobody expects takes the default", func(t *testing.T) {
		run, _, err := routing.Resume(f, stored, routing.Event{Node: stored.At, Outcome: "none", At: open})
		if err != nil || run.At != "mail" {
			t.Errorf("waits at %q, %v", run.At, err)
		}
	})
	t.Run("its words of time are those of its own calendar", func(t *testing.T) {
		if got := f.LocalAt("qualify/deal", open).Hour(); got != 10 {
			t.Errorf("it is %d o'clock there", got)
		}
		if got := f.LocalAt("qualify/who/look", open).Hour(); got != 10 {
			t.Errorf("it is %d o'clock in what it calls", got)
		}
		if got := f.LocalAt("sales", open).Hour(); got != 15 {
			t.Errorf("it is %d o'clock in main", got)
		}
	})
	t.Run("the flows themselves stay as they are", func(t *testing.T) {
		again, _, err := routing.Start(l["qualify"], routing.Caller{At: noon}, noon)
		if err != nil || walked(again.Path)[0] != "hours" || !again.Ended {
			t.Errorf("path %v, %v", walked(again.Path), err)
		}
		if got := l["main"].Subflows(); len(got) != 0 {
			t.Errorf("main is linked: %v", got)
		}
		// A later version of what is called does not reach a flow that was linked before.
		l.put(t, "who", 5, `"entry": "back", "nodes": {"back": {"type": "return"}`)
		if got := f.Subflows()["who"]; got != 4 {
			t.Errorf("who became version %d", got)
		}
	})
	t.Run("one may look through the seam", func(t *testing.T) {
		if got := routing.NextType(f, "qualify/who/look", "one"); got != "switch" {
			t.Errorf("after the lookup comes a %q", got)
		}
	})
}

func TestUnlinkedSubflowFails(t *testing.T) {
	run, cmds := start(t, shelf(t)["main"])
	if h, ok := cmds[0].(routing.Hangup); !ok || h.Cause != "failed" || !strings.Contains(run.Path[0].Reason, "not linked") {
		t.Errorf("commands %v, path %+v", cmds, run.Path)
	}
}

func TestReturnOfAFlowThatWasNotCalled(t *testing.T) {
	l := library{}
	run, cmds := start(t, l.put(t, "x", 1, `"entry": "r", "nodes": {"r": {"type": "return"}`))
	if h, ok := cmds[0].(routing.Hangup); !ok || h.Cause != "normal_clearing" || !run.Ended {
		t.Errorf("commands %v", cmds)
	}
}

func TestErrorHandlersOfSubflows(t *testing.T) {
	for name, c := range map[string]struct{ inner, outer, want string }{
		"its own":        {`"error": "here", `, `"error": "sorry", `, "s/here"},
		"of its caller":  {``, `"error": "sorry", `, "sorry"},
		"of neither":     {``, ``, ""},
		"its own, alone": {`"error": "here", `, ``, "s/here"},
	} {
		t.Run(name, func(t *testing.T) {
			l := library{}
			for flow, handler := range map[string]string{"main": c.outer, "inner": c.inner} {
				nodes := `"s": {"type": "subflow", "cfg": {"flow": "inner"}, "on": {"default": "bye"}}, "sorry": {"type": "play", "cfg": {"say": "sorry"}, "on": {"next": "bye"}}`
				entry := "s"
				if flow == "inner" {
					entry, nodes = "a", `"a": {"type": "answer", "on": {"next": "b"}}, "b": {"type": "return"}, "here": {"type": "play", "cfg": {"say": "sorry"}, "on": {"next": "b"}}`
				}
				l[flow] = parse(t, fmt.Sprintf(`{"schema": "callflow/v1", "name": %q, "handlers": {%s"hangup": "bye"}, "entry": %q, "nodes": {%s, "bye": {"type": "hangup"}}}`, flow, handler, entry, nodes))
			}
			f := link(t, l, "main")
			run, _ := start(t, f)
			run, _ = resume(t, f, run, "error", nil)
			if run.At != c.want || run.Ended != (c.want == "") {
				t.Errorf("the call went to %q, want %q", run.At, c.want)
			}
		})
	}
}

func TestFlowsThatCannotBeLinked(t *testing.T) {
	calling := func(to string) string {
		return fmt.Sprintf(`"entry": "s", "nodes": {"s": {"type": "subflow", "cfg": {"flow": %q}, "on": {"default": "r"}}, "r": {"type": "return"}`, to)
	}
	l := library{}
	for _, way := range []string{"a>b", "b>c", "c>b", "self>self", "d0>d1", "d1>d2", "d2>d3", "d3>d4", "d4>d5", "d5>d6", "lost>nowhere"} {
		from, to, _ := strings.Cut(way, ">")
		l.put(t, from, 1, calling(to))
	}
	l.put(t, "d6", 1, `"entry": "r", "nodes": {"r": {"type": "return"}`)
	many := `"entry": "s0", "nodes": {"r": {"type": "return"}`
	for i := range 30 {
		many += fmt.Sprintf(`, "s%d": {"type": "subflow", "cfg": {"flow": "NEXT"}, "on": {"default": "r"}}`, i)
	}
	l.put(t, "m1", 1, strings.ReplaceAll(many, "NEXT", "m2"))
	l.put(t, "m2", 1, strings.ReplaceAll(many, "NEXT", "m3"))
	l.put(t, "m3", 1, strings.ReplaceAll(many, "NEXT", "d6"))
	for name, says := range map[string]string{
		"a": "a → b → c → b", "self": "self → self", "d0": "d0 → d1 → d2 → d3 → d4 → d5 → d6", "lost": `no published flow "nowhere"`, "m1": "more than 5000 nodes",
	} {
		_, err := routing.Link(l[name], routing.Parts{Flow: l.find})
		var bad *routing.LinkError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), says) {
			t.Errorf("linking %s: %v, want %q", name, err, says)
			continue
		}
		if f := bad.Findings[0]; name != "m1" && (f.Location != "nodes.s.cfg.flow" || f.Node != "s" || f.Key != "flow") {
			t.Errorf("%s: the fault is at %+v", name, f)
		}
		if !strings.Contains(routing.Lint(l[name], routing.Known{Flow: l.find}).String(), says) {
			t.Errorf("lint says nothing of %s", name)
		}
	}
	if _, err := routing.Link(l["d1"], routing.Parts{Flow: l.find}); err != nil {
		t.Errorf("five deep: %v", err)
	}
}

func TestLintLooksIntoSubflows(t *testing.T) {
	l := shelf(t)
	known := known()
	known.Flow = l.find
	for name, f := range l {
		if found := routing.Lint(f, known); len(found) > 0 {
			t.Errorf("%s:\n%s", name, found)
		}
	}
	l.put(t, "nothing", 1, `"entry": "r", "nodes": {"r": {"type": "return"}`)
	l.put(t, "slow", 1, `"entry": "m", "nodes": {"m": {"type": "menu", "cfg": {"prompt": "menu", "options": {"1": ""}, "timeout_s": 60}, "on": {"default": "d"}},
		"d": {"type": "dial", "cfg": {"targets": ["team:sales"], "record": true}, "on": {"default": "r"}}, "r": {"type": "return"}`)
	for _, c := range []struct{ name, nodes, severity, at, says string }{
		{"an outcome that is never returned", `"s": {"type": "subflow", "cfg": {"flow": "qualify"}, "on": {"warm": "bye", "default": "bye"}}`, "error", "nodes.s.on.warm", "there are hot, returned"},
		{"no default", `"s": {"type": "subflow", "cfg": {"flow": "qualify"}, "on": {"hot": "bye"}}`, "error", "nodes.s.on.default", "needs a default"},
		{"a circle through it", `"s": {"type": "subflow", "cfg": {"flow": "nothing"}, "on": {"default": "s"}}`, "error", "nodes.s", "s → s/r → s"},
		{"what is said within", `"s": {"type": "subflow", "cfg": {"flow": "slow"}, "on": {"default": "bye"}}`, "warning", "nodes.s.cfg.flow", "s/d: the conversation is recorded"},
		{"how long it takes within", `"s": {"type": "subflow", "cfg": {"flow": "slow"}, "on": {"default": "bye"}}`, "warning", "entry", "4m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := l.put(t, "top", 1, `"entry": "s", "nodes": {`+c.nodes)
			found := routing.Lint(f, known)
			if !slices.ContainsFunc(found, func(f routing.Finding) bool {
				return string(f.Severity) == c.severity && f.Location == c.at && strings.Contains(f.Message, c.says)
			}) {
				t.Errorf("no %s at %s with %q among\n%s", c.severity, c.at, c.says, found)
			}
		})
	}
	t.Run("without the others nothing is said of them", func(t *testing.T) {
		known.Flow = nil
		if found := routing.Lint(l["main"], known); len(found) > 0 {
			t.Error(found)
		}
	})
}
