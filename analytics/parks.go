package analytics

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// parks fills in the figures of attempts, in all and by group.
func (l *ledger) parks(r *Report, o Options) error {
	key, err := grouping(o)
	if err != nil {
		return err
	}
	r.Parks = parkFigures(l.attempts, o)
	if o.GroupBy == ByNone {
		return nil
	}
	groups := map[string][]*attempt{}
	for _, a := range l.attempts {
		groups[key(a)] = append(groups[key(a)], a)
	}
	for _, k := range slices.Sorted(maps.Keys(groups)) {
		r.Groups = append(r.Groups, Group{Key: k, Parks: parkFigures(groups[k], o)})
	}
	return nil
}

func grouping(o Options) (func(*attempt) string, error) {
	switch o.GroupBy {
	case ByNone:
		return func(*attempt) string { return "" }, nil
	case ByLot:
		return func(a *attempt) string { return a.lot }, nil
	case ByFlow:
		return func(a *attempt) string {
			if a.flow != "" {
				return a.flow
			}
			return a.call.flow
		}, nil
	case ByAgent:
		return func(a *attempt) string { return a.retriever }, nil
	case ByParker:
		return func(a *attempt) string { return a.parker }, nil
	case ByHour:
		// The two hours named 02 of a night in autumn stay apart by their offset.
		return func(a *attempt) string { return startOfHour(a.began.In(o.Zone)).Format(time.RFC3339) }, nil
	case ByWeekdayHour:
		return func(a *attempt) string {
			t := a.began.In(o.Zone)
			return fmt.Sprintf("%d %s", (int(t.Weekday())+6)%7+1, t.Format("Mon 15")) // Monday first
		}, nil
	}
	return nil, fmt.Errorf("there is no grouping by %q", o.GroupBy)
}

// startOfHour by subtraction: an hour that occurs twice cannot be named by its
// date and time.
func startOfHour(t time.Time) time.Time {
	return t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
}

func parkFigures(as []*attempt, o Options) Parks {
	p := Parks{Attempts: len(as), Outcomes: map[string]int{}, Dispositions: map[string]int{}}
	for _, r := range Reasons {
		p.Outcomes[r] = 0
	}
	calls := map[call.ID]bool{}
	var answers []time.Duration
	var waits []wait
	abandoned := 0
	for _, a := range as {
		if !calls[a.id] && a.call.said != "" {
			p.Dispositions[a.call.said]++
		}
		calls[a.id] = true
		if !a.ended {
			p.Waiting++
			if until := o.Now.Sub(a.began); !o.Now.IsZero() && until > 0 {
				waits = append(waits, wait{lasted: until})
			}
			continue
		}
		p.Outcomes[a.reason]++
		if a.retrieved() {
			answers = append(answers, a.lasted)
		}
		if strings.HasPrefix(a.reason, "abandoned") {
			abandoned++
		}
		waits = append(waits, wait{a.lasted, a.retrieved()})
	}
	p.Calls = len(calls)
	p.Answer = times(answers)
	if ended := len(as) - p.Waiting; abandoned*100 > ended*5 {
		if m, ok := kaplanMeier(waits); ok {
			p.Median = ms(m)
		}
	}
	p.Steps = steps(as)
	return p
}

// steps counts, for each step of the ladder, the attempts in which it began and
// those of them that were retrieved afterwards.
func steps(as []*attempt) []Step {
	by := map[int]*Step{}
	for _, a := range as {
		for k, do := range a.steps {
			s := by[k]
			if s == nil {
				s = &Step{Step: k + 1, Do: do}
				by[k] = s
			}
			if s.Do != do {
				s.Do = "mixed"
			}
			s.Fired++
			if a.retrieved() {
				s.Saved++
			}
		}
	}
	out := make([]Step, 0, len(by))
	for _, k := range slices.Sorted(maps.Keys(by)) {
		s := by[k]
		s.FiredRate, s.SavedRate = rate(s.Fired, len(as)), rate(s.Saved, s.Fired)
		out = append(out, *s)
	}
	return out
}
