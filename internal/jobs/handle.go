package jobs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"

	"github.com/callyard/callyard/internal/job"
)

// Policy is how a kind of job is tried. The zero value is 15 s for an attempt
// and Exponential(1 s, 10 min) between attempts. How many attempts there are is
// said when the job is written: job.Job.Attempts, or 25.
type Policy struct {
	Timeout time.Duration                   // of one attempt
	Backoff func(attempt int) time.Duration // after the first (1), second … failure
}

// Handle registers what a kind of job does, before Start. Every node must
// register the same kinds. do may be called again for a job that it has done
// already (a node can die between doing and writing that down), and its ctx ends
// when the attempt's time is over, when the job is cancelled, or at a hard stop.
// An error means a later attempt, unless it is Snooze or Discard.
func Handle[T job.Args](r *Runner, do func(context.Context, T) error, policy ...Policy) {
	w := &worker[T]{do: do}
	if len(policy) > 0 {
		w.policy = policy[0]
	}
	if w.policy.Backoff == nil {
		w.policy.Backoff = Exponential(time.Second, 10*time.Minute)
	}
	if err := river.AddWorkerSafely(r.workers, w); err != nil {
		r.wrong = append(r.wrong, err)
	}
}

// Exponential doubles the pause from first up to most, a tenth more or less by
// chance, so that what failed together does not come back together.
func Exponential(first, most time.Duration) func(int) time.Duration {
	return func(attempt int) time.Duration {
		d := most
		if n := max(attempt-1, 0); n < 30 && first<<n < most {
			d = first << n
		}
		return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d))
	}
}

// Every makes the same pause after each failure.
func Every(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }

// Snooze is returned by a handler that wants to be called again after d. It
// is no failure and uses up no attempt.
func Snooze(d time.Duration) error { return river.JobSnooze(max(d, 0)) }

// Discard is returned by a handler for which there is no point in trying again.
// The job is listed by Discarded.
func Discard(err error) error { return &discard{err} }

type discard struct{ err error }

func (d *discard) Error() string { return fmt.Sprintf("no point in trying again: %v", d.err) }
func (d *discard) Unwrap() error { return d.err }

// worker is a handler as River calls it.
type worker[T job.Args] struct {
	river.WorkerDefaults[T]
	do     func(context.Context, T) error
	policy Policy
}

// Work makes one attempt.
func (w *worker[T]) Work(ctx context.Context, j *river.Job[T]) error {
	err := w.do(ctx, j.Args)
	if d := (*discard)(nil); errors.As(err, &d) {
		// River's own way to give up is to cancel, but cancelled is what a job is
		// that nobody wants any more. One that failed its last attempt is discarded.
		j.MaxAttempts = j.Attempt
	}
	return err
}

// Timeout bounds one attempt; 0 is the runner's.
func (w *worker[T]) Timeout(*river.Job[T]) time.Duration { return w.policy.Timeout }

// NextRetry says when a failed job is tried again.
func (w *worker[T]) NextRetry(j *river.Job[T]) time.Time {
	return time.Now().Add(w.policy.Backoff(j.Attempt))
}
