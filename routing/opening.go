package routing

import (
	"iter"
	"slices"
	"time"
)

// Opening is what a calendar says of a moment.
type Opening struct {
	At     time.Time `json:"at"` // by the calendar's clock
	State  string    `json:"state"`
	Rule   string    `json:"rule"`   // the key of the calendar that decides: "open.mon-fri", "holidays"
	Reason string    `json:"reason"` // the same in words
	Label  string    `json:"label"`  // what the date is called, if it is called something
}

// Period is a time in which nothing changes, of the calendar's state and of what
// the date is called.
type Period struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	State string    `json:"state"`
	Label string    `json:"label"`
}

// foresight is how far a calendar is searched for its next change: over a year,
// so that one which knows nothing but a holiday finds it.
const foresight = 400 * 24 * time.Hour

func (c *calendar) opening(t time.Time) Opening {
	v := c.at(t)
	return Opening{At: t.In(c.zone), State: v.outcome, Rule: v.rule, Reason: v.reason, Label: v.label}
}

// next is the first moment after t and within d at which it is something else
// than at t; false if there is none.
func (c *calendar) next(t time.Time, d time.Duration) (Opening, bool) {
	is := c.is(t).outcome
	for at := range c.turns(t, t.Add(d)) {
		if c.is(at).outcome != is {
			return c.opening(at), true
		}
	}
	return Opening{}, false
}

// periods cuts a time into parts.
func (c *calendar) periods(from, to time.Time) []Period {
	var list []Period
	add := func(at time.Time) {
		v, from := c.is(at), at.In(c.zone)
		if n := len(list); n > 0 {
			if last := &list[n-1]; last.State == v.outcome && last.Label == v.label {
				return
			}
			list[n-1].To = from
		}
		list = append(list, Period{From: from, To: to.In(c.zone), State: v.outcome, Label: v.label})
	}
	if !from.Before(to) {
		return nil
	}
	add(from)
	for at := range c.turns(from, to) {
		if at.Before(to) {
			add(at)
		}
	}
	return list
}

// turns are the moments after one and up to another at which it may become
// something else, in order. As long as a zone's clock is not changed, wall clocks
// are a sum: it goes from change to change, so that hours which come twice turn
// twice, and those which are skipped do not turn.
func (c *calendar) turns(after, last time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for at := after; at.Before(last); {
			local := at.In(c.zone)
			_, offset := local.Zone()
			_, changed := local.ZoneBounds()
			end := changed
			if end.IsZero() || end.After(last) {
				end = last.Add(1)
			}
			y, m, d := local.Date()
			for day := time.Date(y, m, d, 0, 0, 0, 0, time.FixedZone("", offset)); day.Before(end); day = day.AddDate(0, 0, 1) {
				for _, minute := range c.minutes(day) {
					t := day.Add(time.Duration(minute) * time.Minute)
					if t.After(at) && t.Before(end) && !yield(t) {
						return
					}
				}
			}
			if end.After(last) || !yield(end) {
				return
			}
			at = end
		}
	}
}

// minutes of a day at which it may become something else, in order.
func (c *calendar) minutes(day time.Time) []int {
	list := []int{0}
	for _, s := range c.spans(day.AddDate(0, 0, -1)) {
		list = append(list, s.to-dayMinutes)
	}
	for _, s := range c.spans(day) {
		list = append(list, s.from, s.to)
	}
	list = slices.DeleteFunc(list, func(m int) bool { return m < 0 || m >= dayMinutes })
	slices.Sort(list)
	return slices.Compact(list)
}
