package parking

import (
	"context"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Move implements Store.
func (m *Memory) Move(_ context.Context, w Move) (Park, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.parks[w.Park]
	if p == nil {
		return Park{}, &NotParkedError{What: "park " + w.Park}
	}
	l, ok := m.lots[w.Into(*p)]
	if !ok {
		return Park{}, &UnknownLotError{w.Into(*p)}
	}
	ended, next, lapsed, err := p.Moved(l, w)
	if err != nil {
		return Park{}, err
	}
	if next.Slot, err = m.vacant(l, next.Slot, w.At, ""); err != nil {
		return Park{}, err
	}
	*p = ended
	m.vacate(p)
	m.parks[next.ID], m.live[next.ID] = &next, &next
	m.note(append(lapsed, MovedFacts(ended, next)...)...)
	m.expect(next)
	return next, nil
}

// Annotate implements Store.
func (m *Memory) Annotate(_ context.Context, id, note string, by call.Actor, at time.Time) (Park, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.parks[id]
	if p == nil {
		return Park{}, &NotParkedError{What: "park " + id}
	}
	noted, err := p.Noted(note)
	if err != nil {
		return Park{}, err
	}
	*p = noted
	m.note(p.NotedFact(by, at))
	return *p, nil
}
