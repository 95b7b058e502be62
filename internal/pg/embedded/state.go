package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Installed is the folder and the major version of the server programs that
// Start would use for the cluster in dir, which need not exist. The error says
// what to do.
func Installed(ctx context.Context, dir string) (bin string, major int, err error) {
	made, err := os.ReadFile(filepath.Join(dir, "data", "PG_VERSION"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", 0, fmt.Errorf("database folder: %w", err)
	}
	if bin, err = find(ctx, strings.TrimSpace(string(made))); err != nil {
		return "", 0, err
	}
	return bin, versionIn(ctx, bin), nil
}

// Running is the address of the cluster in dir if it runs and answers, else "".
func Running(ctx context.Context, dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	c := &Cluster{dir: dir, run: socketDir(dir)}
	if c.PID() == 0 || c.answers(ctx) != nil {
		return ""
	}
	return c.URL()
}
