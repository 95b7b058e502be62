package parking

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
)

// Memory is a Store without a database, for simulations and fast tests. What a
// real store writes beside its state, the ledger and the jobs, is kept to be
// read. Safe for use by many goroutines.
type Memory struct {
	mu     sync.Mutex
	lots   map[string]Lot
	freed  map[slot]time.Time // when a slot was last in use
	held   map[slot]Reservation
	parks  map[string]*Park
	live   map[string]*Park // those of parks that have not ended
	jobs   map[string]job.Job
	over   map[call.ID]time.Time // calls that have ended
	ledger []call.Event
	seq    map[call.ID]int
}

type slot struct {
	lot string
	n   int
}

var _ Store = (*Memory)(nil)

// NewMemory makes a store without lots.
func NewMemory() *Memory {
	return &Memory{
		lots: map[string]Lot{}, freed: map[slot]time.Time{}, held: map[slot]Reservation{}, parks: map[string]*Park{}, live: map[string]*Park{},
		jobs: map[string]job.Job{}, over: map[call.ID]time.Time{}, seq: map[call.ID]int{},
	}
}

// Lot implements Store.
func (m *Memory) Lot(_ context.Context, name string) (Lot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.lots[name]
	if !ok {
		return Lot{}, &UnknownLotError{name}
	}
	return l, nil
}

// Lots implements Store.
func (m *Memory) Lots(context.Context) ([]Lot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.lots), func(a, b Lot) int { return cmp.Compare(a.Name, b.Name) }), nil
}

// SaveLot implements Store.
func (m *Memory) SaveLot(_ context.Context, l Lot) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.Name == "" || l.First < 1 || l.Last < l.First {
		return fmt.Errorf("save lot %q: no name, or slots %d to %d", l.Name, l.First, l.Last)
	}
	for _, p := range m.live {
		if p.Lot == l.Name && (p.Slot < l.First || p.Slot > l.Last) {
			return fmt.Errorf("save lot %s: slot %d: %w", l.Name, p.Slot, ErrInUse)
		}
	}
	l.ID = cmp.Or(l.ID, m.lots[l.Name].ID, "lot_"+l.Name)
	m.lots[l.Name] = l.WithDefaults()
	return nil
}

// DeleteLot implements Store.
func (m *Memory) DeleteLot(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.lots[name]; !ok {
		return &UnknownLotError{name}
	}
	for _, p := range m.live {
		if p.Lot == name {
			return fmt.Errorf("delete lot %s: slot %d: %w", name, p.Slot, ErrInUse)
		}
	}
	delete(m.lots, name)
	maps.DeleteFunc(m.freed, func(s slot, _ time.Time) bool { return s.lot == name })
	return nil
}

// Put implements Store.
func (m *Memory) Put(_ context.Context, p Park) (Park, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	refused := p
	p, err := m.admit(p)
	if err != nil {
		if !refused.ParkedAt.IsZero() {
			m.note(refused.RefusedFact(err))
		}
		return Park{}, err
	}
	m.parks[p.ID], m.live[p.ID] = &p, &p
	m.note(p.ParkedFact())
	m.expect(p)
	return p, nil
}

func (m *Memory) admit(p Park) (Park, error) {
	l, ok := m.lots[p.Lot]
	if !ok {
		return p, &UnknownLotError{p.Lot}
	}
	now := p.ParkedAt
	if p.Reservation != "" {
		r, ok := m.reservation(p.Reservation)
		if !ok || r.Lot != p.Lot || !r.Until.After(now) {
			return p, &NotReservedError{p.Reservation}
		}
		p = p.Into(r)
	}
	p, err := l.Admit(p)
	if err != nil {
		return p, err
	}
	for _, q := range m.live {
		if q.Call == p.Call {
			return p, &AlreadyParkedError{*q}
		}
	}
	p.Slot, err = m.vacant(l, p.Slot, now, p.Reservation)
	return p, err
}

