package routing_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// trial runs callers through a stable version and a canary until the guard rolls
// back or calls have come, and returns how many had been the canary's; -1 if it
// never rolled back. It looks whenever there is more against the canary.
func trial(r *rand.Rand, g routing.Guard, c routing.Canary, calls int, lostBy func(canary bool, n int) float64, stages ...routing.Stage) int {
	began := time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)
	if len(stages) == 0 {
		stages = []routing.Stage{{At: began, Percent: c.Percent}}
	}
	var t routing.Tally
	c.Salt = fmt.Sprint(r.Uint64())
	var lost []routing.Ended
	mine := 0
	for n := range calls {
		at := began.Add(time.Minute + time.Duration(n)*time.Second)
		for _, s := range stages {
			if !s.At.After(at) {
				c.Percent = s.Percent
			}
		}
		from := call.Number(fmt.Sprintf("+1202%07d", r.IntN(1e7)))
		version := 1
		in, _, _ := c.Has("sales", from, "")
		f := &t.Stable
		if in {
			version, f = c.Version, &t.Canary
			mine++
		}
		f.Calls++
		if r.Float64() < lostBy(in, n) {
			f.Abandoned++
			lost = append(lost, routing.Ended{From: from, Version: version, StartedAt: at, Lost: "abandoned"})
			t.Abandoned = c.FirstLost(lost, stages)
		} else if t.Canary.Calls != g.WithDefaults().MinCalls {
			continue // nothing speaks more against the canary than before
		}
		if g.Judge(t).RollBack {
			return mine
		}
	}
	return -1
}

func TestGuardOnACanaryThatIsNoWorse(t *testing.T) {
	const runs = 1000
	g := routing.Guard{AbandonRate: new(0.01), MinCalls: 1} // nothing but the test keeps it from rolling back
	for name, lostBy := range map[string]func(bool, int) float64{
		"as good":               func(bool, int) float64 { return 0.1 },
		"in hours good and bad": func(_ bool, n int) float64 { return []float64{0.02, 0.6}[n/50%2] },
		"better":                func(canary bool, _ int) float64 { return map[bool]float64{true: 0.05, false: 0.15}[canary] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, 2))
			wrong := 0
			for i := range runs {
				if trial(r, g, routing.Canary{Version: 2, Percent: []float64{5, 10, 50}[i%3]}, 300, lostBy) >= 0 {
					wrong++
				}
			}
			t.Logf("rolled back in %d of %d runs", wrong, runs)
			if wrong > routing.Alpha*runs {
				t.Errorf("rolled back in %d of %d runs, %.0f are as many as may be", wrong, runs, routing.Alpha*runs)
			}
		})
	}
	t.Run("while it is ramped up", func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		at := time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)
		wrong := 0
		for range runs {
			if trial(r, g, routing.Canary{Version: 2}, 300, func(bool, int) float64 { return 0.2 },
				routing.Stage{At: at, Percent: 5}, routing.Stage{At: at.Add(150 * time.Second), Percent: 25}, routing.Stage{At: at.Add(250 * time.Second), Percent: 60}) >= 0 {
				wrong++
			}
		}
		if wrong > routing.Alpha*runs {
			t.Errorf("rolled back in %d of %d runs", wrong, runs)
		}
	})
}

func TestGuardOnABadCanary(t *testing.T) {
	for _, tt := range []struct {
		name    string
		percent float64
		lostBy  func(bool, int) float64
		within  int // of the canary's calls
	}{
		{"that loses every call", 10, func(canary bool, _ int) float64 { return map[bool]float64{true: 1, false: 0.05}[canary] }, 20},
		{"that loses every call at half of them", 50, func(canary bool, _ int) float64 { return map[bool]float64{true: 1, false: 0.05}[canary] }, 40},
		{"that loses three times as many", 10, func(canary bool, _ int) float64 { return map[bool]float64{true: 0.3, false: 0.1}[canary] }, 250},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 6))
			for range 50 {
				n := trial(r, routing.Guard{AbandonRate: new(0.1)}, routing.Canary{Version: 2, Percent: tt.percent}, 20*tt.within, tt.lostBy)
				if n < 0 || n > tt.within {
					t.Fatalf("rolled back after %d calls of the canary, want at most %d", n, tt.within)
				}
				if n < routing.GuardMinCalls {
					t.Fatalf("rolled back after %d calls, before the least", n)
				}
			}
		})
	}
}

