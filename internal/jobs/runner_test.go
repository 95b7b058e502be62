package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/jobs"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
)

// chore is a job for tests.
type chore struct {
	Name string `json:"name"`
}

func (chore) Kind() string { return "test_chore" }

const (
	node     = call.NodeID("n1")
	deadline = 15 * time.Second
)

// start runs a node that does chores with do.
func start(t testing.TB, db *pg.DB, n call.NodeID, do func(context.Context, chore) error, p ...jobs.Policy) *jobs.Runner {
	t.Helper()
	r := jobs.New(db, n, slog.New(slog.DiscardHandler))
	jobs.Handle(r, do, p...)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, r) })
	return r
}

func stop(t testing.TB, r *jobs.Runner) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), deadline)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func enqueue(t testing.TB, db *pg.DB, js ...job.Job) (ids []int64) {
	t.Helper()
	err := db.In(t.Context(), func(tx *pg.Tx) (err error) {
		ids, err = tx.Enqueue(t.Context(), js...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func next[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(deadline):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// ended waits until a job is in a final state and says in which.
func ended(t testing.TB, db *pg.DB, id int64) (state string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(deadline); time.Now().Before(limit); <-tick.C {
		var final bool
		if err := db.Pool.QueryRow(t.Context(), `select state::text, finalized_at is not null from river_job where id = $1`, id).Scan(&state, &final); err != nil {
			t.Fatal(err)
		}
		if final {
			return state
		}
	}
	t.Fatalf("job %d is still %s", id, state)
	return ""
}

func TestRunner(t *testing.T) {
	t.Parallel()
	t.Run("a job ahead of its time runs once and not before", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		began := make(chan time.Time, 10)
		start(t, db, node, func(context.Context, chore) error { began <- time.Now(); return nil })
		for _, queue := range []string{job.OfNode(string(node)), job.Dispatch} {
			due := time.Now().Add(300 * time.Millisecond)
			id := enqueue(t, db, job.Job{Args: chore{}, At: due, Queue: queue})[0]
			at := next(t, began)
			// The database keeps microseconds, and rounds.
			if early := due.Sub(at); early > time.Microsecond {
				t.Errorf("%s: %v early", queue, early)
			}
			if got := ended(t, db, id); got != "completed" {
				t.Errorf("%s: %s", queue, got)
			}
		}
		if len(began) != 0 {
			t.Error("ran more than once")
		}
	})
	t.Run("each queue is worked", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		did := make(chan string, 10)
		start(t, db, node, func(_ context.Context, c chore) error { did <- c.Name; return nil })
		want := []string{job.Default, job.Dispatch, job.CRM, job.Webhooks, job.OfNode(string(node))}
		for _, q := range want {
			enqueue(t, db, job.Job{Args: chore{q}, Queue: q})
		}
		var got []string
		for range want {
			got = append(got, next(t, did))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("another node's jobs are left alone", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		did := make(chan string, 10)
		start(t, db, node, func(_ context.Context, c chore) error { did <- c.Name; return nil })
		enqueue(t, db, job.Job{Args: chore{"theirs"}, Queue: job.OfNode("n2")})
		enqueue(t, db, job.Job{Args: chore{"ours"}, Queue: job.OfNode("n1"), At: time.Now().Add(200 * time.Millisecond)})
		if got := next(t, did); got != "ours" {
			t.Errorf("did %s", got)
		}
		start(t, db, "n2", func(_ context.Context, c chore) error { did <- c.Name; return nil })
		if got := next(t, did); got != "theirs" {
			t.Errorf("did %s", got)
		}
	})
	t.Run("a cancelled job never runs", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		did := make(chan string, 10)
		start(t, db, node, func(_ context.Context, c chore) error { did <- c.Name; return nil })
		soon := time.Now().Add(300 * time.Millisecond)
		ids := enqueue(t, db,
			job.Job{Args: chore{"cancelled"}, At: soon, Queue: job.Dispatch},
			job.Job{Args: chore{"kept"}, At: soon.Add(100 * time.Millisecond), Queue: job.Dispatch})
		err := db.In(t.Context(), func(tx *pg.Tx) error { return tx.CancelJobs(t.Context(), ids[0], 0, 1<<40) })
		if err != nil {
			t.Fatal(err)
		}
		if got := next(t, did); got != "kept" {
			t.Errorf("did %s", got)
		}
		if got := ended(t, db, ids[0]); got != "cancelled" {
			t.Errorf("job is %s", got)
		}
	})
	t.Run("unique jobs collapse until the first has ended", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		did := make(chan string, 10)
		j := job.Job{Args: chore{"same"}, Unique: true, Queue: job.Dispatch}
		ids := enqueue(t, db, j, j)
		ids = append(ids, enqueue(t, db, j)...)
		if ids[0] != ids[1] || ids[1] != ids[2] {
			t.Fatalf("jobs %v", ids)
		}
		start(t, db, node, func(_ context.Context, c chore) error { did <- c.Name; return nil })
		next(t, did)
		ended(t, db, ids[0])
		if again := enqueue(t, db, j)[0]; again == ids[0] {
			t.Error("an ended job stands in the way")
		}
		next(t, did)
	})
	t.Run("Stop waits for work and leaves the rest", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		began, finish := make(chan string, 10), make(chan struct{})
		var after atomic.Bool
		r := start(t, db, node, func(_ context.Context, c chore) error {
			began <- c.Name
			<-finish
			after.Store(true)
			return nil
		})
		id := enqueue(t, db, job.Job{Args: chore{"long"}, Queue: job.Dispatch})[0]
		next(t, began)
		stopped := make(chan struct{})
		go func() { stop(t, r); close(stopped) }()
		select {
		case <-stopped:
			t.Fatal("stopped in the middle of a job")
		case <-time.After(100 * time.Millisecond):
		}
		close(finish)
		next(t, stopped)
		if !after.Load() || ended(t, db, id) != "completed" {
			t.Error("the job was not finished")
		}
		var nodes int
		if err := db.Pool.QueryRow(t.Context(), `select count(*) from nodes`).Scan(&nodes); err != nil || nodes != 0 {
			t.Errorf("%d nodes still reported, %v", nodes, err)
		}
		stop(t, r) // again: nothing happens
	})
	t.Run("a kind registered twice is told at the start", func(t *testing.T) {
		t.Parallel()
		r := jobs.New(pgtest.New(t), node, slog.New(slog.DiscardHandler))
		do := func(context.Context, chore) error { return nil }
		jobs.Handle(r, do)
		jobs.Handle(r, do)
		if err := r.Start(t.Context()); err == nil {
			stop(t, r)
			t.Error("started")
		}
	})
}

func TestRetries(t *testing.T) {
	t.Parallel()
	quick := jobs.Policy{Backoff: jobs.Every(20 * time.Millisecond)}
	t.Run("a failed job is tried again", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		var n atomic.Int32
		attempts := make(chan jobs.Attempt, 10)
		r := jobs.New(db, node, slog.New(slog.DiscardHandler), jobs.WithObserver(func(a jobs.Attempt) { attempts <- a }))
		jobs.Handle(r, func(context.Context, chore) error {
			switch n.Add(1) {
			case 1:
				return errors.New("not today")
			case 2:
				panic("a bug")
			}
			return nil
		}, quick)
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stop(t, r) })
		id := enqueue(t, db, job.Job{Args: chore{}, Queue: job.Dispatch})[0]
		if got := ended(t, db, id); got != "completed" || n.Load() != 3 {
			t.Errorf("%s after %d attempts", got, n.Load())
		}
		first := next(t, attempts)
		if first.Kind != "test_chore" || first.Queue != job.Dispatch || first.N != 1 || first.Err == nil {
			t.Errorf("observed %+v", first)
		}
	})
	t.Run("used-up attempts are listed and can be retried", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		var cured atomic.Bool
		r := start(t, db, node, func(context.Context, chore) error {
			if cured.Load() {
				return nil
			}
			return errors.New("the CRM is down")
		}, quick)
		id := enqueue(t, db, job.Job{Args: chore{"a"}, Queue: job.Dispatch, Attempts: 2})[0]
		if got := ended(t, db, id); got != "discarded" {
			t.Fatal(got)
		}
		list, err := r.Discarded(t.Context(), 10)
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		if f := list[0]; f.ID != id || f.Kind != "test_chore" || f.Attempts != 2 || f.Error != "the CRM is down" || string(f.Args) != `{"name": "a"}` || f.At.IsZero() {
			t.Errorf("listed %+v", f)
		}
		cured.Store(true)
		if err := r.Retry(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if got := ended(t, db, id); got != "completed" {
			t.Error(got)
		}
		for _, id := range []int64{id, 1 << 40} {
			if err := r.Retry(t.Context(), id); !errors.Is(err, pg.ErrNoJob) {
				t.Errorf("retry of job %d: %v", id, err)
			}
		}
	})
	t.Run("Discard gives up at once", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		var n atomic.Int32
		gone := errors.New("the record is gone")
		r := start(t, db, node, func(context.Context, chore) error { n.Add(1); return jobs.Discard(gone) }, quick)
		id := enqueue(t, db, job.Job{Args: chore{}, Queue: job.Dispatch})[0]
		if got := ended(t, db, id); got != "discarded" || n.Load() != 1 {
			t.Errorf("%s after %d attempts", got, n.Load())
		}
		if list, err := r.Discarded(t.Context(), 10); err != nil || len(list) != 1 {
			t.Errorf("%v, %v", list, err)
		}
		if !errors.Is(jobs.Discard(gone), gone) {
			t.Error("hides its cause")
		}
	})
	t.Run("Snooze costs no attempt", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		var n atomic.Int32
		start(t, db, node, func(context.Context, chore) error {
			if n.Add(1) < 4 {
				return jobs.Snooze(10 * time.Millisecond)
			}
			return nil
		})
		id := enqueue(t, db, job.Job{Args: chore{}, Queue: job.Dispatch, Attempts: 1})[0]
		if got := ended(t, db, id); got != "completed" || n.Load() != 4 {
			t.Errorf("%s after %d calls", got, n.Load())
		}
	})
	t.Run("an attempt has a time limit", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		start(t, db, node, func(ctx context.Context, _ chore) error { <-ctx.Done(); return ctx.Err() },
			jobs.Policy{Timeout: 50 * time.Millisecond})
		id := enqueue(t, db, job.Job{Args: chore{}, Queue: job.Dispatch, Attempts: 1})[0]
		if got := ended(t, db, id); got != "discarded" {
			t.Error(got)
		}
	})
}

func TestExponential(t *testing.T) {
	pause := jobs.Exponential(time.Second, 10*time.Minute)
	for attempt, want := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 11: 10 * time.Minute, 500: 10 * time.Minute} {
		if got := pause(attempt); got < want*9/10 || got > want*11/10 {
			t.Errorf("after attempt %d: %v, want about %v", attempt, got, want)
		}
	}
}
