package callctl_test

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/routing"
)

// saids is the store of dispositions behind a database that may be away.
type saids struct {
	r *rig

	mu   sync.Mutex
	asks map[string]*disposition.Ask
	said map[call.ID]*disposition.Said
	runs map[call.ID]routing.Run // of calls whose flow has gone on after their end
}

func newSaids(r *rig) *saids {
	return &saids{r: r, asks: map[string]*disposition.Ask{}, said: map[call.ID]*disposition.Said{}, runs: map[call.ID]routing.Run{}}
}

func (s *saids) Ask(ctx context.Context, a disposition.Ask) error {
	if err := s.r.db.enter(ctx, "ask"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asks[a.ID] != nil {
		return nil
	}
	a.State = disposition.Open
	s.asks[a.ID] = &a
	s.r.book.took(a.Fact())
	if before := s.said[a.Call]; before != nil && !before.At.Before(a.Since) {
		a.State, a.Said = disposition.Set, before
		s.settled(a.ID)
		return nil
	}
	s.r.later(job.Job{Args: disposition.Due{Ask: a.ID}, At: a.Due})
	return nil
}

func (s *saids) settled(ask string) { s.r.later(job.Job{Args: disposition.Settled{Ask: ask}}) }

func (s *saids) Lapse(ctx context.Context, ask string, now time.Time) error {
	if err := s.r.db.enter(ctx, "lapse"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.asks[ask]
	if a == nil || a.State != disposition.Open {
		return nil
	}
	said := disposition.NotSet(a.Default, now)
	a.State, a.Said = disposition.TimedOut, &said
	if s.said[a.Call] == nil {
		s.said[a.Call] = &said
		s.r.book.took(said.Fact(a.Call, nil))
	}
	s.settled(ask)
	return nil
}

func (s *saids) Asked(_ context.Context, ask string) (disposition.Ask, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.asks[ask]
	if a == nil {
		return disposition.Ask{}, &disposition.UnknownAskError{ID: ask}
	}
	out := *a
	if c, ok := s.r.book.closing(a.Call); ok && c.Run.At == a.Node {
		out.Run, _ = json.Marshal(c.Run)
	}
	return out, nil
}

func (s *saids) GoneOn(_ context.Context, a disposition.Ask, run []byte, decided ...call.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asks[a.ID].On {
		return nil
	}
	s.asks[a.ID].On = true
	if run != nil {
		var r routing.Run
		if err := json.Unmarshal(run, &r); err != nil {
			return err
		}
		s.runs[a.Call] = r
	}
	for _, e := range decided {
		s.r.book.took(e)
	}
	return nil
}

// says is what a rep says came of a call.
func (r *rig) says(id call.ID, code, agent string) {
	r.said.mu.Lock()
	defer r.said.mu.Unlock()
	said := &disposition.Said{Code: code, Category: disposition.Positive, By: call.Actor{User: agent, Via: "rest"}, At: time.Now()}
	r.book.took(said.Fact(id, r.said.said[id]))
	r.said.said[id] = said
	for _, a := range r.said.asks {
		if a.Call == id && a.State == disposition.Open {
			a.State, a.Said = disposition.Set, said
			r.said.settled(a.ID)
		}
	}
}

// disposed is what was said of a call, in order.
func (r *rig) disposed(id call.ID) (codes []string) {
	for _, e := range r.book.about(id, call.Disposed) {
		codes = append(codes, e.Data["code"].(string))
	}
	return codes
}

// decisions are where the flow of a call went, in order: "done:set".
func (r *rig) decisions(id call.ID) (out []string) {
	for _, e := range r.book.about(id, call.FlowDecided) {
		out = append(out, e.Node+":"+e.Data["outcome"].(string))
	}
	return out
}
