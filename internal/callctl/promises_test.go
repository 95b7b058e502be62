package callctl_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/callyard/callyard/callback"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
)

// promises is the store of callbacks behind a database that may be away.
type promises struct {
	r *rig

	mu  sync.Mutex
	all map[string]*callback.Callback
}

func (s *promises) open(n call.Number) *callback.Callback {
	for _, c := range s.all {
		if c.Number == n && c.State.Open() {
			return c
		}
	}
	return nil
}

func (s *promises) due(c callback.Callback) {
	s.r.later(job.Job{Args: callback.Due{Callback: c.ID, Begun: c.Begun}, At: c.Due})
}

func (s *promises) Schedule(ctx context.Context, c callback.Callback) (callback.Callback, error) {
	if err := s.r.db.enter(ctx, "schedule"); err != nil {
		return c, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if open := s.open(c.Number); open != nil {
		return *open, nil
	}
	c.State = callback.Waiting
	s.all[c.ID] = &c
	s.r.book.took(c.Fact(call.CallbackScheduled, c.Call, call.Actor{}, c.MadeAt, nil))
	s.due(c)
	return c, nil
}

func (s *promises) Begin(ctx context.Context, d callback.Due, hub call.NodeID, as call.ID, _ time.Time) (callback.Callback, bool, error) {
	if err := s.r.db.enter(ctx, "begin callback"); err != nil {
		return callback.Callback{}, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.all[d.Callback]
	if c == nil || c.State != callback.Waiting || c.Begun != d.Begun {
		return callback.Callback{}, false, nil
	}
	c.State, c.Hub, c.Last = callback.Calling, hub, as
	c.Begun++
	return *c, true, nil
}

func (s *promises) Standing(ctx context.Context, id string, as call.ID) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.all[id]
	return c.State == callback.Calling && c.Last == as, s.r.db.enter(ctx, "standing")
}

func (s *promises) Settle(ctx context.Context, id string, as call.ID, o callback.Outcome, now time.Time) error {
	if err := s.r.db.enter(ctx, "settle"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.all[id]
	if c.State != callback.Calling || c.Last != as {
		return nil
	}
	*c = c.After(o, now)
	s.r.book.took(c.Fact(call.CallbackResult, c.Call, call.Actor{}, now, map[string]any{"result": o.What}))
	if c.State == callback.Waiting {
		s.due(*c)
	}
	return nil
}

func (s *promises) Supersede(ctx context.Context, n call.Number, _ call.ID, now time.Time) (callback.Callback, bool, error) {
	if err := s.r.db.enter(ctx, "supersede"); err != nil {
		return callback.Callback{}, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.open(n)
	if c == nil {
		return callback.Callback{}, false, nil
	}
	c.State, c.EndedAt = callback.Cancelled, now
	return *c, true, nil
}

// promise is the only one there is.
func (r *rig) promise() callback.Callback {
	r.t.Helper()
	r.owed.mu.Lock()
	defer r.owed.mu.Unlock()
	if len(r.owed.all) != 1 {
		r.t.Fatalf("%d callbacks", len(r.owed.all))
	}
	for _, c := range r.owed.all {
		return *c
	}
	panic("unreachable")
}

// kept is how the promise stands: "waiting after 1 of 2: busy".
func (r *rig) kept() string {
	r.t.Helper()
	c := r.promise()
	return fmt.Sprintf("%s after %d of %d: %s", c.State, c.Tried, c.Tries, c.Result)
}
