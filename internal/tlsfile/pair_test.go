package tlsfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/callyard/callyard/internal/tlsfile"
)

func TestFaults(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tlsfile.Load(empty, filepath.Join(dir, "none"), nil); err == nil {
		t.Error("no certificate was taken for one")
	}
	if _, err := tlsfile.Pool(empty); err == nil {
		t.Error("an empty file was taken for authorities")
	}
	if p, err := tlsfile.Pool(""); p != nil || err != nil {
		t.Errorf("%v %v, want the system's", p, err)
	}
}
