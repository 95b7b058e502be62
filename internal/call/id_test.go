package call_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
)

func TestNewID(t *testing.T) {
	now := time.UnixMilli(0x0123456789ab)
	id := call.NewID("call", now)
	if !strings.HasPrefix(id, "call_") || len(id) != len("call_")+26 || strings.ContainsAny(id[5:], "ilou") {
		t.Errorf("%q is no prefix and 26 digits of Crockford's base32", id)
	}
	// The first 48 bits of a UUIDv7 are its time: 128 bits in 26 digits begin with three of them.
	if want := "0" + "14d2pf2d"; id[5:14] != want {
		t.Errorf("%s does not begin with the time, %s", id[5:], want)
	}
	seen := map[string]bool{}
	for range 10_000 {
		id := call.NewID("x", now)
		if seen[id] {
			t.Fatalf("%s was given twice", id)
		}
		seen[id] = true
	}
	if later := call.NewID("call", now.Add(time.Millisecond)); later <= id {
		t.Errorf("%s, made later, sorts before %s", later, id)
	}
}

func TestNumbersDoNotPrintInLogs(t *testing.T) {
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("call", "from", call.Number("+34600000001"))
	if strings.Contains(b.String(), "600000") || !strings.Contains(b.String(), "001") {
		t.Error(b.String())
	}
	if s := fmt.Sprint(call.Number("12").Masked()); strings.Contains(s, "1") {
		t.Error(s)
	}
}
