package parking

import (
	"cmp"
	"slices"
	"time"
)

// Defaults of a step's ringing, and how long a begun terminal step may take to
// end the park before Check runs it again.
const (
	recallRings  = 20 * time.Second
	offerRings   = 15 * time.Second
	terminalTime = 10 * time.Second
)

// Climb makes a ladder whole: steps in the order of their times, none beyond the
// hard maximum, the ringing filled in, and as the last rung one terminal step.
// Of several terminal steps the first counts; what would follow it is dropped. One
// that has a condition is not terminal: the stay may go on. A ladder without a
// terminal step, or with one that would be late, ends at the maximum. The steps given
// are left as they are.
func Climb(steps []Step, limit time.Duration) []Step {
	out := make([]Step, 0, len(steps)+1)
	for _, s := range steps {
		if s.Ring == 0 && s.Do == Recall {
			s.Ring = recallRings
		}
		if s.Ring == 0 && s.Do == Offer {
			s.Ring = offerRings
		}
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(a, b Step) int { return cmp.Compare(a.After, b.After) })
	end := Step{After: limit, Do: Goto, Outcome: "expired"}
	if i := slices.IndexFunc(out, func(s Step) bool { return s.Do == Goto && s.When == "" }); i >= 0 {
		end, out = out[i], out[:i]
		end.After = min(end.After, limit)
	}
	if end.Outcome == "" {
		end.Outcome = "expired"
	}
	out = slices.DeleteFunc(out, func(s Step) bool { return s.After >= limit })
	return append(out, end)
}

// Due is when step n of a park's ladder begins. Beyond the ladder it is the
// park's deadline.
func Due(p Park, n int) time.Time {
	if n >= len(p.Ladder) {
		return p.Deadline
	}
	return p.ParkedAt.Add(p.Ladder[n].After)
}

// Climbing is what comes of a step being due.
type Climbing struct {
	Begin     int   // the step that begins
	Round     int   // 0 when it begins for the first time, then counting its repeats
	Collapsed []int // steps that were overdue and never began
	Next      int   // Park.Next and Park.NextAt from now on
	NextAt    time.Time
}

// Last reports whether the step that begins is the terminal one: nothing follows.
func (c Climbing) Last(p Park) bool { return c.Begin == len(p.Ladder)-1 }

// Begin decides what happens when the job of step n runs. It says no if the park
// has ended or has another step before it, and to a repeat that has been made
// already; a first time is taken at its word, even if the job came a little early.
//
// Steps that are overdue collapse into the latest of them. That may be the
// terminal one: after an outage nobody is rung for a caller whose time is up.
func (p Park) Begin(n int, now time.Time) (Climbing, bool) {
	if p.State == StateEnded || n != p.Next || n < 0 || n >= len(p.Ladder) {
		return Climbing{}, false
	}
	c := Climbing{Begin: n, Round: p.round()}
	if c.Round > 0 && p.NextAt.After(now.Add(p.Ladder[n].Repeat/2)) {
		return Climbing{}, false
	}
	for c.Begin+1 < len(p.Ladder) && !Due(p, c.Begin+1).After(now) {
		if c.Round == 0 {
			c.Collapsed = append(c.Collapsed, c.Begin)
		}
		c.Begin, c.Round = c.Begin+1, 0
	}
	if c.Last(p) {
		c.Next, c.NextAt = len(p.Ladder), now.Add(terminalTime)
		return c, true
	}
	c.Next, c.NextAt = c.Begin+1, Due(p, c.Begin+1)
	if s := p.Ladder[c.Begin]; s.Do == Remind && s.Repeat > 0 {
		if again := p.repeatAfter(c.Begin, now); again.Before(c.NextAt) {
			c.Next, c.NextAt = c.Begin, again
		}
	}
	return c, true
}

// round counts how often the step that is next has begun: only a reminder that
// repeats is next again, and then its time lies beyond the first.
func (p Park) round() int {
	s := p.Ladder[p.Next]
	if s.Do != Remind || s.Repeat <= 0 || !p.NextAt.After(Due(p, p.Next)) {
		return 0
	}
	late := p.NextAt.Sub(Due(p, p.Next))
	return int((late + s.Repeat - 1) / s.Repeat)
}

// repeatAfter is the reminder's next turn on its own grid, but not within half a
// turn of now: so that a second run of the same job cannot pass for it.
func (p Park) repeatAfter(n int, now time.Time) time.Time {
	first, every := Due(p, n), p.Ladder[n].Repeat
	t := first.Add(every)
	if gap := now.Add(every / 2).Sub(t); gap >= 0 {
		t = t.Add(gap.Truncate(every) + every)
	}
	return t
}

// Rearm puts a park whose terminal step began but did not end it back on its
// last rung. ok is false when there is nothing to do.
func (p Park) Rearm(now time.Time) (_ Park, ok bool) {
	if p.State == StateEnded || p.Next < len(p.Ladder) || p.NextAt.After(now) {
		return p, false
	}
	p.Next, p.NextAt = len(p.Ladder)-1, now
	return p, true
}
