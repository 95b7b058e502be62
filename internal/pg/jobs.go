package pg

import (
	"cmp"
	"context"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/callyard/callyard/internal/job"
)

// InsertOpts is how a job is written for River.
func InsertOpts(j job.Job) *river.InsertOpts {
	o := &river.InsertOpts{
		Queue:       cmp.Or(j.Queue, job.Default),
		ScheduledAt: j.At,
		MaxAttempts: j.Attempts, // 0: the client's default
	}
	if j.Unique {
		o.UniqueOpts = river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
			rivertype.JobStateScheduled, rivertype.JobStateRetryable,
		}}
	}
	return o
}

// OnTime writes every job as available with a future scheduled_at, as River
// itself does with retries that are due soon: it is then fetched by the first
// poll after it is due, by any node. A "scheduled" job would wait for River's
// leader, which looks every 5 s and whose successor takes 15 s to come.
type OnTime struct{ river.HookDefaults }

// InsertBegin is River's hook before each insert.
func (*OnTime) InsertBegin(_ context.Context, p *rivertype.JobInsertParams) error {
	if p.State == rivertype.JobStateScheduled {
		p.State = rivertype.JobStateAvailable
	}
	return nil
}
