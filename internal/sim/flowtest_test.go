package sim_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/routing"
)

func parse(t testing.TB, doc string) *routing.Flow {
	t.Helper()
	f, err := routing.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// example is the example flow with other tests.
func example(t *testing.T, tests string) *routing.Flow {
	t.Helper()
	b, err := os.ReadFile("../../routing/testdata/inbound_sales.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	doc["tests"] = json.RawMessage(tests)
	if b, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	return parse(t, string(b))
}

func TestImaginedCalls(t *testing.T) {
	const at = `"at": "2026-11-03T10:00:00+01:00"`
	const hot = at + `, "crm": {"owner": "ann", "deal": {"amount": 80000}}`
	for _, c := range []struct{ name, given, events, path, outcome string }{
		{"owner answers", hot + `, "agents": {"ann": "available"}`, ``, `hours lookup owner done`, "answered"},
		{"owner lets it ring and takes it", hot + `, "agents": {"ann": "no_answer"}`, `{"at_s": 12, "answered_by": "ann"}`, `hours lookup owner done`, "answered"},
		{"too late for the owner's phone", hot + `, "agents": {"ann": "no_answer"}`, `{"at_s": 25, "answered_by": "ben"}`, `hours lookup owner hot park_hot done`, "retrieved"},
		{"nobody at all", hot, ``, `hours lookup owner hot park_hot callback`, "expired"},
		{"the team is there", hot + `, "agents": {"team:enterprise": "available"}`, ``, `hours lookup owner hot park_hot done`, "retrieved"},
		{"caller hangs up in the slot", hot, `{"at_s": 50, "hangup": true}, {"at_s": 60, "retrieved_by": "ben"}`, `hours lookup owner hot park_hot`, "hangup"},
		{"just before the end", at, `{"at_s": 240, "retrieved_by": "ben"}`, `hours lookup hot park done`, "retrieved"},
		{"just after the end", at, `{"at_s": 241, "retrieved_by": "ben"}`, `hours lookup hot park voicemail`, "left"},
		{"lot is full, key in the queue", at, `{"at_s": 0, "outcome": "full"}, {"at_s": 30, "digits": "5"}, {"at_s": 40, "digits": "1"}`, `hours lookup hot park queue callback`, "exit_key"},
		{"CRM is down", at + `, "crm_outcome": "error"`, `{"at_s": 1, "retrieved_by": "ben"}`, `hours lookup hot park done`, "retrieved"},
		{"evening", `"at": "2026-11-03T21:00:00+01:00"`, `{"at_s": 0, "outcome": "empty"}`, `hours voicemail`, "empty"},
		{"Christmas, hang-up written out", `"at": "2026-12-25T10:00:00+01:00"`, ``, `hours voicemail bye`, "left"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := `"` + strings.ReplaceAll(c.path, " ", `", "`) + `"`
			f := example(t, `[{"name": "t", "given": {`+c.given+`}, "events": [`+c.events+`], "expect": {"path": [`+path+`], "outcome": "`+c.outcome+`"}}]`)
			for _, r := range sim.Tests(t.Context(), f) {
				if !r.Passed {
					t.Errorf("%q", r.Faults)
				}
			}
		})
	}
}

func TestFailingTestsAreTold(t *testing.T) {
	f := example(t, `[{"name": "right", "given": {"at": "2026-11-03T21:00:00+01:00"}, "expect": {"path": ["hours", "voicemail"]}},
		{"name": "wrong", "given": {"at": "2026-11-03T21:00:00+01:00"}, "expect": {"path": ["hours"], "outcome": "empty"}}]`)
	results := sim.Tests(t.Context(), f)
	if len(results) != 2 || !results[0].Passed || results[1].Passed || len(results[1].Faults) != 2 {
		t.Fatalf("%+v", results)
	}
	found := routing.TestFindings(results).Errors()
	if len(found) != 2 || found[0].Location != "tests[1]" || !strings.Contains(found[0].Message, "hours → voicemail") {
		t.Errorf("%s", found)
	}
}

// Tests of a flow that calls others go through those.
func TestFlowTestsOfSubflows(t *testing.T) {
	inner := parse(t, `{"schema": "callflow/v1", "name": "inner", "entry": "r", "nodes": {"r": {"type": "return", "cfg": {"outcome": "big"}}}}`)
	main := parse(t, `{"schema": "callflow/v1", "name": "main", "entry": "s", "handlers": {"hangup": "bye"}, "nodes": {
		"s": {"type": "subflow", "cfg": {"flow": "inner"}, "on": {"big": "v", "default": "bye"}}, "v": {"type": "voicemail", "on": {"default": "bye"}}, "bye": {"type": "hangup"}},
		"tests": [{"name": "t", "given": {"at": "2026-11-03T10:00:00Z"}, "expect": {"path": ["s", "s/r", "v"], "outcome": "left"}}]}`)
	known := routing.Known{Flow: func(name string) *routing.Flow {
		if name == "inner" {
			return inner
		}
		return nil
	}}
	if found := sim.Check(t.Context(), main, known); len(found) > 0 {
		t.Error(found)
	}
	if found := sim.Check(t.Context(), main, routing.Known{}).Errors(); len(found) != 1 || found[0].Location != "nodes.s.cfg.flow" {
		t.Errorf("without the other flow: %v", found)
	}
}
