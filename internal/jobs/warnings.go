package jobs

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// repeatAfter is how long a warning of River's is not said again: while the
// database is away each queue would complain at every poll, 50 times a second.
const repeatAfter = 10 * time.Second

// warnings keeps River's chatter about its inner life out of the log, and the
// repetitions of what is left.
type warnings struct {
	slog.Handler
	said *said
}

func newWarnings(h slog.Handler) warnings {
	return warnings{h, &said{at: map[string]time.Time{}}}
}

func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}

func (w warnings) Handle(ctx context.Context, r slog.Record) error {
	if !w.said.again(r.Message, r.Time) {
		return nil
	}
	return w.Handler.Handle(ctx, r)
}

func (w warnings) WithAttrs(a []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(a), w.said}
}

func (w warnings) WithGroup(g string) slog.Handler {
	return warnings{w.Handler.WithGroup(g), w.said}
}

// said remembers when each message was said last; River's are constants, and few.
type said struct {
	mu sync.Mutex
	at map[string]time.Time
}

// again tells whether a message may be said now.
func (s *said) again(message string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.at[message]; ok && now.Sub(last) < repeatAfter {
		return false
	}
	s.at[message] = now
	return true
}
