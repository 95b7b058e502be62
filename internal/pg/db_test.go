package pg_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
)

const deadline = 15 * time.Second

type chore struct {
	Name string `json:"name"`
}

func (chore) Kind() string { return "test_chore" }

func count(t *testing.T, db *pg.DB, what string) (n int) {
	t.Helper()
	if err := db.Pool.QueryRow(t.Context(), `select count(*) from `+what).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func newCall(t *testing.T, db *pg.DB, id call.ID) {
	t.Helper()
	if _, err := db.Pool.Exec(t.Context(), `insert into calls (id, node, started_at) values ($1, 'n1', now())`, id); err != nil {
		t.Fatal(err)
	}
}

func TestIn(t *testing.T) {
	t.Parallel()
	write := func(ctx context.Context, tx *pg.Tx) error {
		tx.Note(call.Event{Call: "call_1", Type: call.Held, At: time.Now()})
		_, err := tx.Enqueue(ctx, job.Job{Args: chore{"a"}})
		return err
	}
	t.Run("change, facts and jobs are written together", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		newCall(t, db, "call_1")
		if err := db.In(t.Context(), func(tx *pg.Tx) error { return write(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
		if e, j := count(t, db, "call_events"), count(t, db, "river_job"); e != 1 || j != 1 {
			t.Errorf("%d events, %d jobs", e, j)
		}
	})
	t.Run("and rolled back together, leaving no gap", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		newCall(t, db, "call_1")
		no := errors.New("changed my mind")
		err := db.In(t.Context(), func(tx *pg.Tx) error {
			if err := write(t.Context(), tx); err != nil {
				return err
			}
			return no
		})
		if !errors.Is(err, no) {
			t.Fatal(err)
		}
		if e, j := count(t, db, "call_events"), count(t, db, "river_job"); e != 0 || j != 0 {
			t.Errorf("%d events, %d jobs", e, j)
		}
		if err := db.In(t.Context(), func(tx *pg.Tx) error { return write(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, "call_events where seq = 1"); n != 1 {
			t.Error("seq has a gap")
		}
	})
	t.Run("writers of the same calls do not lock each other out", func(t *testing.T) {
		t.Parallel()
		db := pgtest.New(t)
		newCall(t, db, "call_1")
		newCall(t, db, "call_2")
		a := call.Event{Call: "call_1", Type: call.Held, At: time.Now()}
		b := call.Event{Call: "call_2", Type: call.Held, At: time.Now()}
		var wg sync.WaitGroup
		for i := range 40 {
			events := []call.Event{a, b}
			if i%2 == 0 {
				events = []call.Event{b, a}
			}
			wg.Go(func() {
				if err := db.In(t.Context(), func(tx *pg.Tx) error { tx.Note(events...); return nil }); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := count(t, db, "call_events where seq = 40"); n != 2 {
			t.Errorf("%d of 2 calls have 40 events", n)
		}
	})
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	t.Run("starters at once all succeed, and once is enough", func(t *testing.T) {
		t.Parallel()
		url := pgtest.URL(t)
		empty := open(t, url)
		if _, err := empty.Pool.Exec(t.Context(), `drop schema public cascade; create schema public`); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 5 {
			db := open(t, url)
			wg.Go(func() {
				if err := pg.Migrate(t.Context(), db); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		n := count(t, empty, "migration")
		if n == 0 || count(t, empty, "calls") != 0 {
			t.Errorf("%d migrations", n)
		}
		if err := pg.Migrate(t.Context(), empty); err != nil || count(t, empty, "migration") != n {
			t.Errorf("again: %v", err)
		}
	})
}

func open(t *testing.T, url string) *pg.DB {
	t.Helper()
	db, err := pg.Open(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func TestListen(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	calls, done := make(chan struct{}, 100), make(chan error, 1)
	go func() { done <- db.Listen(ctx, pg.LedgerChannel, func(string) { calls <- struct{}{} }) }()
	heard := func(what string) {
		t.Helper()
		select {
		case <-calls:
		case <-time.After(deadline):
			t.Fatalf("not called: %s", what)
		}
	}
	heard("after it connected")
	newCall(t, db, "call_1")
	err := db.In(t.Context(), func(tx *pg.Tx) error {
		tx.Note(call.Event{Call: "call_1", Type: call.Held, At: time.Now()})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	heard("after a fact was committed")
	if _, err := db.Pool.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'listen%'`); err != nil {
		t.Fatal(err)
	}
	heard("after it connected again")
	db.Announce()
	heard("on the new connection")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}
