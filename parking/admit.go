package parking

import (
	"errors"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
)

// Admit is the park as it starts in this lot: with an ID, a ladder that is whole
// and a deadline. Times are cut to the microsecond, which is what Postgres keeps.
func (l Lot) Admit(p Park) (Park, error) {
	if p.Call == "" || p.ParkedAt.IsZero() {
		return p, errors.New("a park needs a call and the time it was parked at")
	}
	if p.ID == "" {
		p.ID = call.NewID("park", p.ParkedAt)
	}
	p.Lot, p.State = l.Name, StateParked
	p.ParkedAt = Moment(p.ParkedAt)
	if p.Deadline.IsZero() {
		p.Deadline = p.ParkedAt.Add(l.MaxPark)
	}
	p.Deadline = Moment(p.Deadline)
	if p.Ladder == nil {
		p.Ladder = l.Ladder
	}
	p.Ladder = Climb(p.Ladder, p.Deadline.Sub(p.ParkedAt))
	p.Next, p.NextAt = 0, Due(p, 0)
	return p, nil
}

// Moment is a time as every store keeps it: UTC, to the microsecond.
func Moment(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// Pending is the job that waits for the park's next step, on the node of the
// call. There is none once the terminal step has begun.
func (p Park) Pending() (_ job.Job, ok bool) {
	if p.State == StateEnded || p.Next >= len(p.Ladder) {
		return job.Job{}, false
	}
	return job.Job{
		Args:  StepDue{Park: p.ID, Step: p.Next, Round: p.round()},
		At:    p.NextAt,
		Queue: job.OfNode(string(p.Node)), Unique: true,
	}, true
}
