package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// oldest is the first Postgres with pg_current_xact_id, which the ledger needs.
const oldest = 13

// ErrNotInstalled says what to do on a machine without Postgres.
var ErrNotInstalled = errors.New(`no Postgres server programs found (version 13 or later). Do one of:
  sudo apt-get install -y postgresql          (Debian, Ubuntu)
  sudo dnf install -y postgresql-server       (Fedora, RHEL)
  brew install postgresql@17                  (macOS)
  export CALLYARD_PG_BIN=/path/to/pgsql/bin   (installed somewhere else)
  export DATABASE_URL=postgres://...          (use a server you already run)`)

// places are where packages put the server programs.
var places = []string{
	"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                   // the project's own RPMs
	"/opt/homebrew/opt/postgresql@*/bin", // Homebrew on ARM
	"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
	"/usr/libexec/postgresql*",           // Alpine
	"/usr/local/pgsql/bin",               // from source
	"/usr/local/bin", "/usr/bin",         // FreeBSD, Fedora, Arch
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

var versionOf = regexp.MustCompile(`\b(\d+)[.\w]*`)

// find is the folder of the newest server programs, or of those of one major
// version, which is that of existing data: another cannot read it. CALLYARD_PG_BIN
// goes before all others.
func find(ctx context.Context, major string) (string, error) {
	if dir := os.Getenv("CALLYARD_PG_BIN"); dir != "" {
		v := versionIn(ctx, dir)
		switch {
		case v == 0:
			return "", fmt.Errorf("CALLYARD_PG_BIN: %s has no postgres and initdb that run", dir)
		case v < oldest:
			return "", fmt.Errorf("CALLYARD_PG_BIN: %s is Postgres %d; at least %d is needed", dir, v, oldest)
		case major != "" && major != strconv.Itoa(v):
			return "", wrongMajor(major, strconv.Itoa(v))
		}
		return dir, nil
	}
	var dirs []string
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	if p, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	for _, p := range places {
		found, _ := filepath.Glob(p) // only a bad pattern is an error
		dirs = append(dirs, found...)
	}
	best, newest := "", 0
	for _, dir := range dirs {
		v := versionIn(ctx, dir)
		if major != "" && major == strconv.Itoa(v) {
			return dir, nil
		}
		if v > newest {
			best, newest = dir, v
		}
	}
	switch {
	case newest < oldest:
		return "", ErrNotInstalled
	case major != "":
		return "", wrongMajor(major, strconv.Itoa(newest))
	}
	return best, nil
}

func wrongMajor(data, here string) error {
	return fmt.Errorf(`the data folder was made by Postgres %s and this machine has %s. Do one of:
  install Postgres %s beside it     (sudo apt-get install -y postgresql-%s)
  export CALLYARD_PG_BIN=...        (where the programs of %s are)
  start with a new data folder and restore a dump into it`, data, here, data, data, data)
}

// versionIn is the major version of the server programs in dir, 0 if there are none.
func versionIn(ctx context.Context, dir string) int {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return 0
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output() // "postgres (PostgreSQL) 15.18 (Debian …)"
	if err != nil {
		return 0
	}
	m := versionOf.FindSubmatch(out)
	if m == nil {
		return 0
	}
	v, _ := strconv.Atoi(string(m[1]))
	return v
}
