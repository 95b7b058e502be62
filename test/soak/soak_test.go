//go:build linux

package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/routing"
)

// The soak itself is tried: a short one passes, and did hold, churn and measure.
func TestShortSoak(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "callyard")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "nomsgpack", "-o", binary, "../../cmd/callyard").CombinedOutput(); err != nil {
		t.Fatalf("build the hub: %v\n%s", err, out)
	}
	r, err := try(t.Context(), config{binary: binary, duration: 10 * time.Second, parked: 40, cps: 8, out: t.Output()}, false)
	if err != nil {
		t.Fatal(err)
	}
	r.print(t.Output())
	if !r.Pass {
		t.Errorf("a short soak fails: %s", strings.Join(r.Wrong, "; "))
	}
	if len(r.Kinds) < 6 || r.Placed < 80 || len(r.Samples) < leastSamples {
		t.Errorf("%d kinds of calls, %d calls placed, %d samples: it did little", len(r.Kinds), r.Placed, len(r.Samples))
	}
	for _, s := range r.Samples {
		if s.Parked < 40 || s.Ports < 40 || s.Occupied < 40 || s.RSS == 0 || s.Goroutines == 0 {
			t.Errorf("a sample lacks what was held: %+v", s)
		}
	}
}

// What a hub must not do is noticed.
func TestVerdict(t *testing.T) {
	steady := func(change func(i int, s *sample)) (list []sample) {
		for i := range 40 {
			s := sample{At: float64(i), RSS: 100 + float64(i%3), Goroutines: 200 + i%7, Descriptors: 300, Ports: 100}
			change(i, &s)
			list = append(list, s)
		}
		return list
	}
	for what, c := range map[string]struct {
		list []sample
		want string
	}{
		"nothing":        {steady(func(int, *sample) {}), ""},
		"memory":         {steady(func(i int, s *sample) { s.RSS += float64(5 * i) }), "resident memory"},
		"warming up":     {steady(func(i int, s *sample) { s.RSS += float64(20 * min(i, 15)) }), ""},
		"goroutines":     {steady(func(i int, s *sample) { s.Goroutines += 9 * i }), "goroutines"},
		"descriptors":    {steady(func(i int, s *sample) { s.Descriptors += 2 * i }), "descriptors"},
		"ports in use":   {steady(func(i int, s *sample) { s.Descriptors += 2 * i; s.Ports += i }), ""},
		"a heap of jobs": {steady(func(i int, s *sample) { s.Overdue = i }), "pile up"},
		"few":            {steady(func(int, *sample) {})[:3], "too few"},
	} {
		got := strings.Join(grew(c.list), "; ")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
	idle := sample{Goroutines: 90, Descriptors: 49, Heap: 12}
	if got := remains(idle, idle, true); len(got) != 0 {
		t.Errorf("an empty hub is blamed: %v", got)
	}
	full := sample{Goroutines: 900, Descriptors: 490, Heap: 120, Calls: 1, Ports: 1, Legs: 1, Transactions: 9, Occupied: 1, Open: 1, Engaged: 1, Overdue: 1, Discarded: 1, Faults: 1}
	if got := remains(idle, full, true); len(got) != 13 {
		t.Errorf("of thirteen things left %d are noticed: %v", len(got), got)
	}
}

// A hub takes the set-up file: what it does not know is an error, and each flow is sound.
func TestDocument(t *testing.T) {
	d, err := setup.Read(document(1200))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range d.Flows {
		if _, err := routing.Parse(f); err != nil {
			t.Error(err)
		}
	}
	for _, l := range d.Lots {
		if err := l.WithDefaults().Validate(); err != nil {
			t.Error(err)
		}
	}
	if n := len(d.Numbers); n == 0 || string(d.Numbers[n-1].Number) != lastNumber {
		t.Errorf("%s does not come last: it tells that the rest is there", lastNumber)
	}
}

func TestSharesAreAHundred(t *testing.T) {
	sum := 0
	for _, k := range kinds {
		sum += k.share
	}
	if sum != 100 {
		t.Errorf("the shares of the kinds of calls sum up to %d", sum)
	}
}

func TestMetrics(t *testing.T) {
	m := metrics("# HELP a b\na 3\nb{c=\"d e\"} 4\nb{c=\"f\"} 1.5e+01\nbb 9\n")
	if m["a"] != 3 || m.sum("b") != 19 {
		t.Errorf("read %v", m)
	}
}
