package routingpg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/routing"
)

// Guard looks after a canary once: it keeps what it finds, and gives the canary up
// if it is proved to be worse. then are the jobs that are written with that. A
// canary that has ended, or whose flow is gone, is left alone; over says so, and
// that nobody need look again. It may be called by any number of nodes at once.
func (s *Store) Guard(ctx context.Context, due routing.GuardDue, now time.Time, then func(Canary) []job.Job) (c Canary, over bool, err error) {
	err = s.db.In(ctx, func(tx *pg.Tx) (err error) {
		if _, err = locked(ctx, tx, due.Flow); err == nil {
			c, err = one(ctx, tx, scanCanary, &NotFoundError{"canary", due.Flow}, `select `+canaryColumns+` from flow_canaries where id = $1 and flow = $2`, due.Canary, due.Flow)
		}
		switch {
		case errors.As(err, new(*NotFoundError)):
			over = true
			return nil
		case err != nil:
			return err
		case !c.EndedAt.IsZero():
			over = true
			return nil
		}
		t, err := tally(ctx, tx, c, now)
		if err != nil {
			return err
		}
		c.Verdict, c.JudgedAt = c.Guard.Judge(t), now
		if _, err := tx.Exec(ctx, `update flow_canaries set verdict = $2, judged_at = $3 where id = $1`, c.ID, c.Verdict, now); err != nil {
			return fmt.Errorf("verdict on the canary of flow %s: %w", c.Flow, err)
		}
		if !c.Verdict.RollBack {
			return nil
		}
		over, c.EndedAt, c.Ending, c.EndedBy = true, now, RolledBack, byGuard
		if err := endCanary(ctx, tx, c.Flow, RolledBack, byGuard, now); err != nil {
			return err
		}
		for _, j := range then(c) {
			if _, err := tx.Enqueue(ctx, j); err != nil {
				return err
			}
		}
		return nil
	})
	return c, over, err
}

// tally counts what came of the calls of a canary and of the version beside it.
// What reps dial themselves does not count.
func tally(ctx context.Context, tx *pg.Tx, c Canary, now time.Time) (t routing.Tally, err error) {
	since := now.Add(-time.Duration(c.Guard.WithDefaults().WindowMin) * time.Minute)
	if since.Before(c.BeganAt) {
		since = c.BeganAt
	}
	type figures struct {
		version int
		routing.Figures
	}
	of, err := list(ctx, tx, "calls of flow "+c.Flow, func(row pgx.CollectableRow) (f figures, err error) {
		err = row.Scan(&f.version, &f.Calls, &f.Abandoned, &f.Failed)
		return f, err
	}, `select flow_version, count(*), count(*) filter (where outcome = 'abandoned'), count(*) filter (where outcome = 'failed')
		from calls where started_at >= $1 and flow = $2 and flow_version = any($3) and agent = '' and ended_at is not null
		group by flow_version`, since, c.Flow, []int{c.Stable, c.Version})
	if err != nil {
		return t, err
	}
	for _, f := range of {
		if f.version == c.Version {
			t.Canary = f.Figures
		} else {
			t.Stable = f.Figures
		}
	}
	lost, err := list(ctx, tx, "lost calls of flow "+c.Flow, func(row pgx.CollectableRow) (e routing.Ended, err error) {
		err = row.Scan(&e.Call, &e.From, &e.Version, &e.StartedAt, &e.Lost)
		return e, err
	}, `select id, from_number, flow_version, started_at, outcome from calls
		where flow = $1 and outcome in ('abandoned', 'failed') and started_at >= $2 and flow_version = any($3) and agent = '' and ended_at is not null`,
		c.Flow, c.BeganAt, []int{c.Stable, c.Version})
	if err != nil {
		return t, err
	}
	var abandoned, failed []routing.Ended
	for _, e := range lost {
		if e.Lost == "failed" {
			failed = append(failed, e)
		} else {
			abandoned = append(abandoned, e)
		}
	}
	t.Abandoned, t.Failed = c.FirstLost(abandoned, c.Stages), c.FirstLost(failed, c.Stages)
	return t, nil
}
