package callctl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// scribe does a call's database work in order, beside the call's goroutine, so
// that a slow or absent database is never heard by a caller. It has a goroutine
// only while there is work.
type scribe struct {
	log *slog.Logger
	ctx context.Context //nolint:containedctx // the hub's life: work begun outlives the call

	mu    sync.Mutex
	queue []func(context.Context)
	page  *page // queued last and not begun: takes more facts
	busy  bool
	idle  chan struct{} // closed when the queue runs empty; nil when nobody waits
}

const (
	oneTry    = 3 * time.Second // bounds work whose failure is an answer, such as parking
	firstWait = 50 * time.Millisecond
	longWait  = 5 * time.Second
	patience  = 10 * time.Minute // how long facts are kept for a database that is away
)

// do queues work whose result f reports itself. It gets oneTry.
func (s *scribe) do(f func(context.Context)) {
	s.mu.Lock()
	s.queue = append(s.queue, f)
	s.page = nil // facts noted from now on come after f
	start := !s.busy
	s.busy = true
	s.mu.Unlock()
	if start {
		go s.drain()
	}
}

// must queues work that is repeated until the database has taken it. An error
// that says "too late" is an answer, not a failure.
func (s *scribe) must(what string, f func(context.Context) error) {
	s.do(func(ctx context.Context) {
		wait, until := firstWait, time.Now().Add(patience)
		for {
			tryCtx, cancel := context.WithTimeout(ctx, oneTry)
			err := f(tryCtx)
			cancel()
			if err == nil || late(err) {
				return
			}
			if final(err) || ctx.Err() != nil || time.Now().After(until) {
				s.log.Error("not written", "what", what, "err", err)
				return
			}
			if wait == firstWait {
				s.log.Warn("database does not take it, trying again", "what", what, "err", err)
			}
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
			}
			wait = min(2*wait, longWait)
		}
	})
}

// final tells errors that no later attempt mends: the database has understood and
// refused (SQLSTATE classes 22, data; 23, integrity; 42, syntax or access).
// Repeating them would hold up all that comes after.
func final(err error) bool {
	var state interface{ SQLState() string }
	if !errors.As(err, &state) || len(state.SQLState()) != 5 {
		return false
	}
	switch state.SQLState()[:2] {
	case "22", "23", "42":
		return true
	}
	return false
}

// late tells errors that mean somebody else was quicker or it is over.
func late(err error) bool {
	var (
		parked  *parking.NotParkedError
		offer   *queues.TooLateError
		unknown *queues.UnknownError
		gone    *queues.NotWaitingError
	)
	return errors.As(err, &parked) || errors.As(err, &gone) || errors.As(err, &offer) || errors.As(err, &unknown)
}

func (s *scribe) drain() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.busy = false
			if s.idle != nil {
				close(s.idle)
				s.idle = nil
			}
			s.mu.Unlock()
			return
		}
		f := s.queue[0]
		s.queue = s.queue[1:]
		s.mu.Unlock()
		s.attempt(f)
	}
}

// attempt keeps a fault in one piece of work from ending more than that.
func (s *scribe) attempt(f func(context.Context)) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("panic while writing", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	f(s.ctx)
}

// flushed is closed once everything queued so far has been done.
func (s *scribe) flushed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.busy {
		done := make(chan struct{})
		close(done)
		return done
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	return s.idle
}
