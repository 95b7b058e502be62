package routing_test

import (
	"os"
	"path/filepath"
	"testing"

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
	f.Fuzz(func(t *testing.T, doc []byte, outcome, digits string, turn uint8) {
		flow, err := routing.Parse(doc)
		routing.Lint(flow, known())
		if err != nil {
			return
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
