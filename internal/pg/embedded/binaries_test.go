package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// install makes a folder with programs that only tell their version.
func install(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"postgres", "initdb"} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s'\n", name, version)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind(t *testing.T) {
	old, mid, beta := install(t, "12.9"), install(t, "15.18 (Debian 15.18-0)"), install(t, "19beta2")
	tests := map[string]struct {
		places []string
		asked  string // CALLYARD_PG_BIN
		major  string
		want   string
		err    string
	}{
		"the newest":                      {places: []string{mid, beta, old}, want: beta},
		"the one the data was made with":  {places: []string{mid, beta}, major: "15", want: mid},
		"the one that was asked for":      {places: []string{beta}, asked: mid, want: mid},
		"none of that major":              {places: []string{beta}, major: "15", err: "apt-get install -y postgresql-15"},
		"asked for with other data":       {asked: mid, major: "17", err: "made by Postgres 17 and this machine has 15"},
		"asked for, but too old":          {asked: old, err: "at least 13"},
		"asked for, but nothing is there": {asked: "/nonexistent", err: "no postgres and initdb"},
		"too old":                         {places: []string{old}, err: "sudo apt-get install -y postgresql"},
		"nothing at all":                  {err: "DATABASE_URL"},
	}
	was := places
	t.Cleanup(func() { places = was })
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", t.TempDir()) // no pg_config
			t.Setenv("CALLYARD_PG_BIN", tt.asked)
			places = tt.places
			got, err := find(t.Context(), tt.major)
			if tt.err == "" && (err != nil || got != tt.want) {
				t.Fatalf("got %s, %v", got, err)
			}
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Fatalf("got %v, want %q", err, tt.err)
			}
		})
	}
	t.Run("a machine without one is told apart", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		t.Setenv("CALLYARD_PG_BIN", "")
		places = nil
		if _, err := find(t.Context(), ""); !errors.Is(err, ErrNotInstalled) {
			t.Fatal(err)
		}
	})
}
