package sim_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/routing"
)

// Whatever the flow and whatever happens, an imagined call ends, nothing
// panics, and the same call comes out the same.
func FuzzCall(f *testing.F) {
	files, err := filepath.Glob("../../routing/testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	events := []string{
		`[{"at_s": 3, "digits": "123#"}, {"at_s": 90, "hangup": true}]`,
		`[{"at_s": 30, "agent": "team:enterprise", "becomes": "available:3s"}, {"at_s": 200, "answered_by": "ben"}]`,
		`[{"at_s": 1, "outcome": "nonsense"}, {"at_s": 1, "retrieved_by": "ann"}]`,
	}
	for i, file := range files {
		doc, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc, `{"agents": {"ann": "no_answer", "queue:sales": "rejects:2s"}, "crm": {"owner": "ann"}, "talk_s": 5}`, events[i%len(events)])
	}
	f.Fuzz(func(t *testing.T, doc []byte, given, happens string) {
		flow, err := routing.Parse(doc)
		if err != nil || len(routing.Lint(flow, routing.Known{}).Errors()) > 0 {
			return
		}
		sim.Tests(t.Context(), flow)
		var g routing.Imagined
		var es []routing.ImaginedEvent
		_, _ = json.Unmarshal([]byte(given), &g), json.Unmarshal([]byte(happens), &es)
		g.At = ten
		if len(es) > 50 {
			return
		}
		var was []byte
		for range 2 {
			r, err := sim.Call(t.Context(), sim.Anywhere, flow, g, es)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Run.Ended && r.Undecided == "" {
				t.Fatalf("the call has not ended: %+v", r)
			}
			b, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if was != nil && string(b) != string(was) {
				t.Fatalf("the same call comes out as\n%s\nand as\n%s", was, b)
			}
			was = b
		}
	})
}
