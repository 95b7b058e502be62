package routing

import (
	"fmt"
	"slices"
	"strings"
)

// meant asks whether something like s was meant: " (did you mean …?)", or ""
// when nothing is near.
func meant(s string, among []string) string {
	best, limit := "", max(1, (len(s)+1)/3)+1
	among = slices.Sorted(slices.Values(among))
	for _, a := range among {
		d := distance(strings.ToLower(s), strings.ToLower(a), limit)
		if len(s) > 2 && strings.HasPrefix(a, s) {
			d = min(d, 1) // the rest was left out
		}
		if d < limit {
			best, limit = a, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// distance is how many letters must be put in, left out, changed or swapped with
// their neighbour to make b of a; limit if as many or more.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	now := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last, now = last, now, before
	}
	return min(last[len(b)], limit)
}
