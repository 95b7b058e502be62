//go:build linux

package hubproc

import (
	"os"
	"path/filepath"
	"testing"
)

func TestKeyIsReadFromTheLog(t *testing.T) {
	h := &Hub{Log: filepath.Join(t.TempDir(), "hub.log")}
	for want, log := range map[string]string{
		"":           "level=INFO msg=\"no Key   ck_other\"\nCallyard runs.\n",
		"ck_aB3-_x9": "Callyard runs.\n  HTTP  http://127.0.0.1:1/v1\n  Key   ck_aB3-_x9   (of the REST API; shown only this once)\n",
	} {
		if err := os.WriteFile(h.Log, []byte(log), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := h.Key(); got != want || (err == nil) != (want != "") {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}