// vacant is a slot that a call may be put in: that one, or for 0 the next. What
// held it, which has lapsed or is that reservation, is forgotten.
func (m *Memory) vacant(l Lot, n int, now time.Time, reservation string) (int, error) {
	taken := map[int]Park{}
	for _, q := range m.live {
		if q.Lot == l.Name {
			taken[q.Slot] = *q
		}
	}
	if n == 0 {
		if n = m.free(l, taken, now); n == 0 {
			return 0, &FullError{l.Name}
		}
		delete(m.held, slot{l.Name, n})
		return n, nil
	}
	if n < l.First || n > l.Last {
		return n, &UnknownSlotError{l.Name, n}
	}
	if by, ok := taken[n]; ok {
		return n, &OccupiedError{Lot: l.Name, Slot: n, By: by}
	}
	if r, ok := m.heldAt(slot{l.Name, n}, now); ok && r.ID != reservation {
		return n, &OccupiedError{Lot: l.Name, Slot: n, For: r.By.User}
	}
	delete(m.held, slot{l.Name, n})
	return n, nil
}

// free is the first cool slot, else the one that has cooled longest, else 0.
func (m *Memory) free(l Lot, taken map[int]Park, now time.Time) int {
	best, since := 0, time.Time{}
	for n := l.First; n <= l.Last; n++ {
		if _, ok := taken[n]; ok {
			continue
		}
		if _, ok := m.heldAt(slot{l.Name, n}, now); ok {
			continue
		}
		freed, used := m.freed[slot{l.Name, n}]
		if !used || !freed.Add(l.CoolDown).After(now) {
			return n
		}
		if best == 0 || freed.Before(since) {
			best, since = n, freed
		}
	}
	return best
}

// Claim implements Store.
func (m *Memory) Claim(_ context.Context, t Target, by call.Actor, now time.Time) (Park, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.target(t, now)
	if p == nil || p.State == StateEnded {
		return Park{}, &NotParkedError{What: t.String(), Taken: clone(p)}
	}
	if p.State == StateClaimed {
		if p.ClaimUntil.After(now) {
			return Park{}, &NotParkedError{What: t.String(), Taken: clone(p)}
		}
	}
	if !p.MayTake(by) {
		return Park{}, &DeniedError{What: t.String(), Takers: slices.Clone(p.Takers)}
	}
	if p.State == StateClaimed {
		m.note(p.ClaimLostFact(now, "taken_over"))
	}
	p.State, p.Epoch, p.ClaimedBy = StateClaimed, p.Epoch+1, by
	p.ClaimedAt, p.ClaimUntil = Moment(now), Moment(now.Add(m.lots[p.Lot].Claim))
	m.note(p.ClaimedFact())
	return *p, nil
}

// target finds a park; in a slot that is empty, the one that left it lately.
func (m *Memory) target(t Target, now time.Time) *Park {
	if t.Park != "" {
		return m.parks[t.Park]
	}
	var last *Park
	for _, p := range m.parks {
		if p.Lot != t.Lot || p.Slot != t.Slot {
			continue
		}
		if p.State != StateEnded {
			return p
		}
		if p.EndedAt.After(now.Add(-Remembered)) && (last == nil || p.EndedAt.After(last.EndedAt)) {
			last = p
		}
	}
	return last
}

// Extend implements Store.
func (m *Memory) Extend(_ context.Context, id string, epoch int, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.parks[id]
	if p == nil || p.State != StateClaimed || p.Epoch != epoch {
		return &NotParkedError{What: "park " + id, Taken: clone(p)}
	}
	p.ClaimUntil = Moment(until)
	return nil
}

// Release implements Store.
func (m *Memory) Release(_ context.Context, id string, epoch int, why string, at time.Time) (Park, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.parks[id]
	if p == nil {
		return Park{}, &NotParkedError{What: "park " + id}
	}
	if freed, ok := p.Released(epoch); ok {
		m.note(p.ReleasedFact(at, why))
		*p = freed
	}
	return *p, nil
}

// End implements Store.
func (m *Memory) End(_ context.Context, id string, epoch int, reason Reason, by call.Actor, at time.Time) (Park, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.live[id]
	if p == nil || epoch != 0 && (p.State != StateClaimed || p.Epoch != epoch) {
		return Park{}, &NotParkedError{What: "park " + id, Taken: clone(m.parks[id])}
	}
	m.end(p, reason, by, at)
	return *p, nil
}

func (m *Memory) end(p *Park, reason Reason, by call.Actor, at time.Time) {
	p.State, p.Reason, p.EndedBy, p.EndedAt = StateEnded, reason, by, Moment(at)
	m.vacate(p)
	m.note(p.EndedFact())
}

// vacate frees the slot of a park that has ended.
func (m *Memory) vacate(p *Park) {
	m.freed[slot{p.Lot, p.Slot}] = p.EndedAt
	delete(m.live, p.ID)
	delete(m.jobs, p.ID)
}

func clone(p *Park) *Park {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
