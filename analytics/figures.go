package analytics

import (
	"cmp"
	"slices"
	"time"
)

// few is the number below which a percentile says little.
const few = 20

// times summarises durations. It sorts its argument.
func times(ds []time.Duration) Times {
	t := Times{N: len(ds), Few: len(ds) < few}
	if len(ds) == 0 {
		return t
	}
	slices.Sort(ds)
	var sum time.Duration
	for _, d := range ds {
		sum += d
	}
	t.P50, t.P90, t.P95 = ms(percentile(ds, 50)), ms(percentile(ds, 90)), ms(percentile(ds, 95))
	t.Mean = ms(sum / time.Duration(len(ds)))
	return t
}

// percentile is the smallest value that at least p per cent are not above: the
// nearest rank, ⌈p·n/100⌉. sorted must not be empty.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[(p*len(sorted)+99)/100-1]
}

// wait is how long an attempt lasted, and whether it was answered then or only
// watched until then.
type wait struct {
	lasted   time.Duration
	answered bool
}

// kaplanMeier is the time by which half would have been answered, had nobody
// left before: the first at which S(t) = ∏ (1 − dᵢ/nᵢ) is a half or less, over
// the times tᵢ at which dᵢ of nᵢ who still waited were answered. False if it
// never is. Who left at the moment of an answer still counts as waiting at it.
func kaplanMeier(ws []wait) (time.Duration, bool) {
	slices.SortFunc(ws, func(a, b wait) int { return cmp.Compare(a.lasted, b.lasted) })
	s := 1.0
	for i := 0; i < len(ws); {
		t, waiting, answered := ws[i].lasted, len(ws)-i, 0
		for ; i < len(ws) && ws[i].lasted == t; i++ {
			if ws[i].answered {
				answered++
			}
		}
		s *= 1 - float64(answered)/float64(waiting)
		if answered > 0 && s <= 0.5+1e-12 { // products of fractions miss a half by a rounding error
			return t, true
		}
	}
	return 0, false
}

func ms(d time.Duration) *int64 {
	n := d.Milliseconds()
	return &n
}

// rate is a share, or nothing of nothing.
func rate(part, whole int) *float64 {
	if whole <= 0 {
		return nil
	}
	r := float64(part) / float64(whole)
	return &r
}
