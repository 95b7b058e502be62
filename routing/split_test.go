package routing_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// splitFlow has an arm for each weight.
func splitFlow(t testing.TB, weights map[string]float64, more string) *routing.Flow {
	t.Helper()
	w, on, arms := "", "", ""
	for _, arm := range []string{"a", "b", "c", "d", "e"} {
		if weight, ok := weights[arm]; ok {
			w += fmt.Sprintf(`, %q: %v`, arm, weight)
			on += fmt.Sprintf(`%q: %q, `, arm, "at_"+arm)
			arms += fmt.Sprintf(`, %q: {"type": "play", "cfg": {"prompt": "x"}, "on": {"next": "bye"}}`, "at_"+arm)
		}
	}
	return parse(t, fmt.Sprintf(`{"schema": "callflow/v1", "name": "x", "entry": "s", "nodes": {
		"s": {"type": "split", "cfg": {"weights": {%s}%s}, "on": {%s"default": "bye"}}%s, "bye": {"type": "hangup"}}}`, w[2:], more, on, arms))
}

func armOf(t testing.TB, f *routing.Flow, from, id string) string {
	t.Helper()
	run, _, err := routing.Start(f, routing.Caller{From: call.Number(from), Call: call.ID(id), At: noon}, noon)
	if err != nil {
		t.Fatal(err)
	}
	return run.Path[0].Outcome
}

func callers(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("+346%08d", i*7)
	}
	return out
}

func TestSplitShares(t *testing.T) {
	const n = 20000
	rng := rand.New(rand.NewPCG(1, 2))
	for range 12 {
		weights := map[string]float64{}
		total := 0.0
		for _, arm := range []string{"a", "b", "c", "d", "e"}[:2+rng.IntN(4)] {
			weights[arm] = float64(rng.IntN(100))
			total += weights[arm]
		}
		if total == 0 {
			continue
		}
		f, got := splitFlow(t, weights, fmt.Sprintf(`, "salt": "%d"`, rng.Int())), map[string]int{}
		for _, from := range callers(n) {
			got[armOf(t, f, from, "call_1")]++
		}
		for arm, w := range weights {
			p := w / total
			// Five standard deviations: the callers are the same in every run, so this cannot fail by chance later.
			if d := math.Abs(float64(got[arm]) - n*p); d > 5*math.Sqrt(n*p*(1-p))+1e-9 {
				t.Errorf("weights %v: %d of %d callers at %s, want about %.0f", weights, got[arm], n, arm, n*p)
			}
		}
	}
}

func TestSplitMovesOnlyWhomItMust(t *testing.T) {
	before := map[string]float64{"a": 40, "b": 40, "c": 20}
	where := func(weights map[string]float64) map[string]string {
		f, at := splitFlow(t, weights, `, "salt": "s"`), map[string]string{}
		for _, from := range callers(5000) {
			at[from] = armOf(t, f, from, "call_1")
		}
		return at
	}
	old := where(before)
	for name, change := range map[string]float64{"more": 60, "less": 5, "none": 0} {
		t.Run(name, func(t *testing.T) {
			after := maps.Clone(before)
			after["b"] = change
			moved := 0
			for from, now := range where(after) {
				if now == old[from] {
					continue
				}
				moved++
				if change > before["b"] && now != "b" || change < before["b"] && old[from] != "b" {
					t.Fatalf("%s moved from %s to %s when b went from 40 to %v", from, old[from], now, change)
				}
			}
			if moved == 0 {
				t.Error("nobody moved")
			}
		})
	}
	t.Run("a new arm takes from all", func(t *testing.T) {
		after := maps.Clone(before)
		after["d"] = 10
		for from, now := range where(after) {
			if now != old[from] && now != "d" {
				t.Fatalf("%s moved from %s to %s", from, old[from], now)
			}
		}
	})
}

func TestSplitIsSticky(t *testing.T) {
	halves := map[string]float64{"a": 1, "b": 1}
	several := func(f *routing.Flow, from string, id func(int) string) map[string]bool {
		arms := map[string]bool{}
		for i := range 64 {
			arms[armOf(t, f, from, id(i))] = true
		}
		return arms
	}
	each := func(i int) string { return fmt.Sprintf("call_%d", i) }
	same := func(int) string { return "call_1" }
	for _, c := range []struct {
		name, cfg, from string
		id              func(int) string
		want            int
	}{
		{"a caller has one arm", ``, "+34600000001", each, 1},
		{"unless the split is not sticky", `, "sticky": "none"`, "+34600000001", each, 2},
		{"a call has one arm in any case", `, "sticky": "none"`, "+34600000001", same, 1},
		{"withheld numbers go by the call", ``, "", each, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := several(splitFlow(t, halves, c.cfg), c.from, c.id); len(got) != c.want {
				t.Errorf("arms %v, want %d", got, c.want)
			}
		})
	}
	t.Run("splits divide callers in their own ways, unless they share a salt", func(t *testing.T) {
		two := func(cfg string) *routing.Flow {
			return parse(t, `{"schema": "callflow/v1", "name": "x", "entry": "s", "nodes": {
				"s": {"type": "split", "cfg": {"weights": {"a": 1, "b": 1}`+cfg+`}, "on": {"default": "t"}},
				"t": {"type": "split", "cfg": {"weights": {"a": 1, "b": 1}`+cfg+`}, "on": {"default": "bye"}}, "bye": {"type": "hangup"}}}`)
		}
		agree := func(f *routing.Flow) (n int) {
			for _, from := range callers(400) {
				run, _, err := routing.Start(f, routing.Caller{From: call.Number(from), At: noon}, noon)
				if err != nil {
					t.Fatal(err)
				}
				if run.Path[0].Outcome == run.Path[1].Outcome {
					n++
				}
			}
			return n
		}
		if n := agree(two(``)); n < 120 || n > 280 {
			t.Errorf("two splits agree on %d of 400 callers", n)
		}
		if n := agree(two(`, "salt": "trial"`)); n != 400 {
			t.Errorf("two splits of one salt agree on %d of 400 callers", n)
		}
	})
	t.Run("why is told", func(t *testing.T) {
		run, _, err := routing.Start(splitFlow(t, map[string]float64{"a": 1, "b": 3}, ``), routing.Caller{From: "+34600000001", At: noon}, noon)
		if err != nil {
			t.Fatal(err)
		}
		d := run.Path[0]
		if d.Rule != "weights."+d.Outcome || d.Reason == "" || len(d.Rejected) != 1 || d.Rejected[0].Why == "" || d.Inputs["by"] != "caller" {
			t.Errorf("%+v", d)
		}
		again, _, _ := routing.Start(splitFlow(t, map[string]float64{"a": 1, "b": 3}, ``), routing.Caller{From: "+34600000001", At: noon}, noon)
		if !reflect.DeepEqual(run, again) {
			t.Error("a replay differs")
		}
	})
}

// Where callers go is part of what a published flow means: it stays as it is
// from release to release.
func TestSplitStaysAsItIs(t *testing.T) {
	f := splitFlow(t, map[string]float64{"a": 50, "b": 30, "c": 20}, `, "salt": "autumn"`)
	got := ""
	for _, from := range callers(24) {
		got += armOf(t, f, from, "call_1")
	}
	if want := "abaaabaaaabcbababbaabaca"; got != want {
		t.Errorf("callers go to %s, and went to %s", got, want)
	}
}
