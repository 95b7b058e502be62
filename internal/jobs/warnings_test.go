package jobs

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestWarnings(t *testing.T) {
	var out bytes.Buffer
	h := newWarnings(slog.NewTextHandler(&out, nil))
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	say := func(h slog.Handler, after time.Duration, level slog.Level, message string) {
		t.Helper()
		if !h.Enabled(context.Background(), level) {
			return
		}
		if err := h.Handle(context.Background(), slog.NewRecord(noon.Add(after), level, message, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 500 {
		say(h.WithAttrs([]slog.Attr{slog.Int("poll", i)}), time.Duration(i)*20*time.Millisecond, slog.LevelError, "no jobs fetched")
	}
	say(h, time.Second, slog.LevelInfo, "inner life")
	say(h, time.Second, slog.LevelWarn, "something else")
	say(h, repeatAfter, slog.LevelError, "no jobs fetched")
	for message, want := range map[string]int{"no jobs fetched": 2, "something else": 1, "inner life": 0} {
		if got := strings.Count(out.String(), message); got != want {
			t.Errorf("%q is said %d times, want %d", message, got, want)
		}
	}
}
