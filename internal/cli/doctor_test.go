package cli

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/pgtest"
)

func TestDoctor(t *testing.T) {
	url := pgtest.URL(t)
	ready := func(more ...string) []string {
		return append(append([]string{"doctor", "--data-dir", t.TempDir(), "--database-url", url}, freely...), more...)
	}

	t.Run("a machine that is ready", func(t *testing.T) {
		s := sh(t, ready()...)
		s.must(t, OK, "is writable", "Postgres 1", "all applied", "is free", "agrees with the database's", "RTP ports", "open files")
		if strings.Contains(s.out, "fail") {
			t.Error(s.out)
		}
	})

	t.Run("as JSON, each check with its status", func(t *testing.T) {
		s := sh(t, ready("-o", "json")...)
		var got struct {
			OK     bool
			Checks []finding
		}
		if err := json.Unmarshal([]byte(s.out), &got); err != nil || !got.OK || len(got.Checks) < 7 {
			t.Errorf("%v\n%s", err, s.out)
		}
	})

	t.Run("a port in use fails and has a cure", func(t *testing.T) {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		sh(t, ready("--http-listen", l.Addr().String())...).must(t, Failure, "fail  HTTP port", "in use", "→ stop it, or choose another with --http-listen")
	})

	t.Run("a database that is away fails, and its password is not shown", func(t *testing.T) {
		s := sh(t, ready("--database-url", "postgres://u:sesame@127.0.0.1:1/x")...)
		s.must(t, Failure, "fail  database", "unset DATABASE_URL")
		if strings.Contains(s.out+s.err, "sesame") {
			t.Error(s.out)
		}
		if got := shown("postgres://u:sesame@db/x"); strings.Contains(got, "sesame") || !strings.Contains(got, "db/x") {
			t.Error(got)
		}
	})

	t.Run("a folder held by a hub is said to be", func(t *testing.T) {
		dir := t.TempDir()
		lock, err := os.Create(filepath.Join(dir, "hub.lock"))
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		if _, err := lock.WriteString("4711\n"); err != nil {
			t.Fatal(err)
		}
		if got := hubOf(dir); got != 0 {
			t.Errorf("nobody holds it, but %d", got)
		}
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		sh(t, ready("--data-dir", dir)...).must(t, OK, "in use by the hub with process id 4711")
	})

	t.Run("a folder that cannot be made", func(t *testing.T) {
		file := write(t, "file", "")
		sh(t, ready("--data-dir", filepath.Join(file, "data"))...).must(t, Failure, "fail  data folder", "--data-dir")
	})

	t.Run("a configuration that is not understood", func(t *testing.T) {
		sh(t, "doctor", "-c", write(t, "c.yaml", "sipp: {}\n")).must(t, Failure, "fail  configuration", "sipp")
	})

	t.Run("a range of RTP ports that is not of this machine", func(t *testing.T) {
		cfg := config.Default()
		cfg.RTP.IP = "192.0.2.1"
		if f := rtpRange(t.Context(), cfg); f.Status != "fail" || f.Cure == "" {
			t.Errorf("%+v", f)
		}
	})

	t.Run("an embedded database that is not there yet is made later", func(t *testing.T) {
		sh(t, append([]string{"doctor", "--data-dir", filepath.Join(t.TempDir(), "new")}, freely...)...).
			must(t, OK, "will be made at the first start", "embedded, Postgres", "a new database")
	})
}

func TestMigrate(t *testing.T) {
	url := pgtest.URL(t)

	t.Run("an up-to-date database", func(t *testing.T) {
		sh(t, "migrate", "--database-url", url).must(t, OK, "up to date")
		sh(t, "migrate", "--database-url", url, "-o", "json").must(t, OK, `"applied": []`)
	})

	t.Run("an embedded one is made, migrated and stopped", func(t *testing.T) {
		dir, err := os.MkdirTemp("", "callyard-migrate-") // t.TempDir is closed to the account that Postgres runs as
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		sh(t, "migrate", "--data-dir", dir).must(t, OK, "applied job queue 001", "applied 0001_calls.sql")
		if _, err := os.Stat(filepath.Join(dir, "postgres", "data", "postmaster.pid")); !os.IsNotExist(err) {
			t.Errorf("the database still runs: %v", err)
		}
		sh(t, append([]string{"doctor", "--data-dir", dir}, freely...)...).must(t, OK, "applied when a hub starts")
	})
}
