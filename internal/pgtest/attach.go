package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg/embedded"
)

// warden stops the server some seconds after the last test process is gone,
// however it went. A test process holds the named pipe "users" open for writing
// and puts one byte in; the shell reads to the end, which comes when nobody
// holds it any more. Bytes that came during the pause are somebody who attached
// meanwhile. The pipe is taken away before the last look, so that nobody can
// attach to a server that is about to stop.
const warden = `
exec 3<users
while n=$(cat <&3 | wc -c) && [ "$n" -gt 0 ]; do sleep 3; done
mv users leaving
cat <&3 >/dev/null
read -r pid < data/postmaster.pid && kill -INT "$pid"
`

// settings trade safety, which a test has no use for, for speed.
var settings = []string{"fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=400", "autovacuum=off"}

// attach starts the shared cluster or joins those who use it.
func attach(ctx context.Context) (string, error) {
	dir := filepath.Join(os.TempDir(), "callyard-pgtest-"+strconv.Itoa(os.Geteuid()))
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if s, ok := st.Sys().(*syscall.Stat_t); !ok || !st.IsDir() || int(s.Uid) != os.Geteuid() {
		return "", fmt.Errorf("%s is not a folder of ours: remove it", dir)
	}
	gate, err := os.OpenFile(filepath.Join(dir, "attach.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer gate.Close()
	if err := syscall.Flock(int(gate.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", gate.Name(), err)
	}
	first, err := join(ctx, dir)
	if err != nil {
		return "", fmt.Errorf("watch over the test server: %w", err)
	}
	c, err := embedded.Start(ctx, dir, settings...)
	if err != nil && first && ctx.Err() == nil && !errors.Is(err, embedded.ErrNotInstalled) {
		// Nothing in it is worth keeping, and without fsync a power cut may have spoilt it.
		if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
			return "", err
		}
		c, err = embedded.Start(ctx, dir, settings...)
	}
	if err != nil {
		return "", err
	}
	if first {
		if err := sweep(ctx, c.URL()); err != nil {
			return "", fmt.Errorf("drop the databases of killed tests: %w", err)
		}
	}
	return c.URL(), nil // never stopped from here: the warden does it
}

// join counts this process among the server's users until it ends, and puts a
// warden in place if there is none.
func join(ctx context.Context, dir string) (first bool, err error) {
	pipe := filepath.Join(dir, "users")
	pid := filepath.Join(dir, "data", "postmaster.pid")
	err = hold(pipe)
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, os.ErrNotExist):
		// A warden is stopping the server, or there was none yet, or it was killed on the way.
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
			if _, err := os.Stat(pid); err != nil {
				break
			}
			if err := pause(ctx, 20*time.Millisecond); err != nil {
				return false, err
			}
		}
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			return false, &os.PathError{Op: "mkfifo", Path: pipe, Err: err}
		}
	case !errors.Is(err, syscall.ENXIO): // ENXIO: nobody reads, the warden was killed
		return false, err
	}
	cmd := exec.Command("sh", "-c", warden)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	go func() { _ = cmd.Wait() }() // outlives this process in the normal case
	for deadline := time.Now().Add(10 * time.Second); ; {
		err := hold(pipe)
		if err == nil || !errors.Is(err, syscall.ENXIO) || time.Now().After(deadline) {
			return true, err
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return false, err
		}
	}
}

// hold opens the pipe for writing until the process ends. It is no os.File,
// which the garbage collector would close.
func hold(pipe string) error {
	fd, err := syscall.Open(pipe, syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: pipe, Err: err}
	}
	if _, err := syscall.Write(fd, []byte("x")); err != nil {
		return &os.PathError{Op: "write", Path: pipe, Err: err}
	}
	return nil
}

// sweep drops what killed tests left behind. A database in use stays.
func sweep(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, _ := conn.Query(ctx, `select datname from pg_database d where datname like 'callyard\_test\_%'
		and not exists (select 1 from pg_stat_activity a where a.datname = d.datname)`)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, n := range names {
		_, _ = conn.Exec(ctx, `drop database if exists `+ident(n))
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
