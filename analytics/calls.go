package analytics

import "time"

// callFigures counts the inbound calls that were offered in the window.
func (l *ledger) callFigures(o Options) Calls {
	c := Calls{AbandonedIn: map[string]int{}}
	for _, stage := range Stages {
		c.AbandonedIn[stage] = 0
	}
	var fromStart, fromWait []time.Duration
	met, early := 0, 0
	for _, s := range l.calls {
		if s.offered.IsZero() || !l.w.has(s.offered) {
			continue
		}
		c.Offered++
		switch {
		case !s.human.IsZero():
			c.Answered++
			fromStart = append(fromStart, s.human.Sub(s.offered))
			if s.waited() {
				fromWait = append(fromWait, s.human.Sub(s.waiting))
			}
			if s.human.Sub(s.clock()) <= o.Target {
				met++
			}
		case s.ended.IsZero():
			c.Waiting++
		case s.outcome == "abandoned":
			c.Abandoned++
			c.AbandonedIn[s.stage]++
			if s.ended.Sub(s.offered) < o.Short {
				c.Short++
			}
			if s.ended.Sub(s.clock()) <= o.Target {
				early++
			}
		default:
			c.Other++
		}
	}
	c.AbandonRate = rate(c.Abandoned-c.Short, c.Offered-c.Short)
	both := c.Answered + c.Abandoned
	c.ServiceLevel = ServiceLevel{
		Target: o.Target.Milliseconds(), Met: met,
		Rate: rate(met, both-c.Short), AllAbandons: rate(met, both), AnsweredOnly: rate(met, c.Answered), EarlyCount: rate(met+early, both),
	}
	c.FromStart, c.FromWaiting = times(fromStart), times(fromWait)
	return c
}

// waited: in a queue or a slot before a person talked to the caller, not only
// when parked by that person.
func (s *story) waited() bool {
	return !s.waiting.IsZero() && (s.human.IsZero() || !s.human.Before(s.waiting))
}

// clock is when the service level begins to count: when the call began to wait
// in a queue or slot, or, when it never did, when it came.
func (s *story) clock() time.Time {
	if s.waited() {
		return s.waiting
	}
	return s.offered
}
