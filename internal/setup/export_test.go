package setup_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/setup"
)

func idle(context.Context) ([]setup.Use, error) { return nil, nil }

func applyWith(t *testing.T, s setup.Stores, doc []byte, o setup.Options) []string {
	t.Helper()
	d, err := setup.Read(doc)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := setup.Apply(t.Context(), s, d, o, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range changes {
		if c.Action != "unchanged" {
			out = append(out, strings.TrimSpace(c.Action+" "+c.Kind+" "+c.Name+" "+c.Why))
		}
	}
	return out
}

func exported(t *testing.T, s setup.Stores) []byte {
	t.Helper()
	x, err := setup.Export(t.Context(), s, true)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What is exported changes nothing where it comes from, and makes the same of
// another hub.
func TestExportRoundTrip(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{"the demo": "../demo/demo.yaml", "acceptance": "../../test/acceptance/target.yaml", "interop": "../../test/interop/setup.yaml", "whole": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := []byte(whole)
			if file != "" {
				var err error
				if doc, err = os.ReadFile(file); err != nil {
					t.Fatal(err)
				}
			}
			s := stores(t)
			s.InUse, s.Waiting = idle, idle
			applyWith(t, s, doc, setup.Options{})
			x := exported(t, s)
			if strings.Contains(string(x), "password") || strings.Contains(string(x), `"id"`) {
				t.Errorf("not for everybody's eyes: %s", x)
			}
			if again := applyWith(t, s, x, setup.Options{Prune: true}); len(again) > 0 {
				t.Errorf("applied again it changes %q", again)
			}
			other := stores(t)
			applyWith(t, other, x, setup.Options{})
			if there := exported(t, other); string(there) != string(x) {
				t.Errorf("another hub has\n%s, not\n%s", there, x)
			}
		})
	}
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	s := stores(t)
	s.InUse, s.Waiting = idle, idle
	everything := applyWith(t, s, []byte(whole), setup.Options{DryRun: true})
	if lots, err := s.Lots.Lots(t.Context()); err != nil || len(lots) > 0 || len(everything) < 7 {
		t.Fatalf("%v, %v, %v", lots, err, everything)
	}
	applyWith(t, s, []byte(whole), setup.Options{})
	if again := applyWith(t, s, []byte(whole), setup.Options{DryRun: true}); len(again) > 0 {
		t.Errorf("nothing is different, and it says %q", again)
	}
	changed := strings.NewReplacer("last: 703", "last: 704", "default: bye", "failed: bye, default: bye", "name: A customer", "name: A customer, company: Theirs").Replace(whole)
	would := applyWith(t, s, []byte(changed), setup.Options{DryRun: true})
	did := applyWith(t, s, []byte(changed), setup.Options{})
	if !slices.Equal(would, did) || !slices.Equal(did, []string{"changed lot sales", "changed contact A customer", "changed flow in"}) {
		t.Errorf("it would %q, and did %q", would, did)
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	s := stores(t)
	s.InUse, s.Waiting = idle, idle
	applyWith(t, s, []byte(whole), setup.Options{})
	applyWith(t, s, []byte(`
trunks: [{name: old, sources: ["198.51.100.0/24"]}]
agents: [{name: bob, password: one}]
lots: [{name: back, first: 801, last: 803}]
queues: [{name: back, agents: [{agent: bob}]}]
flows:
  - {schema: callflow/v1, name: out, entry: park, handlers: {hangup: bye, error: bye}, nodes: {
      park: {type: park, cfg: {lot: back}, on: {default: bye}}, bye: {type: hangup}}}
numbers: [{number: "+12025550101", flow: out}]`), setup.Options{})
	removed := []string{"removed number +12025550101", "removed flow out", "removed queue back", "removed lot back", "removed agent bob", "removed trunk old"}

	t.Run("without a wish nothing goes", func(t *testing.T) {
		if got := applyWith(t, s, []byte(whole), setup.Options{}); len(got) > 0 {
			t.Error(got)
		}
	})
	t.Run("what the file has no list of stays", func(t *testing.T) {
		if got := applyWith(t, s, []byte("contacts: []"), setup.Options{Prune: true}); len(got) > 0 {
			t.Error(got)
		}
	})
	t.Run("what a flow of the file names does not go", func(t *testing.T) {
		d, err := setup.Read([]byte(strings.Replace(whole, "lot: sales", "lot: back", 1)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := setup.Apply(t.Context(), s, d, setup.Options{Prune: true}, time.Now()); err == nil || !strings.Contains(err.Error(), "flows[0].nodes.park.cfg.lot") {
			t.Error(err)
		}
	})
	t.Run("what calls use now is kept, and why is said", func(t *testing.T) {
		busy := s
		busy.InUse = func(context.Context) ([]setup.Use, error) {
			return []setup.Use{{Kind: "number", Name: "+12025550101"}, {Kind: "flow", Name: "out"}}, nil
		}
		busy.Waiting = func(context.Context) ([]setup.Use, error) { return []setup.Use{{Kind: "lot", Name: "back"}}, nil }
		got := applyWith(t, busy, []byte(whole), setup.Options{Prune: true, DryRun: true})
		want := slices.Clone(removed)
		want[0], want[1], want[3] = "kept number +12025550101 calls use it now", "kept flow out calls use it now", "kept lot back callers wait in it now"
		if !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
	t.Run("a dry run says what would go, and it goes", func(t *testing.T) {
		if got := applyWith(t, s, []byte(whole), setup.Options{Prune: true, DryRun: true}); !slices.Equal(got, removed) {
			t.Errorf("%q", got)
		}
		if got := applyWith(t, s, []byte(whole), setup.Options{Prune: true}); !slices.Equal(got, removed) {
			t.Errorf("%q", got)
		}
		if got := applyWith(t, s, []byte(whole), setup.Options{Prune: true}); len(got) > 0 {
			t.Errorf("then %q", got)
		}
	})
}
