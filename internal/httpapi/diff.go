package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Difference is one place where two documents differ.
type Difference struct {
	Path   string `json:"path" doc:"nodes.park.cfg.ladder[1].after_s"`
	Change string `json:"change" enum:"added,removed,changed"`
	Before any    `json:"before,omitempty"`
	After  any    `json:"after,omitempty"`
}

// differences compares two JSON documents: what is only in one of them is named
// once and whole.
func differences(before, after []byte) ([]Difference, error) {
	var x, y any
	for _, d := range []struct {
		doc []byte
		out *any
	}{{before, &x}, {after, &y}} {
		if err := json.Unmarshal(d.doc, d.out); err != nil {
			return nil, fmt.Errorf("compare documents: %w", err)
		}
	}
	return compare(nil, "", x, y), nil
}

func compare(found []Difference, path string, before, after any) []Difference {
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			return compareObjects(found, path, b, a)
		}
	case []any:
		if a, ok := after.([]any); ok {
			return compareLists(found, path, b, a)
		}
	}
	if !reflect.DeepEqual(before, after) {
		found = append(found, Difference{path, "changed", before, after})
	}
	return found
}

func compareObjects(found []Difference, path string, before, after map[string]any) []Difference {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(after))
	slices.Sort(keys)
	for _, k := range slices.Compact(keys) {
		at := strings.TrimPrefix(path+"."+k, ".")
		b, had := before[k]
		a, has := after[k]
		switch {
		case had && has:
			found = compare(found, at, b, a)
		case had:
			found = append(found, Difference{Path: at, Change: "removed", Before: b})
		default:
			found = append(found, Difference{Path: at, Change: "added", After: a})
		}
	}
	return found
}

func compareLists(found []Difference, path string, before, after []any) []Difference {
	for i := range max(len(before), len(after)) {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case i >= len(after):
			found = append(found, Difference{Path: at, Change: "removed", Before: before[i]})
		case i >= len(before):
			found = append(found, Difference{Path: at, Change: "added", After: after[i]})
		default:
			found = compare(found, at, before[i], after[i])
		}
	}
	return found
}
