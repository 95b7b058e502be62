package routing_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/routing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden is one call through a flow: what happens, and what the engine makes of it.
type golden struct {
	Caller   routing.Caller     `json:"caller"`
	Events   []goldenEvent      `json:"events"`
	Commands []goldenCommand    `json:"commands"`
	Path     []routing.Decision `json:"path"`
}

type goldenEvent struct {
	Node    string         `json:"node,omitempty"` // "": the one that waits
	Outcome string         `json:"outcome"`
	AtS     float64        `json:"at_s"`
	Vars    map[string]any `json:"vars,omitempty"`
}

type goldenCommand struct {
	Command string          `json:"command"`
	With    routing.Command `json:"with"`
}

func load(t testing.TB, name string) *routing.Flow {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := routing.Parse(doc)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return f
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.*.json")
	if err != nil || len(files) < 8 {
		t.Fatalf("golden files: %v, %v", files, err)
	}
	for _, file := range files {
		flowName, rest, _ := strings.Cut(filepath.Base(file), ".")
		t.Run(flowName+"/"+strings.TrimSuffix(rest, ".json"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var g golden
			if err := json.Unmarshal(stripped(t, b), &g); err != nil {
				t.Fatal(err)
			}
			g.Commands, g.Path = play(t, load(t, flowName), g.Caller, g.Events)
			got, err := json.MarshalIndent(g, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !bytes.Equal(got, b) {
				t.Errorf("the walk has changed; compare with go test -update. Got:\n%s", got)
			}
		})
	}
}

// stripped leaves out what the engine says, whose commands cannot be read back.
func stripped(t *testing.T, b []byte) []byte {
	t.Helper()
	var in map[string]json.RawMessage
	if err := json.Unmarshal(b, &in); err != nil {
		t.Fatal(err)
	}
	delete(in, "commands")
	delete(in, "path")
	out, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// play walks a call and stores the run between any two events, as a takeover
// by another process does.
func play(t *testing.T, f *routing.Flow, caller routing.Caller, events []goldenEvent) ([]goldenCommand, []routing.Decision) {
	t.Helper()
	run, cmds, err := routing.Start(f, caller, caller.At)
	if err != nil {
		t.Fatal(err)
	}
	all := named(cmds)
	for _, e := range events {
		b, err := json.Marshal(run)
		if err != nil {
			t.Fatal(err)
		}
		var stored routing.Run
		if err := json.Unmarshal(b, &stored); err != nil {
			t.Fatal(err)
		}
		node := e.Node
		if node == "" {
			node = run.At
		}
		ev := routing.Event{Node: node, Outcome: e.Outcome, At: caller.At.Add(time.Duration(e.AtS * float64(time.Second))), Vars: e.Vars}
		next, cmds, err := routing.Resume(f, stored, ev)
		if err != nil {
			t.Fatal(err)
		}
		if after, err := json.Marshal(stored); err != nil || !bytes.Equal(b, after) {
			t.Errorf("Resume changed the run it was given")
		}
		run = next
		all = append(all, named(cmds)...)
	}
	return all, run.Path
}

func named(cmds []routing.Command) []goldenCommand {
	var out []goldenCommand
	for _, c := range cmds {
		out = append(out, goldenCommand{reflect.TypeOf(c).Name(), c})
	}
	return out
}
