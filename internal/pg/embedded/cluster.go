// Package embedded runs a private Postgres cluster in a folder, from the
// server programs that the machine already has. It listens on a unix socket
// only, so no port can collide and no password is needed: who may enter the
// socket's folder may enter the database.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is a running server, which this process started or found running.
// Several processes may share one: the last to stop it takes it down, and
// it outlives a process that is killed.
type Cluster struct {
	dir  string   // everything below is in here
	run  string   // the socket's folder
	used *os.File // shared lock: "somebody needs the server"
}

// Bounds of starting. Recovery after a crash may take its time while the server
// lives. One that exits is tried again for as long as the children of a killed
// one may hold on to its shared memory.
const (
	recoveryBound = 5 * time.Minute
	retryBound    = 15 * time.Second
)

// settings keep the database out of the way of the calls on the same machine.
var settings = []string{
	"listen_addresses=",
	"port=5432", // names the socket, opens nothing
	"unix_socket_permissions=0700",
	"max_connections=200",
	"shared_buffers=128MB",
	"max_wal_size=2GB",
	"jit=off",                           // costs more than it saves on queries this small
	"max_parallel_workers_per_gather=0", // a report must not take all cores, nor a container's small /dev/shm
	"idle_in_transaction_session_timeout=60s",
	"timezone=UTC",
	"log_timezone=UTC",
	"log_checkpoints=off",
}

// Start starts the cluster in dir, makes it first if there is none, or attaches
// to it if it runs already. More settings ("fsync=off") go to a server that is
// started, not to one that runs. As root the server runs as the user postgres or
// nobody, because Postgres refuses root.
func Start(ctx context.Context, dir string, more ...string) (*Cluster, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("database folder: %w", err)
	}
	c := &Cluster{dir: dir, run: socketDir(dir)}
	as, err := account(c.data())
	if err != nil {
		return nil, err
	}
	if err := c.folders(as); err != nil {
		return nil, fmt.Errorf("database folder: %w", err)
	}
	// Two locks, because one starter at a time is not one user at a time.
	starting, err := lock(ctx, filepath.Join(dir, "start.lock"), syscall.LOCK_EX)
	if err != nil {
		return nil, fmt.Errorf("database folder %s: %w", dir, err)
	}
	defer func() { _ = starting.Close() }()
	if c.used, err = lock(ctx, filepath.Join(dir, "use.lock"), syscall.LOCK_SH); err != nil {
		return nil, fmt.Errorf("database folder %s: %w", dir, err)
	}
	if c.answers(ctx) == nil { // another process's, or one that outlived a killed process
		return c, nil
	}
	if err := c.start(ctx, as, more); err != nil {
		_ = c.used.Close()
		return nil, err
	}
	return c, nil
}

// URL is the address for pgx.
func (c *Cluster) URL() string {
	return "postgres://callyard@/postgres?host=" + url.QueryEscape(c.run)
}

// Log is the file the server writes its messages to.
func (c *Cluster) Log() string { return filepath.Join(c.dir, "postgres.log") }

// PID is the server's process, 0 if it is down.
func (c *Cluster) PID() int { return postmaster(c.data()) }

