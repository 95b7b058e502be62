package pg_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/pgtest"
)

func TestServer(t *testing.T) {
	db := pgtest.New(t)
	s, err := db.Server(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Version == "" || s.Major < 13 || s.Now.IsZero() || s.SynchronousCommit == "" || s.Connections < 1 || s.Pool < 1 {
		t.Errorf("%+v", s)
	}

	t.Run("settings of the database count", func(t *testing.T) {
		var name string
		if err := db.Pool.QueryRow(t.Context(), `select current_database()`).Scan(&name); err != nil {
			t.Fatal(err)
		}
		for _, sql := range []string{
			`alter database ` + name + ` set statement_timeout = '7s'`,
			`alter database ` + name + ` set synchronous_commit = local`,
		} {
			if _, err := db.Pool.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		db.Pool.Reset() // they are a new connection's
		s, err := db.Server(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.StatementTimeout != 7*time.Second || s.SynchronousCommit != "local" {
			t.Errorf("%+v", s)
		}
	})
}
