package parking

import (
	"context"
	"slices"
	"time"
)

// Reserve implements Store.
func (m *Memory) Reserve(_ context.Context, r Reservation) (Reservation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.lots[r.Lot]
	if !ok {
		return Reservation{}, &UnknownLotError{r.Lot}
	}
	r, err := r.Admit(l)
	if err != nil {
		return Reservation{}, err
	}
	taken := map[int]Park{}
	for _, p := range m.live {
		if p.Lot == r.Lot {
			taken[p.Slot] = *p
		}
	}
	if r.Slot == 0 {
		if r.Slot = m.free(l, taken, r.At); r.Slot == 0 {
			return Reservation{}, &FullError{l.Name}
		}
	} else if by, ok := taken[r.Slot]; ok {
		return Reservation{}, &OccupiedError{Lot: l.Name, Slot: r.Slot, By: by}
	} else if by, ok := m.heldAt(slot{l.Name, r.Slot}, r.At); ok {
		return Reservation{}, &OccupiedError{Lot: l.Name, Slot: r.Slot, For: by.By.User}
	}
	m.held[slot{r.Lot, r.Slot}] = r
	m.note(r.MadeFact())
	return r, nil
}

// Unreserve implements Store.
func (m *Memory) Unreserve(_ context.Context, id, why string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.reservation(id)
	if !ok {
		return nil
	}
	delete(m.held, slot{r.Lot, r.Slot})
	m.freed[slot{r.Lot, r.Slot}] = Moment(at)
	m.note(r.LapsedFact(why, at))
	return nil
}

// Reservations implements Store.
func (m *Memory) Reservations(_ context.Context, lot string, at time.Time) ([]Reservation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Reservation
	for _, r := range m.held {
		if r.Lot == lot && r.Until.After(at) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Reservation) int { return a.Slot - b.Slot })
	return out, nil
}

// left gives up what nobody has given up.
func (m *Memory) left(now time.Time) (found []Fault) {
	for s, r := range m.held {
		if !r.Until.Add(CallEndGrace).After(now) {
			delete(m.held, s)
			m.freed[s] = Moment(now)
			m.note(r.LapsedFact("check", now))
			found = append(found, r.LeftFault())
		}
	}
	return found
}

func (m *Memory) reservation(id string) (Reservation, bool) {
	for _, r := range m.held {
		if r.ID == id {
			return r, true
		}
	}
	return Reservation{}, false
}

// heldAt is the reservation that keeps others out of a slot at a time.
func (m *Memory) heldAt(s slot, now time.Time) (Reservation, bool) {
	r, ok := m.held[s]
	return r, ok && r.Until.After(now)
}

// Held tells whether a slot is reserved, which a database would know.
func (m *Memory) Held(lot string, n int, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.heldAt(slot{lot, n}, now)
	return ok
}