// Stop lets go of the cluster and shuts it down unless another process still
// uses it. A second Stop does nothing.
func (c *Cluster) Stop(ctx context.Context) error {
	defer func() { _ = c.used.Close() }()
	if err := syscall.Flock(int(c.used.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil // in use, or stopped before
	}
	pid := c.PID()
	if pid == 0 {
		return nil
	}
	// SIGINT: "fast", sessions are cut off. After a while SIGQUIT: "immediate",
	// which the write-ahead log makes safe.
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		if err := syscall.Kill(pid, s); errors.Is(err, syscall.ESRCH) {
			return nil
		} else if err != nil {
			return fmt.Errorf("stop the database (pid %d): %w", pid, err)
		}
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
			if c.PID() == 0 {
				return nil
			}
			if err := pause(ctx, 10*time.Millisecond); err != nil {
				return fmt.Errorf("stop the database (pid %d): %w", pid, err)
			}
		}
	}
	return fmt.Errorf("the database (pid %d) does not stop", pid)
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// folders makes the cluster's folders, for the account it runs as.
func (c *Cluster) folders(as *syscall.Credential) error {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	for _, d := range []string{c.data(), c.run} {
		if err := os.Mkdir(d, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		st, err := os.Lstat(d)
		if err != nil {
			return err
		}
		want := os.Geteuid()
		if as != nil {
			want = int(as.Uid)
		}
		// The socket's folder may lie in a place where others can write.
		if owner := ownerOf(st); !st.IsDir() || owner != want && owner != os.Geteuid() {
			return fmt.Errorf("%s is not a folder of ours (owner %d)", d, owner)
		}
		if as != nil {
			if err := os.Chown(d, int(as.Uid), int(as.Gid)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Cluster) start(ctx context.Context, as *syscall.Credential, more []string) error {
	major, err := os.ReadFile(filepath.Join(c.data(), "PG_VERSION"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("database folder: %w", err)
	}
	bin, err := find(ctx, strings.TrimSpace(string(major)))
	if err != nil {
		return err
	}
	program := func(name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(bin, name), args...) // outlives ctx
		cmd.Dir = c.run                                                                           // our own folder may be closed to the other account
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setsid: true} // ^C is for the hub, which stops us last
		return cmd
	}
	if len(major) == 0 {
		// C sorts by bytes and exists everywhere, whatever LANG says.
		out, err := program("initdb", "-D", c.data(), "-U", "callyard", "-E", "UTF8", "--locale=C", "--auth=trust").CombinedOutput()
		switch {
		case errors.Is(err, os.ErrPermission) && as != nil:
			return fmt.Errorf("user id %d, which Postgres runs as, cannot enter %s: choose a data folder outside private homes", as.Uid, c.run)
		case err != nil:
			return fmt.Errorf("make the database in %s: %w\n%s", c.data(), err, out)
		}
	}
	log, err := os.OpenFile(c.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("database log: %w", err)
	}
	defer func() { _ = log.Close() }()
	args := []string{"-D", c.data(), "-c", "unix_socket_directories=" + c.run}
	for _, s := range slices.Concat(settings, more) {
		args = append(args, "-c", s)
	}
	crashed := c.PID() != 0 // or is stopping just now
	for retry := time.Now().Add(retryBound); ; {
		c.forgetStranger()
		server := program("postgres", args...)
		server.Stdout, server.Stderr = log, log
		if err := server.Start(); err != nil {
			return fmt.Errorf("start the database: %w", err)
		}
		exited := make(chan struct{})
		go func() { _ = server.Wait(); close(exited) }() // ends with the server
		err := c.await(ctx, exited)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			_ = server.Process.Signal(syscall.SIGINT)
			return fmt.Errorf("start the database: %w", ctx.Err())
		case !crashed || !errors.Is(err, errExited) || time.Now().After(retry):
			return fmt.Errorf("start the database: %w; the end of %s:\n%s", err, c.Log(), tail(c.Log()))
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return fmt.Errorf("start the database: %w", err)
		}
	}
}

var errExited = errors.New("the server exited")

// await waits until the server answers or exits.
func (c *Cluster) await(ctx context.Context, exited <-chan struct{}) error {
	for deadline := time.Now().Add(recoveryBound); ; {
		err := c.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return errExited
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(15 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

func (c *Cluster) answers(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.URL())
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// forgetStranger removes the pid file of a killed server whose pid another
// program has got since; Postgres itself would refuse to start.
func (c *Cluster) forgetStranger() {
	pid := c.PID()
	if pid == 0 {
		return
	}
	if in, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil && in != c.data() {
		_ = os.Remove(filepath.Join(c.data(), "postmaster.pid"))
	}
}

// postmaster reads the server's pid from its pid file.
func postmaster(data string) int {
	b, _ := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	line, _, _ := strings.Cut(string(b), "\n")
	pid, _ := strconv.Atoi(line)
	return max(pid, 0)
}

// tail is the end of a log file, for an error message.
func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	if st, err := f.Stat(); err == nil {
		_, _ = f.Seek(max(0, st.Size()-800), io.SeekStart)
	}
	b, _ := io.ReadAll(f)
	return strings.TrimSpace(string(b))
}
