package routing_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/callyard/callyard/routing"
)

// fault is one that somebody might make in a flow of testdata/good: the flow
// with something changed, and what lint must say of it.
type fault struct {
	Name     string   `json:"name"`
	Change   []change `json:"change"`
	Location string   `json:"location"`
	Node     string   `json:"node"`
	Key      string   `json:"key"`
	Severity string   `json:"severity"` // "" is error
	Says     string   `json:"says"`
	Also     []string `json:"also"` // what follows from it elsewhere
}

type change struct {
	At string          `json:"at"` // RFC 6901
	To json.RawMessage `json:"to"` // none: it is taken out
}

func goodFlows(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/good/*.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d good flows, %v", len(files), err)
	}
	docs := map[string][]byte{}
	for _, file := range files {
		doc, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		docs[strings.TrimSuffix(filepath.Base(file), ".json")] = doc
	}
	return docs
}

// corpus is what the hub of the good flows has.
func corpus(t testing.TB, docs map[string][]byte) routing.Known {
	t.Helper()
	k := known()
	flows := library{}
	for name, doc := range docs {
		if f, err := routing.Parse(doc); err == nil {
			flows[name] = f.WithVersion(1)
		}
	}
	k.Flow = flows.find
	k.Names = func(what string) []string {
		return map[string][]string{
			"queue": {"sales", "enterprise"}, "lot": {"sales"}, "team": {"enterprise", "sales"}, "agent": {"ann", "ben"},
			"flow": {"qualify", "calls_qualify"}, "calendar": {"holidays-es"},
		}[what]
	}
	return k
}

func check(doc []byte, known routing.Known) routing.Findings {
	f, err := routing.Parse(doc)
	var bad *routing.ParseError
	if f == nil && errors.As(err, &bad) {
		return bad.Findings
	}
	return routing.Lint(f, known)
}

func TestGoodFlowsHaveNoFaults(t *testing.T) {
	docs := goodFlows(t)
	known := corpus(t, docs)
	used := map[string]bool{}
	for name, doc := range docs {
		if found := check(doc, known); len(found) > 0 {
			t.Errorf("%s:\n%s", name, found)
			continue
		}
		var nodes struct {
			Nodes map[string]struct{ Type string }
		}
		if err := json.Unmarshal(doc, &nodes); err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes.Nodes {
			used[n.Type] = true
		}
	}
	for _, kind := range routing.NodeTypes() {
		if !used[kind.Type] {
			t.Errorf("no good flow has a %s", kind.Type)
		}
	}
}

func TestFaultsAreCaught(t *testing.T) {
	docs := goodFlows(t)
	known := corpus(t, docs)
	files, err := filepath.Glob("testdata/faults/*.json")
	if err != nil {
		t.Fatal(err)
	}
	seeded := 0
	for _, file := range files {
		of := strings.TrimSuffix(filepath.Base(file), ".json")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var faults []fault
		if err := json.Unmarshal(b, &faults); err != nil {
			t.Fatal(err)
		}
		for _, c := range faults {
			seeded++
			t.Run(of+"/"+c.Name, func(t *testing.T) {
				found := check(c.in(t, docs[of]), known)
				severity := routing.Severity(c.Severity)
				if severity == "" {
					severity = routing.Error
				}
				caught := false
				for _, f := range found {
					switch {
					case f.Location == c.Location && f.Node == c.Node && f.Key == c.Key && f.Severity == severity && strings.Contains(f.Message, c.Says):
						caught = true
					case !slices.Contains(c.Also, f.Location):
						t.Errorf("said besides: %s", f)
					}
				}
				if !caught {
					t.Errorf("no %s at %s (node %q, key %q) with %q among\n%s", severity, c.Location, c.Node, c.Key, c.Says, found)
				}
			})
		}
	}
	if seeded < 60 {
		t.Errorf("%d seeded faults", seeded)
	}
}

// in is a flow with the fault in it.
func (f fault) in(t *testing.T, doc []byte) []byte {
	t.Helper()
	var tree any
	if err := json.Unmarshal(doc, &tree); err != nil {
		t.Fatal(err)
	}
	for _, c := range f.Change {
		var to any
		if c.To != nil {
			if err := json.Unmarshal(c.To, &to); err != nil {
				t.Fatal(err)
			}
		}
		parts := strings.Split(c.At, "/")[1:]
		at := tree
		for _, p := range parts[:len(parts)-1] {
			if m, ok := at.(map[string]any); ok {
				if m[p] == nil {
					m[p] = map[string]any{}
				}
				at = m[p]
				continue
			}
			i, _ := strconv.Atoi(p)
			at = at.([]any)[i]
		}
		last := parts[len(parts)-1]
		switch at := at.(type) {
		case map[string]any:
			if at[last] = to; c.To == nil {
				delete(at, last)
			}
		case []any:
			i, _ := strconv.Atoi(last)
			at[i] = to
		}
	}
	b, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
