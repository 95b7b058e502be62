package embedded_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg/embedded"
)

// folder is one that the account Postgres runs as can enter: t.TempDir of root is private.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pg")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func start(t *testing.T, dir string) *embedded.Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := embedded.Start(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop(context.WithoutCancel(t.Context())) })
	return c
}

func stop(t *testing.T, c *embedded.Cluster) {
	t.Helper()
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func exec1(t *testing.T, c *embedded.Cluster, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var out string
	if err := conn.QueryRow(t.Context(), sql).Scan(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if pid <= 0 {
		t.Fatal("no server to kill")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// TestCluster is the life of one cluster: each part goes on where the one
// before stopped.
func TestCluster(t *testing.T) {
	dir := folder(t)
	keeps := func(t *testing.T, c *embedded.Cluster) {
		t.Helper()
		if got := exec1(t, c, `select string_agg(word, ' ' order by n) from kept`); got != "one two" {
			t.Fatalf("kept %q", got)
		}
	}

	t.Run("three starters at once make one server", func(t *testing.T) {
		pids := make([]int, 3)
		clusters := make([]*embedded.Cluster, 3)
		errs := make([]error, 3)
		var wg sync.WaitGroup
		for i := range clusters {
			wg.Go(func() { clusters[i], errs[i] = embedded.Start(t.Context(), dir) })
		}
		wg.Wait()
		for i, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
			pids[i] = clusters[i].PID()
		}
		if pids[0] == 0 || pids[0] != pids[1] || pids[1] != pids[2] {
			t.Fatalf("servers %v", pids)
		}
		exec1(t, clusters[0], `select 'it answers'`)
		stop(t, clusters[0])
		stop(t, clusters[1])
		if clusters[2].PID() != pids[0] {
			t.Fatal("stopped while somebody used it")
		}
		stop(t, clusters[2])
		if pid := clusters[2].PID(); pid != 0 {
			t.Fatalf("server %d survives its last user", pid)
		}
		stop(t, clusters[2]) // a second time: nothing happens
	})
	t.Run("a restart keeps what was written", func(t *testing.T) {
		c := start(t, dir)
		conn, err := pgx.Connect(t.Context(), c.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if _, err := conn.Exec(t.Context(), `create table kept (n int, word text); insert into kept values (1, 'one'), (2, 'two')`); err != nil {
			t.Fatal(err)
		}
		stop(t, c) // with a session open
		c = start(t, dir)
		keeps(t, c)
		stop(t, c)
	})
	t.Run("it listens on no port and to nobody else", func(t *testing.T) {
		c := start(t, dir)
		if got := exec1(t, c, `select current_setting('listen_addresses')`); got != "" {
			t.Errorf("listens on %s", got)
		}
		st, err := os.Stat(exec1(t, c, `select current_setting('unix_socket_directories')`))
		if err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("socket folder %v, %v", st.Mode(), err)
		}
		stop(t, c)
	})
	t.Run("a server that outlived its hub is found again", func(t *testing.T) {
		first := start(t, dir)
		pid := first.PID()
		second := start(t, dir)
		if second.PID() != pid {
			t.Fatalf("another server: %d, %d", pid, second.PID())
		}
		keeps(t, second)
		stop(t, first)
		stop(t, second)
	})
	t.Run("a killed server is recovered", func(t *testing.T) {
		dead := start(t, dir)
		pid := dead.PID()
		kill(t, pid)
		c := start(t, dir) // at once: the server's children may still be there
		if c.PID() == pid {
			t.Fatal("the dead one")
		}
		keeps(t, c)
		stop(t, dead)
		stop(t, c)
	})
	t.Run("a pid file that names another program is no obstacle", func(t *testing.T) {
		if runtime.GOOS != "linux" { // elsewhere a process' folder is not told
			return
		}
		dead := start(t, dir)
		pidFile := filepath.Join(dir, "data", "postmaster.pid")
		old, err := os.ReadFile(pidFile)
		if err != nil {
			t.Fatal(err)
		}
		stop(t, dead)
		stranger := exec.Command("sleep", "60")
		if err := stranger.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()
		_, rest, _ := strings.Cut(string(old), "\n")
		if err := os.WriteFile(pidFile, []byte(strconv.Itoa(stranger.Process.Pid)+"\n"+rest), 0o644); err != nil {
			t.Fatal(err)
		}
		c := start(t, dir)
		keeps(t, c)
		stop(t, c)
	})
	t.Run("data of another major version is refused, not overwritten", func(t *testing.T) {
		path := filepath.Join(dir, "data", "PG_VERSION")
		was, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("99\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = embedded.Start(t.Context(), dir)
		if err == nil || !strings.Contains(err.Error(), "made by Postgres 99") {
			t.Fatalf("got %v", err)
		}
		if err := os.WriteFile(path, was, 0o600); err != nil {
			t.Fatal(err)
		}
		c := start(t, dir)
		keeps(t, c)
		stop(t, c)
	})
	t.Run("a server that cannot start says why", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err := embedded.Start(ctx, dir, "shared_buffers=nonsense")
		if err == nil || !strings.Contains(err.Error(), "nonsense") {
			t.Fatalf("got %v", err)
		}
	})
}

func TestLongPath(t *testing.T) {
	t.Run("a path too long for a socket is no obstacle", func(t *testing.T) {
		dir := filepath.Join(folder(t), strings.Repeat("long", 30))
		c := start(t, dir)
		run := exec1(t, c, `select current_setting('unix_socket_directories')`)
		t.Cleanup(func() { _ = os.RemoveAll(run) })
		if strings.HasPrefix(run, dir) {
			t.Errorf("socket in %s", run)
		}
		stop(t, c)
	})
}
