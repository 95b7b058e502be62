// Package pgtest gives each test a migrated Postgres database of its own, on one
// private cluster that all test processes of a user share.
package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg"
)

// bound is how long any one step of the set-up may take.
const bound = 2 * time.Minute

// poolSize keeps many parallel tests within the server's connections.
const poolSize = 8

// New opens a fresh migrated database, which is dropped when the test ends. It
// fails the test if there is no Postgres.
func New(t testing.TB) *pg.DB {
	t.Helper()
	u := URL(t)
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	db, err := pg.Open(ctx, u, slog.New(slog.NewTextHandler(logger{t}, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatalf("open the test's database: %v", err)
	}
	t.Cleanup(db.Close)
	return db
}

// URL is the address of a fresh migrated database, which is dropped when the
// test ends. It is for tests that open it themselves, or more than once, with
// pg.Open: pool_max_conns in it means nothing to a single connection.
func URL(t testing.TB) string {
	t.Helper()
	srv, err := shared()
	if err != nil {
		t.Fatalf("tests need Postgres: %v", err)
	}
	name := "callyard_test_" + strings.ToLower(rand.Text())
	if err := srv.clone(t.Context(), name); err != nil {
		t.Fatalf("tests need Postgres: make a database: %v", err)
	}
	t.Cleanup(func() {
		if err := srv.drop(context.WithoutCancel(t.Context()), name); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return srv.at(name)
}

// server is the Postgres of the tests and the template of their databases.
type server struct {
	url      string // of the database "postgres"
	template string
	strategy string
}

// shared is found or started once per process and let go by its end.
var shared = sync.OnceValues(func() (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	s := &server{url: os.Getenv("TEST_DATABASE_URL")}
	if s.url == "" {
		u, err := attach(ctx)
		if err != nil {
			return nil, err
		}
		s.url = u
	}
	if err := s.prepare(ctx); err != nil {
		return nil, fmt.Errorf("make the template: %w", err)
	}
	return s, nil
})

// at is the address of another database of the same server.
func (s *server) at(database string) string {
	u, err := url.Parse(s.url)
	if err != nil {
		return s.url // pgx will say what is wrong with it
	}
	u.Path = "/" + database
	q := u.Query()
	q.Set("pool_max_conns", strconv.Itoa(poolSize))
	u.RawQuery = q.Encode()
	return u.String()
}

func (s *server) clone(ctx context.Context, name string) error {
	return s.do(ctx, `create database `+ident(name)+` template `+ident(s.template)+s.strategy)
}

func (s *server) drop(ctx context.Context, name string) error {
	return s.do(ctx, `drop database if exists `+ident(name)+` with (force)`)
}

// do runs one statement on a connection of its own: a test holds no more open
// than it uses.
func (s *server) do(ctx context.Context, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

// logger shows the database layer's warnings with the test they belong to.
type logger struct{ t testing.TB }

func (l logger) Write(line []byte) (int, error) {
	if l.t.Context().Err() == nil { // a test that has ended takes no more lines
		l.t.Log(strings.TrimSpace(string(line)))
	}
	return len(line), nil
}
