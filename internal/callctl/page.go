package callctl

import (
	"context"

	"github.com/callyard/callyard/internal/call"
)

// page is facts that are written in one transaction: those that were noted while
// what stands before them was being written. A call's facts come in bursts, and
// a transaction costs more than a fact.
type page struct {
	facts []call.Event
	write func(context.Context, []call.Event) error
	plain bool // may become part of the page that ends the call
}

// turn queues a page that begins with a fact. Facts noted next join it until the
// scribe comes to it, or something else is queued.
func (s *scribe) turn(what string, p *page) {
	begun := false
	s.must(what, func(ctx context.Context) error {
		s.mu.Lock()
		begun = true
		if s.page == p {
			s.page = nil
		}
		s.mu.Unlock()
		return p.write(ctx, p.facts)
	})
	s.mu.Lock()
	if !begun {
		s.page = p
	}
	s.mu.Unlock()
}

// note writes a fact, on the last page if that is still open.
func (s *scribe) note(e call.Event, write func(context.Context, []call.Event) error) {
	s.mu.Lock()
	if p := s.page; p != nil {
		p.facts = append(p.facts, e)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.turn(string(e.Type), &page{facts: []call.Event{e}, write: write, plain: true})
}

// last writes the fact that ends a call, with those of the last page if it is
// still open.
func (s *scribe) last(e call.Event, write func(context.Context, []call.Event) error) {
	s.mu.Lock()
	if p := s.page; p != nil && p.plain {
		p.facts, p.write = append(p.facts, e), write
		s.page = nil
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.turn(string(e.Type), &page{facts: []call.Event{e}, write: write})
}
