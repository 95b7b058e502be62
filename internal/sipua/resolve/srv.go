package resolve

import "slices"

// srv is one SRV record.
type srv struct {
	priority, weight int
	target           string
	port             int
}

// draw puts records in the order in which to try them (RFC 2782): the lowest
// priority first, and among equals by a draw in which weight is the chance.
func draw(records []srv, random func(n int) int) []srv {
	left := slices.Clone(records)
	// Those without weight stand first, so that they have a small chance at all.
	slices.SortStableFunc(left, func(a, b srv) int {
		if a.priority != b.priority {
			return a.priority - b.priority
		}
		return min(a.weight, 1) - min(b.weight, 1)
	})
	out := make([]srv, 0, len(left))
	for len(left) > 0 {
		total, n := 0, 0
		for n < len(left) && left[n].priority == left[0].priority {
			total += left[n].weight
			n++
		}
		pick, at := random(total+1), 0
		for run := left[0].weight; run < pick; run += left[at].weight {
			at++
		}
		out = append(out, left[at])
		left = slices.Delete(left, at, at+1)
	}
	return out
}
