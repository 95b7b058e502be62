package routing_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/routing"
)

// wander walks a random call through a flow: whatever comes to pass, and things
// that cannot.
func wander(t testing.TB, f *routing.Flow, r *rand.Rand) routing.Run {
	t.Helper()
	outcomes := []string{
		"answered", "done", "interrupted", "digits", "timeout", "one", "none", "many", "error", "no_answer", "busy",
		"retrieved", "expired", "full", "failed", "left", "empty", "exit_key", "hangup", "nonsense", "ok", "set", "scheduled",
	}
	at := noon.Add(time.Duration(r.IntN(7*24*60)) * time.Minute)
	run, _, err := routing.Start(f, routing.Caller{Call: "call_1", From: "+34600000001", Name: "Ada", At: at}, at)
	if err != nil {
		t.Fatal(err)
	}
	for range r.IntN(40) {
		at = at.Add(time.Duration(r.IntN(90_000_000)) * time.Microsecond)
		e := routing.Event{Node: run.At, Outcome: outcomes[r.IntN(len(outcomes))], At: at.In(time.FixedZone("", 3600*r.IntN(3)))}
		if e.Outcome == "hangup" && r.IntN(4) > 0 {
			continue
		}
		if r.IntN(10) == 0 {
			e.Node = "elsewhere"
		}
		if r.IntN(2) == 0 {
			e.Vars = map[string]any{
				"digits": []string{"1", "2", "9", "1234", "#"}[r.IntN(5)], "key": "1",
				"crm": map[string]any{"owner": "ann", "deal": map[string]any{"amount": r.IntN(100000)}, "tags": []string{"a"}},
			}
		}
		if run, _, err = routing.Resume(f, run, e); err != nil {
			t.Fatal(err)
		}
	}
	return run
}

// flows are all that lie in testdata.
func flows(t testing.TB) map[string]*routing.Flow {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*routing.Flow{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if !strings.Contains(name, ".") { // else a golden call
			out[name] = load(t, name)
		}
	}
	return out
}

func TestReplay(t *testing.T) {
	t.Run("what a stored run was told leads to the same run, byte for byte", func(t *testing.T) {
		for name, f := range flows(t) {
			for seed := range uint64(300) {
				was := wander(t, f, rand.New(rand.NewPCG(seed, 1)))
				stored := jsonOf(t, was)
				var read routing.Run
				if err := json.Unmarshal(stored, &read); err != nil {
					t.Fatal(err)
				}
				stands, err := routing.Replay(f, read)
				if err != nil {
					t.Fatal(err)
				}
				if again := jsonOf(t, stands[len(stands)-1].Run); string(again) != string(stored) {
					t.Fatalf("%s, seed %d:\n%s\nbecame\n%s", name, seed, stored, again)
				}
			}
		}
	})
	f := load(t, "inbound_sales")
	t.Run("a run of an older hub is not replayed", func(t *testing.T) {
		if _, err := routing.Replay(f, routing.Run{Flow: "x", Path: []routing.Decision{{Node: "hours"}}}); !errors.Is(err, routing.ErrNotReplayable) {
			t.Error(err)
		}
	})
	t.Run("nor one that was told too much", func(t *testing.T) {
		run, _ := start(t, f)
		run, _ = resume(t, f, run, "one", map[string]any{"crm": map[string]any{"note": strings.Repeat("x", 20<<10)}})
		if n := len(run.Told); n != 1 || !run.Told[0].Cut || run.Told[0].Vars != nil {
			t.Fatalf("%+v", run.Told)
		}
		if _, err := routing.Replay(f, run); !errors.Is(err, routing.ErrNotReplayable) {
			t.Error(err)
		}
	})
	t.Run("each stand says what was waited for", func(t *testing.T) {
		run, _ := start(t, f)
		run, _ = resume(t, f, run, "none", nil)
		stands, err := routing.Replay(f, run)
		if err != nil || len(stands) != 2 {
			t.Fatal(len(stands), err)
		}
		if _, ok := stands[0].Waits.(routing.Lookup); !ok {
			t.Errorf("first waited for %T", stands[0].Waits)
		}
		if _, ok := stands[1].Waits.(routing.Park); !ok || !slices.Equal(stands[1].Did, nil) {
			t.Errorf("then waited for %T", stands[1].Waits)
		}
	})
}

func jsonOf(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
