package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/callyard/callyard/routing"
)

// An editor that checks forms by the schemas it is served and the hub that reads
// the flow say the same: of good nodes, and of nodes with one fault each.
func TestNodeSchemasAgreeWithTheParser(t *testing.T) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	served, schemas := map[string]any{}, map[string]*jsonschema.Schema{}
	for _, n := range newHub(t).must(200, "GET", "/v1/node_types", nil).data() {
		kind := fmt.Sprint(n["type"])
		if err := c.AddResource(kind+".json", n["cfg"]); err != nil {
			t.Fatal(err)
		}
		schema, err := c.Compile(kind + ".json") // checks it by the schema of 2020-12
		if err != nil {
			t.Fatalf("cfg of %s: %v", kind, err)
		}
		served[kind], schemas[kind] = n["cfg"], schema
	}
	files, err := filepath.Glob("../../routing/testdata/good/*.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d good flows, %v", len(files), err)
	}
	dice := rand.New(rand.NewPCG(1, 2))
	tried := map[string]int{}
	for _, file := range files {
		doc, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var flow map[string]any
		if err := json.Unmarshal(doc, &flow); err != nil {
			t.Fatal(err)
		}
		nodes, _ := flow["nodes"].(map[string]any)
		for _, id := range slices.Sorted(maps.Keys(nodes)) {
			node, _ := nodes[id].(map[string]any)
			kind, where := fmt.Sprint(node["type"]), filepath.Base(file)+" "+id
			good, _ := node["cfg"].(map[string]any)
			if good == nil {
				good = map[string]any{}
			}
			if err := schemas[kind].Validate(good); err != nil {
				t.Errorf("%s: the schema refuses what the parser takes: %v", where, err)
				continue
			}
			faults := map[string][]fault{}
			findFaults(served[kind], good, nil, func(f fault) { faults[f.kind] = append(faults[f.kind], f) })
			for _, k := range slices.Sorted(maps.Keys(faults)) {
				f := faults[k][dice.IntN(len(faults[k]))]
				bad := f.into(toJSON(good), f.at)
				if schemas[kind].Validate(bad) == nil {
					t.Errorf("%s: the schema takes %s at %v", where, f.kind, f.at)
				}
				node["cfg"] = bad
				if err := parsed(t, flow); !blames(err, "nodes."+id+".cfg") {
					t.Errorf("%s: the parser says of %s at %v: %v", where, f.kind, f.at, err)
				}
				tried[k]++
			}
			node["cfg"] = good
		}
	}
	for _, k := range []string{"an unknown key", "a wrong type", "too little", "too much", "no choice", "too long a text", "a key that is missing"} {
		if tried[k] < 5 {
			t.Errorf("%s was tried %d times", k, tried[k])
		}
	}
}

func parsed(t *testing.T, flow map[string]any) error {
	t.Helper()
	doc, err := json.Marshal(flow)
	if err != nil {
		t.Fatal(err)
	}
	_, err = routing.Parse(doc)
	return err
}

// blames: the error is about something at that place or in it.
func blames(err error, place string) bool {
	e, ok := errors.AsType[*routing.ParseError](err)
	return ok && slices.ContainsFunc(e.Findings, func(f routing.Finding) bool { return strings.HasPrefix(f.Location, place) })
}

// fault is a way to spoil a value.
type fault struct {
	kind string
	at   []any // keys and indices
	with any   // what stands there then; nil: nothing
}

// into is the value with the fault in it. The value is changed.
func (f fault) into(v any, at []any) any {
	if len(at) == 0 {
		return f.with
	}
	switch key := at[0].(type) {
	case string:
		m, _ := v.(map[string]any)
		if m[key] = f.into(m[key], at[1:]); m[key] == nil {
			delete(m, key)
		}
	case int:
		list, _ := v.([]any)
		list[key] = f.into(list[key], at[1:])
	}
	return v
}

// wrongly is a value of another type.
var wrongly = map[string]any{"object": true, "array": true, "string": 7.0, "number": "many", "integer": 1.5, "boolean": "yes"}

// findFaults finds the ways in which a value can be spoilt that a schema describes.
func findFaults(schema, v any, at []any, add func(fault)) {
	s, _ := schema.(map[string]any)
	spoil := func(kind string, with any, more ...any) {
		add(fault{kind, slices.Concat(at, more), with})
	}
	if w, ok := wrongly[fmt.Sprint(s["type"])]; ok {
		spoil("a wrong type", w)
	}
	switch v := v.(type) {
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		each, free := s["additionalProperties"].(map[string]any)
		if !free && s["type"] == "object" {
			spoil("an unknown key", true, "unheard_of")
		}
		required, _ := s["required"].([]any)
		for _, key := range required {
			spoil("a key that is missing", nil, key)
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if p, known := properties[key]; known {
				findFaults(p, v[key], slices.Concat(at, []any{key}), add)
			} else if free {
				findFaults(each, v[key], slices.Concat(at, []any{key}), add)
			}
		}
	case []any:
		for i := range v {
			findFaults(s["items"], v[i], slices.Concat(at, []any{i}), add)
		}
	case float64:
		if least, ok := s["minimum"].(float64); ok {
			spoil("too little", least-1)
		}
		if most, ok := s["maximum"].(float64); ok {
			spoil("too much", most+1)
		}
	case string:
		if s["enum"] != nil {
			spoil("no choice", "none of these")
		}
		if most, ok := s["maxLength"].(float64); ok {
			spoil("too long a text", strings.Repeat("ñ", int(most)+1))
		}
	}
}
