package routing

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// flowTest is a test that a flow carries.
type flowTest struct {
	Name   string          `json:"name"`
	Given  Imagined        `json:"given"`
	Events []ImaginedEvent `json:"events"`
	Expect struct {
		Path    []string `json:"path"`
		Outcome string   `json:"outcome"`
	} `json:"expect"`
}

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

func readTests(tests []any, at place, out *faults) []flowTest {
	var all []flowTest
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
		var t flowTest
		if err := reread(tree, &t); err != nil {
			out.err(here, "%v", err)
			continue
		}
		all = append(all, t)
	}
	return all
}

// TestResult is what came of one of a flow's tests.
type TestResult struct {
	Name    string   `json:"name"`
	Passed  bool     `json:"passed"`
	Path    []string `json:"path"`
	Outcome string   `json:"outcome"`
	Faults  []string `json:"faults,omitempty"` // what was not as expected
}

// RunTests runs the tests that a flow carries, each as an imagined call.
func RunTests(f *Flow) []TestResult {
	var out []TestResult
	for _, t := range f.tests {
		r := TestResult{Name: t.Name}
		p, err := Imagine(f, t.Given, t.Events)
		r.Path, r.Outcome = p.Path, p.Outcome
		if err != nil {
			r.Faults = append(r.Faults, err.Error())
		}
		if t.Expect.Path != nil && !t.took(f, p.Path) {
			r.Faults = append(r.Faults, fmt.Sprintf("path is %s, not %s", strings.Join(p.Path, " → "), strings.Join(t.Expect.Path, " → ")))
		}
		if t.Expect.Outcome != "" && t.Expect.Outcome != p.Outcome {
			r.Faults = append(r.Faults, fmt.Sprintf("outcome is %q, not %q", p.Outcome, t.Expect.Outcome))
		}
		r.Passed = len(r.Faults) == 0
		out = append(out, r)
	}
	return out
}

// took compares paths. The hang-up at the end need not be written.
func (t flowTest) took(f *Flow, path []string) bool {
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
