package crm

import (
	"cmp"
	"slices"
	"strings"

	"github.com/callyard/callyard/internal/call"
)

// Choice is who is probably on the line.
type Choice struct {
	Best      *Record  // nil: nobody has this number
	Others    []Record // the rest, best first
	Ambiguous bool     // two rank the same and have different owners: let a person pick
	Shared    bool     // five or more people have the number: a switchboard
}

// Insight is what the hub knows beyond the CRM. The zero value knows nothing.
type Insight struct {
	LastAgent string                  // who talked to this number last
	Active    func(agent string) bool // whether an owner still works here; nil: all do
}

// sharedBy is how many people on one number make it a switchboard's.
const sharedBy = 5

// Choose ranks records by how likely each is the person on the line: an open
// deal 40, a contact 30, a lead 20, a company 10, the agent of the last
// conversation 25, an active owner 15; then the most recently changed. Records
// that do not have the number are left out: a CRM's search finds too much.
func Choose(rs []Record, n call.Number, in Insight) Choice {
	type ranked struct {
		Record
		score int
	}
	var all []ranked
	people := 0
	for _, r := range rs {
		if !slices.Contains(r.Phones, n) {
			continue
		}
		score := 0
		switch r.Kind {
		case "contact":
			score = 30
			people++
		case "lead":
			score = 20
			people++
		case "company":
			score = 10
		}
		if hasDeal(r.Fields) {
			score += 40
		}
		if r.Owner != "" && (in.Active == nil || in.Active(r.Owner)) {
			score += 15
			if r.Owner == in.LastAgent {
				score += 25
			}
		}
		all = append(all, ranked{r, score})
	}
	if len(all) == 0 {
		return Choice{}
	}
	slices.SortStableFunc(all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(b.score, a.score), b.Updated.Compare(a.Updated), cmp.Compare(a.Ref.ID, b.Ref.ID))
	})
	c := Choice{Best: &all[0].Record, Shared: people >= sharedBy}
	for _, r := range all[1:] {
		c.Others = append(c.Others, r.Record)
		c.Ambiguous = c.Ambiguous || r.score == all[0].score && r.Owner != all[0].Owner
	}
	return c
}

// hasDeal tells whether a record carries an open deal, written as flows read it:
// {"deal": {"amount": …}} or {"deal.amount": …}.
func hasDeal(fields map[string]any) bool {
	for k, v := range fields {
		if m, ok := v.(map[string]any); k == "deal" && (!ok && v != nil || len(m) > 0) || strings.HasPrefix(k, "deal.") {
			return true
		}
	}
	return false
}
