package embedded

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// socketDir is where the socket of the cluster in dir lies: with the data, or if
// that path is too long for an address (sun_path holds 107 bytes, of which
// "/.s.PGSQL.5432" is 14) in a short one made from it.
func socketDir(dir string) string {
	if run := filepath.Join(dir, "run"); len(run) <= 90 {
		return run
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(dir))
	name := "callyard-" + strconv.FormatUint(h.Sum64(), 36)
	if run := filepath.Join(os.TempDir(), name); len(run) <= 90 {
		return run
	}
	return filepath.Join("/tmp", name)
}

// account is whom the server runs as: nil is ourselves. As root it is the owner
// of the data, else postgres, else nobody.
func account(data string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		if _, err := user.Current(); err != nil { // initdb asks for the name
			return nil, fmt.Errorf("user id %d has no entry in the password file, which Postgres insists on: %w", os.Geteuid(), err)
		}
		return nil, nil
	}
	names := []string{"postgres", "nobody"}
	if st, err := os.Stat(data); err == nil {
		if u, err := user.LookupId(strconv.Itoa(ownerOf(st))); err == nil && u.Uid != "0" {
			names = slices.Insert(names, 0, u.Username)
		}
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
		if uerr == nil && gerr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("Postgres refuses to run as root and this machine has no user postgres or nobody: run as an ordinary user") //nolint:staticcheck // a name
}

func ownerOf(st os.FileInfo) int {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return -1
}

// lock takes an advisory lock on a file, which the kernel gives back when the
// file is closed or the process dies.
func lock(ctx context.Context, path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("wait for %s: %w", path, err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
