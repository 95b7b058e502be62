package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
)

// abandon writes a job as a node leaves it that dies at work: running, begun ago.
func abandon(t *testing.T, db *pg.DB, by string, ago time.Duration, j job.Job) int64 {
	t.Helper()
	id := enqueue(t, db, j)[0]
	_, err := db.Pool.Exec(t.Context(), `update river_job set state = 'running', attempt = 1,
		attempted_at = now() - make_interval(secs => $3), attempted_by = array['before', $2] where id = $1`, id, by, ago.Seconds())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func report(t *testing.T, db *pg.DB, id string, started, beat time.Duration) {
	t.Helper()
	_, err := db.Pool.Exec(t.Context(), `insert into nodes values ($1, now() - make_interval(secs => $2), now() - make_interval(secs => $3))`,
		id, started.Seconds(), beat.Seconds())
	if err != nil {
		t.Fatal(err)
	}
}

func TestReaper(t *testing.T) {
	t.Parallel()
	j := job.Job{Args: chore{"left"}, Queue: job.Dispatch}
	t.Run("a dead node's job is done by another", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		report(t, db, "dead", time.Hour, time.Minute)
		ids := []int64{
			abandon(t, db, "dead", 30*time.Second, j),
			abandon(t, db, "never-reported", 30*time.Second, j),
		}
		start(t, db, "alive", func(context.Context, chore) error { return nil })
		for _, id := range ids {
			if got := ended(t, db, id); got != "completed" {
				t.Error(got)
			}
		}
	})
	t.Run("what an earlier process of the same name left is done", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		report(t, db, "n1", time.Hour, time.Second)
		mine := job.Job{Args: chore{"left"}, Queue: job.OfNode("n1")}
		id := abandon(t, db, "n1", 3*time.Second, mine)
		start(t, db, "n1", func(context.Context, chore) error { return nil })
		if got := ended(t, db, id); got != "completed" {
			t.Error(got)
		}
	})
	t.Run("a live node's job is left to it", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		report(t, db, "busy", time.Hour, -time.Hour) // its beats go on for longer than the test
		report(t, db, "dead", time.Hour, time.Minute)
		theirs := abandon(t, db, "busy", 30*time.Second, j)
		dead := abandon(t, db, "dead", 30*time.Second, j)
		start(t, db, "alive", func(context.Context, chore) error { return nil })
		ended(t, db, dead) // the reaper has been there
		var state string
		if err := db.Pool.QueryRow(t.Context(), `select state from river_job where id = $1`, theirs).Scan(&state); err != nil || state != "running" {
			t.Errorf("%s, %v", state, err)
		}
	})
	t.Run("one without attempts left, and one that was cancelled, end", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		last := abandon(t, db, "dead", time.Minute, job.Job{Args: chore{}, Queue: job.Dispatch, Attempts: 1})
		off := abandon(t, db, "dead", time.Minute, j)
		if err := db.In(t.Context(), func(tx *pg.Tx) error { return tx.CancelJobs(t.Context(), off) }); err != nil {
			t.Fatal(err)
		}
		start(t, db, "alive", func(context.Context, chore) error { t.Error("ran"); return nil })
		if got := ended(t, db, last); got != "discarded" {
			t.Error(got)
		}
		if got := ended(t, db, off); got != "cancelled" {
			t.Error(got)
		}
	})
	t.Run("the node is reported while it works", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		start(t, db, "alive", func(context.Context, chore) error { return nil })
		if _, err := db.Pool.Exec(t.Context(), `delete from nodes`); err != nil {
			t.Fatal(err)
		}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for limit := time.Now().Add(deadline); ; <-tick.C {
			var n int
			if err := db.Pool.QueryRow(t.Context(), `select count(*) from nodes where heartbeat_at > now() - interval '3 seconds'`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			if n == 1 {
				return
			}
			if time.Now().After(limit) {
				t.Fatal("no heartbeat")
			}
		}
	})
}
