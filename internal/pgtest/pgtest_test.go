package pgtest_test

import (
	"testing"

	"github.com/callyard/callyard/internal/pgtest"
)

func TestDatabases(t *testing.T) {
	t.Parallel()
	t.Run("each test has its own, migrated", func(t *testing.T) {
		t.Parallel()
		a, b := pgtest.New(t), pgtest.New(t)
		if _, err := a.Pool.Exec(t.Context(), `insert into nodes values ('n1', now(), now())`); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := b.Pool.QueryRow(t.Context(), `select count(*) from nodes`).Scan(&n); err != nil || n != 0 {
			t.Fatalf("the other database has %d rows, %v", n, err)
		}
	})
	t.Run("it is gone after the test", func(t *testing.T) {
		t.Parallel()
		watch := pgtest.New(t)
		var name string
		t.Run("inner", func(t *testing.T) {
			db := pgtest.New(t)
			if err := db.Pool.QueryRow(t.Context(), `select current_database()`).Scan(&name); err != nil {
				t.Fatal(err)
			}
		})
		var left bool
		if err := watch.Pool.QueryRow(t.Context(), `select exists (select 1 from pg_database where datname = $1)`, name).Scan(&left); err != nil || left {
			t.Fatalf("%s still there: %v, %v", name, left, err)
		}
	})
}
