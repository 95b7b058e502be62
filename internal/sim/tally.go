package sim

import (
	"cmp"
	"slices"
)

// Tally is a dry run of many calls in numbers.
type Tally struct {
	Calls     int    `json:"calls"`
	Same      int    `json:"same"`      // the same end by the same nodes
	Detour    int    `json:"detour"`    // the same end by other nodes
	Changed   int    `json:"changed"`   // another end
	Undecided int    `json:"undecided"` // the past cannot answer what the flow asks
	Assumed   int    `json:"assumed"`   // of those decided, how many hang on what was taken for granted
	Matrix    []Cell `json:"matrix"`    // from old end to new
}

// Cell counts the calls that ended in one way and would end in another.
type Cell struct {
	Was     string `json:"was"`     // "" when nobody was waited for
	Becomes string `json:"becomes"` // "undecided" besides the outcomes
	Calls   int    `json:"calls"`
	Assumed int    `json:"assumed"`
}

// Count adds a verdict.
func (t *Tally) Count(v Verdict) {
	cell := Cell{Was: v.Was.Outcome, Becomes: Undecided, Calls: 1}
	switch v.Verdict {
	case Same:
		t.Same++
	case Detour:
		t.Detour++
	case Changed:
		t.Changed++
	default:
		t.Undecided++
	}
	if v.Becomes != nil {
		cell.Becomes = v.Becomes.Outcome
		if v.Assumed {
			cell.Assumed = 1
			t.Assumed++
		}
	}
	t.Calls++
	t.add(cell)
}

// Add adds the numbers of another part of the same dry run.
func (t *Tally) Add(more Tally) {
	t.Calls += more.Calls
	t.Same += more.Same
	t.Detour += more.Detour
	t.Changed += more.Changed
	t.Undecided += more.Undecided
	t.Assumed += more.Assumed
	for _, c := range more.Matrix {
		t.add(c)
	}
}

func (t *Tally) add(c Cell) {
	i, found := slices.BinarySearchFunc(t.Matrix, c, func(a, b Cell) int {
		return cmp.Or(cmp.Compare(a.Was, b.Was), cmp.Compare(a.Becomes, b.Becomes))
	})
	if !found {
		t.Matrix = slices.Insert(t.Matrix, i, c)
		return
	}
	t.Matrix[i].Calls += c.Calls
	t.Matrix[i].Assumed += c.Assumed
}
