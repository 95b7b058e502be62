//go:build linux

package load

import "slices"

// Spread is a set of values of which quantiles are asked.
type Spread []float64

// Sorted sorts it, as At wants it.
func (s Spread) Sorted() Spread { slices.Sort(s); return s }

// At is the value that the share q of all do not exceed. s is sorted.
func (s Spread) At(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	return s[int(q*float64(len(s)-1)+0.5)]
}