func TestJudge(t *testing.T) {
	bad := make([]routing.Lost, 30)
	for i := range bad {
		bad[i] = routing.Lost{Canary: true, Part: 0.1}
	}
	g := routing.Guard{ErrorRate: new(0.2), MinCalls: 30}
	t.Run("says why", func(t *testing.T) {
		v := g.Judge(routing.Tally{Canary: routing.Figures{Calls: 30, Failed: 30}, Stable: routing.Figures{Calls: 300, Failed: 3}, Failed: bad})
		if !v.RollBack || v.Why != "error_rate" || !strings.Contains(v.Said, "100 % of 30 calls, beyond 20 %; the stable version's is 1 % of 300") {
			t.Errorf("%+v", v)
		}
	})
	for name, tally := range map[string]routing.Tally{
		"too few calls":                    {Canary: routing.Figures{Calls: 29, Failed: 29}, Failed: bad},
		"a rate that is put up with":       {Canary: routing.Figures{Calls: 200, Failed: 30}, Failed: bad},
		"worse in what is not looked at":   {Canary: routing.Figures{Calls: 30, Abandoned: 30}, Abandoned: bad},
		"beyond the most, but no evidence": {Canary: routing.Figures{Calls: 30, Failed: 30}, Failed: bad[:1]},
	} {
		t.Run(name+" rolls nothing back", func(t *testing.T) {
			if v := g.Judge(tally); v.RollBack || v.Said == "" {
				t.Errorf("%+v", v)
			}
		})
	}
	t.Run("a guard that looks at nothing does nothing", func(t *testing.T) {
		if v := (routing.Guard{}).Judge(routing.Tally{Canary: routing.Figures{Calls: 1000, Failed: 1000}, Failed: bad}); v.RollBack {
			t.Errorf("%+v", v)
		}
	})
}

func TestCanary(t *testing.T) {
	c := routing.Canary{Version: 2, Percent: 10, Salt: "x"}
	in := map[call.Number]bool{}
	for i := range 20000 {
		from := call.Number(fmt.Sprintf("+3460%07d", i))
		is, _, by := c.Has("sales", from, call.ID(fmt.Sprint("call_", i)))
		if again, _, _ := c.Has("sales", from, "call_another"); again != is || by != "caller" {
			t.Fatal("a caller who calls again meets another version")
		}
		if is {
			in[from] = true
		}
	}
	if n := len(in); n < 1850 || n > 2150 {
		t.Errorf("%d of 20000 callers are in, want a tenth", n)
	}
	t.Run("who is in stays in when it grows", func(t *testing.T) {
		more := c
		more.Percent = 25
		for from := range in {
			if is, _, _ := more.Has("sales", from, ""); !is {
				t.Fatal("a caller was sent back")
			}
		}
	})
	t.Run("another canary has others", func(t *testing.T) {
		other, both := c, 0
		other.Salt = "y"
		for from := range in {
			if is, _, _ := other.Has("sales", from, ""); is {
				both++
			}
		}
		if both > len(in)/5 {
			t.Errorf("%d of %d are in both", both, len(in))
		}
	})
	t.Run("withheld callers go by the call", func(t *testing.T) {
		n := 0
		for i := range 1000 {
			is, _, by := c.Has("sales", "", call.ID(fmt.Sprint("call_", i)))
			if by != "call" {
				t.Fatal(by)
			}
			if is {
				n++
			}
		}
		if n < 60 || n > 140 {
			t.Errorf("%d of 1000 withheld calls are in, want about 100", n)
		}
	})
	t.Run("0 per cent is nobody", func(t *testing.T) {
		for from := range in {
			if is, _, _ := (routing.Canary{Salt: "x"}).Has("sales", from, ""); is {
				t.Fatal("in")
			}
		}
	})
}

func TestFirstLost(t *testing.T) {
	at := time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)
	stages := []routing.Stage{{At: at, Percent: 10}, {At: at.Add(time.Hour), Percent: 50}}
	c := routing.Canary{Version: 2}
	got := c.FirstLost([]routing.Ended{
		{From: "2", Version: 1, StartedAt: at.Add(2 * time.Hour)},
		{From: "1", Version: 2, StartedAt: at.Add(time.Minute)},
		{From: "1", Version: 2, StartedAt: at.Add(2 * time.Minute)}, // again
		{From: "3", Version: 2, StartedAt: at.Add(time.Second)},     // a node may not have known
		{From: "4", Version: 1, StartedAt: at.Add(-time.Minute)},    // before
		{From: "", Version: 1, StartedAt: at.Add(3 * time.Hour)},    // withheld, each for itself
		{From: "", Version: 2, StartedAt: at.Add(4 * time.Hour)},
	}, stages)
	want := []routing.Lost{{true, 0.1}, {false, 0.5}, {false, 0.5}, {true, 0.5}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}
