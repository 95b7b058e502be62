package routing

import (
	"cmp"
	"fmt"
	"math"
)

// Guard says when a canary is given up by itself. The zero value never does.
type Guard struct {
	AbandonRate *float64 `json:"abandon_rate,omitempty"` // the most that is put up with, 0 to 1; nil: not looked at
	ErrorRate   *float64 `json:"error_rate,omitempty"`   // the same of calls that failed
	MinCalls    int      `json:"min_calls"`              // of the canary within the window, before it is judged
	WindowMin   int      `json:"window_min"`             // over how many minutes the rates are taken
}

// Defaults of a Guard.
const (
	GuardMinCalls  = 20
	GuardWindowMin = 60
)

// WithDefaults fills in what is not said.
func (g Guard) WithDefaults() Guard {
	g.MinCalls, g.WindowMin = cmp.Or(g.MinCalls, GuardMinCalls), cmp.Or(g.WindowMin, GuardWindowMin)
	return g
}

// Watches says whether the guard looks at anything.
func (g Guard) Watches() bool { return g.AbandonRate != nil || g.ErrorRate != nil }

// Alpha is how likely it is that a guard gives up a canary that is no worse than
// the version it is compared with, over the canary's whole life and however often
// the guard looks.
const Alpha = 0.01

// Tally is what came of a canary's calls.
type Tally struct {
	Canary, Stable Figures // of the window, for the rates
	Abandoned      []Lost  // since the canary began, in their order: the first of each caller
	Failed         []Lost
}

// Figures count calls that have ended.
type Figures struct {
	Calls     int `json:"calls"`
	Abandoned int `json:"abandoned"`
	Failed    int `json:"failed"`
}

// Lost is a call that ended badly.
type Lost struct {
	Canary bool    // it ran the canary
	Part   float64 // of callers who were sent to the canary when it came, between 0 and 1
}

// Verdict is what a guard makes of a tally.
type Verdict struct {
	RollBack bool      `json:"roll_back"`
	Why      string    `json:"why,omitempty"` // "abandon_rate" …, of what it is rolled back for
	Said     string    `json:"said"`          // for people
	Rates    []Reading `json:"rates"`
	Canary   Figures   `json:"canary"` // of the window
	Stable   Figures   `json:"stable"`
}

// Reading is one rate as the guard read it.
type Reading struct {
	Rate     string  `json:"rate"` // "abandon_rate", "error_rate"
	Canary   float64 `json:"canary"`
	Stable   float64 `json:"stable"`
	Max      float64 `json:"max"`
	Evidence float64 `json:"evidence"` // against "no worse than stable"
	Needed   float64 `json:"needed"`   // evidence that is enough
}

// Judge decides. A canary is rolled back for a rate if it has had enough calls in
// the window, the rate among them is beyond the guard's most, and the canary is
// proved to be worse than the stable version:
//
// Callers are divided by a hash, so that of those who are lost while p of all go
// to the canary, at most p are the canary's if it is no worse, however good or bad
// the hour is for both. Each lost caller is a bet against that: the evidence is
// multiplied by the ratio of the probabilities of whose caller it was, if the
// canary loses r times as many and if it loses as many. Averaged over some r this is
// a test martingale, and by Ville's inequality its chance ever to reach 1/α is at
// most α. Hence one may look after every call, and ramp up in between. α is
// divided among the rates that are watched.
func (g Guard) Judge(t Tally) Verdict {
	g = g.WithDefaults()
	v := Verdict{Rates: []Reading{}, Canary: t.Canary, Stable: t.Stable}
	watched := []struct {
		name string
		most *float64
		of   func(Figures) int
		lost []Lost
	}{
		{"abandon_rate", g.AbandonRate, func(f Figures) int { return f.Abandoned }, t.Abandoned},
		{"error_rate", g.ErrorRate, func(f Figures) int { return f.Failed }, t.Failed},
	}
	needed := 0.0
	for _, w := range watched {
		if w.most != nil {
			needed += 1 / Alpha
		}
	}
	for _, w := range watched {
		if w.most == nil {
			continue
		}
		r := Reading{
			Rate: w.name, Canary: part(w.of(t.Canary), t.Canary.Calls), Stable: part(w.of(t.Stable), t.Stable.Calls),
			Max: *w.most, Evidence: evidence(w.lost), Needed: needed,
		}
		v.Rates = append(v.Rates, r)
		if !v.RollBack && t.Canary.Calls >= g.MinCalls && r.Canary > r.Max && r.Evidence >= needed {
			v.RollBack, v.Why = true, w.name
			v.Said = fmt.Sprintf("%s %s of %d calls, beyond %s; the stable version's is %s of %d; evidence %.4g, %.4g is enough",
				w.name, shown(r.Canary), t.Canary.Calls, shown(r.Max), shown(r.Stable), t.Stable.Calls, r.Evidence, needed)
		}
	}
	switch {
	case v.RollBack:
	case t.Canary.Calls < g.MinCalls:
		v.Said = fmt.Sprintf("%d of %d calls that it takes to judge", t.Canary.Calls, g.MinCalls)
	default:
		v.Said = "not shown to be worse than the stable version"
	}
	return v
}

// worse are how many times as many callers the canary is imagined to lose.
var worse = []float64{1.25, 1.5, 2, 3, 5, 10, 30}

// mostEvidence keeps the numbers within what JSON can carry.
const mostEvidence = 1e12

// evidence is the value of the test martingale.
func evidence(lost []Lost) float64 {
	logs := make([]float64, len(worse))
	for _, l := range lost {
		for i, r := range worse {
			logs[i] -= math.Log(l.Part*r + 1 - l.Part)
			if l.Canary {
				logs[i] += math.Log(r)
			}
		}
	}
	sum := 0.0
	for _, x := range logs {
		sum += math.Exp(min(x, math.Log(mostEvidence)))
	}
	return min(sum/float64(len(worse)), mostEvidence)
}

func part(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

func shown(rate float64) string { return fmt.Sprintf("%.4g %%", rate*100) }
