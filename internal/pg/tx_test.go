package pg_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
)

func TestLater(t *testing.T) {
	t.Parallel()
	const add = `insert into nodes (id, started_at, heartbeat_at) values ($1, now(), now())`
	prepare := func(t *testing.T) *pg.DB {
		t.Parallel()
		db := pgtest.New(t)
		newCall(t, db, "call_1")
		return db
	}
	held := call.Event{Call: "call_1", Type: call.Held, At: time.Now()}

	t.Run("a statement that is asked something sees what was put off before", func(t *testing.T) {
		db := prepare(t)
		for _, ask := range map[string]func(tx *pg.Tx) (int, error){
			"row": func(tx *pg.Tx) (n int, err error) {
				return n, tx.QueryRow(t.Context(), `select count(*) from nodes`).Scan(&n)
			},
			"rows": func(tx *pg.Tx) (int, error) {
				rows, err := tx.Query(t.Context(), `select id from nodes`)
				if err != nil {
					return 0, err
				}
				all, err := pgx.CollectRows(rows, pgx.RowTo[string])
				return len(all), err
			},
			"exec": func(tx *pg.Tx) (int, error) {
				tag, err := tx.Exec(t.Context(), `update nodes set started_at = now()`)
				return int(tag.RowsAffected()), err
			},
			"batch": func(tx *pg.Tx) (n int, err error) {
				var b pgx.Batch
				b.Queue(`select count(*) from nodes`)
				res := tx.SendBatch(t.Context(), &b)
				err = res.QueryRow().Scan(&n)
				return n, errors.Join(err, res.Close())
			},
		} {
			undo := errors.New("undo")
			err := db.In(t.Context(), func(tx *pg.Tx) error {
				tx.Later(add, "a")
				if n, err := ask(tx); err != nil || n != 1 {
					t.Errorf("saw %d, %v", n, err)
				}
				tx.Later(add, "b")
				if n, err := ask(tx); err != nil || n != 2 {
					t.Errorf("then saw %d, %v", n, err)
				}
				return undo
			})
			if !errors.Is(err, undo) || count(t, db, "nodes") != 0 {
				t.Errorf("%v, %d nodes are left", err, count(t, db, "nodes"))
			}
		}
	})
	t.Run("one that fails takes everything with it, whenever it is sent", func(t *testing.T) {
		db := prepare(t)
		for name, ask := range map[string]func(tx *pg.Tx) error{
			"with the commit, alone": func(*pg.Tx) error { return nil },
			"with the commit": func(tx *pg.Tx) error {
				_, err := tx.Exec(t.Context(), `select 1`)
				if err == nil {
					tx.Later(add, "c")
					tx.Later(add, "c")
				}
				return err
			},
			"with a query": func(tx *pg.Tx) error {
				tx.Later(add, "a")
				var n int
				err := tx.QueryRow(t.Context(), `select 1`).Scan(&n)
				if err == nil {
					t.Error("the query says nothing of it")
				}
				return err
			},
			"with a job": func(tx *pg.Tx) error {
				tx.Later(add, "a")
				_, err := tx.Enqueue(t.Context(), job.Job{Args: chore{"a"}})
				return err
			},
		} {
			err := db.In(t.Context(), func(tx *pg.Tx) error {
				tx.Later(add, "a")
				tx.Note(held)
				if name == "with the commit, alone" {
					tx.Later(add, "a")
				}
				return ask(tx)
			})
			var refused *pgconn.PgError
			if !errors.As(err, &refused) || refused.Code != "23505" {
				t.Errorf("%s: error %v", name, err)
			}
			if n, e, j := count(t, db, "nodes"), count(t, db, "call_events"), count(t, db, "river_job"); n+e+j != 0 {
				t.Errorf("%s: %d nodes, %d events, %d jobs are left", name, n, e, j)
			}
		}
		if err := db.In(t.Context(), func(tx *pg.Tx) error { tx.Later(add, "a"); tx.Note(held); return nil }); err != nil { // the connections are well
			t.Fatal(err)
		}
		if n, e := count(t, db, "nodes"), count(t, db, "call_events"); n != 1 || e != 1 {
			t.Errorf("%d nodes, %d events", n, e)
		}
	})
	t.Run("a transaction that a statement broke is not committed", func(t *testing.T) {
		db := prepare(t)
		err := db.In(t.Context(), func(tx *pg.Tx) error {
			tx.Later(add, "a")
			_, _ = tx.Exec(t.Context(), `select 1/0`) // whoever overlooks this
			return nil
		})
		if err == nil || count(t, db, "nodes") != 0 {
			t.Errorf("error %v", err)
		}
	})
	t.Run("no row is told as ever", func(t *testing.T) {
		db := prepare(t)
		err := db.In(t.Context(), func(tx *pg.Tx) error {
			var id string
			return tx.QueryRow(t.Context(), `select id from nodes`).Scan(&id)
		})
		if !errors.Is(err, pgx.ErrNoRows) {
			t.Error(err)
		}
	})
	t.Run("what nobody asked for anything costs no transaction", func(t *testing.T) {
		db := prepare(t)
		if err := db.In(t.Context(), func(*pg.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
	})
}
