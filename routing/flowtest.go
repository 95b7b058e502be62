package routing

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Test is a test that a flow carries.
type Test struct {
	Name   string          `json:"name"`
	Given  Imagined        `json:"given"`
	Events []ImaginedEvent `json:"events,omitempty"`
	Expect Expected        `json:"expect"`
}

// Expected is what a test demands; what is not said is not asked.
type Expected struct {
	Path    []string `json:"path,omitempty"` // a hang-up at the end may be left out
	Outcome string   `json:"outcome,omitempty"`
}

// Tests are those that the flow carries. They must not be changed.
func (f *Flow) Tests() []Test { return f.tests }

func testSchema() *Schema {
	return object(fields{
		"name":   text(""),
		"given":  imaginedSchema(),
		"events": listOf(imaginedEventSchema()),
		"expect": object(fields{
			"path":    listOf(name(NodeName, "the nodes in order; a hang-up at the end may be left out")),
			"outcome": text("of the last node that waited for somebody; hangup if the caller went"),
		}),
	}, "name", "given", "expect")
}

func readTests(tests []any, at place, out *faults) []Test {
	var all []Test
	for i, tree := range tests {
		here := at.item(i)
		given, _ := tree.(map[string]any)
		when := branch(given, "given")["at"]
		if _, err := time.Parse(time.RFC3339, show(when)); err != nil {
			out.err(here.in("given").in("at"), "%v is no time such as 2026-11-03T10:00:00+01:00", when)
			continue
		}
		if crm := branch(given, "given")["crm"]; crm != nil {
			if _, ok := crm.(map[string]any); !ok {
				out.err(here.in("given").in("crm"), "wants an object or null")
				continue
			}
		}
		if !readManners(given, here, out) {
			continue
		}
		var t Test
		if err := reread(tree, &t); err != nil {
			out.err(here, "%v", err)
			continue
		}
		all = append(all, t)
	}
	return all
}

// readManners checks how a test writes the behaviour of agents.
func readManners(test map[string]any, at place, out *faults) bool {
	before := len(out.found)
	agents := branch(branch(test, "given"), "agents")
	for _, who := range keys(agents) {
		if !Mannered(show(agents[who])) {
			out.err(at.in("given").in("agents").in(who), "%q is not %s", show(agents[who]), Manners)
		}
	}
	events, _ := test["events"].([]any)
	for i, tree := range events {
		e, _ := tree.(map[string]any)
		if becomes := show(e["becomes"]); becomes != "" && !Mannered(becomes) || (show(e["agent"]) == "") != (becomes == "") {
			out.err(at.in("events").item(i).in("becomes"), "says with agent how somebody behaves from now on: %s", Manners)
		}
	}
	return len(out.found) == before
}

// TestResult is what came of one of a flow's tests.
type TestResult struct {
	Name    string   `json:"name"`
	Passed  bool     `json:"passed"`
	Path    []string `json:"path"`
	Outcome string   `json:"outcome"`
	Faults  []string `json:"faults,omitempty"` // what was not as expected
}

// Judge compares what became of an imagined call with what the test expects.
func (t Test) Judge(f *Flow, path []string, outcome string) TestResult {
	r := TestResult{Name: t.Name, Path: path, Outcome: outcome}
	if t.Expect.Path != nil && !t.took(f, path) {
		r.Faults = append(r.Faults, fmt.Sprintf("path is %s, not %s", strings.Join(path, " → "), strings.Join(t.Expect.Path, " → ")))
	}
	if t.Expect.Outcome != "" && t.Expect.Outcome != outcome {
		r.Faults = append(r.Faults, fmt.Sprintf("outcome is %q, not %q", outcome, t.Expect.Outcome))
	}
	r.Passed = len(r.Faults) == 0
	return r
}

// took compares paths. The hang-up at the end need not be written.
func (t Test) took(f *Flow, path []string) bool {
	if slices.Equal(path, t.Expect.Path) {
		return true
	}
	last := len(path) - 1
	return last >= 0 && f.Type(path[last]) == "hangup" && slices.Equal(path[:last], t.Expect.Path)
}

// TestFindings are the failed tests as faults of the document.
func TestFindings(results []TestResult) Findings {
	var out faults
	for i, r := range results {
		for _, why := range r.Faults {
			out.err(place{}.in("tests").item(i), "test %q: %s", r.Name, why)
		}
	}
	return out.found
}
