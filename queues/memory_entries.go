package queues

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Join implements Store.
func (m *Memory) Join(_ context.Context, e Entry, now time.Time) error {
	return m.change(now, func() error {
		q, ok := m.queues[e.Queue]
		if !ok {
			return &UnknownError{"queue", e.Queue}
		}
		if old := m.entry(e.Call, e.Queue); old != nil {
			old.Rejoin(e)
			return nil
		}
		if e.JoinedAt.IsZero() {
			e.JoinedAt = now
		}
		if why := Refusal(q.Queue, m.waitingIn(e.Queue), m.assigned(q.Queue, now)); why != "" {
			return &RefusedError{e.Queue, why}
		}
		m.enter(e, e.JoinedFact("", call.Actor{}, now), now)
		return nil
	})
}

// enter puts an entry in line that has been admitted.
func (m *Memory) enter(e Entry, fact call.Event, now time.Time) {
	m.entries = append(m.entries, &e)
	m.note(fact)
	m.wake(time.Time{}, e.Queue)
	for _, at := range e.Widens(now) {
		m.wake(at, e.Queue)
	}
}

func (m *Memory) entry(c call.ID, queue string) *Entry {
	i := slices.IndexFunc(m.entries, func(e *Entry) bool { return e.Call == c && e.Queue == queue })
	if i < 0 {
		return nil
	}
	return m.entries[i]
}

// Leave implements Store.
func (m *Memory) Leave(_ context.Context, c call.ID, queue, outcome string, by call.Actor, now time.Time) error {
	return m.change(now, func() error {
		m.leave(c, queue, map[string]any{"outcome": outcome}, by, now)
		return nil
	})
}

func (m *Memory) leave(c call.ID, queue string, how map[string]any, by call.Actor, now time.Time) {
	for _, o := range m.sortedOffers() {
		if o.Call == c && o.Queue == queue {
			m.withdraw(o, now)
		}
	}
	if e := m.entry(c, queue); e != nil {
		m.entries = slices.DeleteFunc(m.entries, func(x *Entry) bool { return x == e })
		m.note(e.Fact(call.QueueLeft, by, now, how))
	}
}

// Amend implements Store.
func (m *Memory) Amend(_ context.Context, c call.ID, queue string, a Amendment, by call.Actor, now time.Time) (Entry, error) {
	var amended Entry
	err := m.change(now, func() error {
		e := m.entry(c, queue)
		if e == nil {
			return &NotWaitingError{c, queue}
		}
		var reordered bool
		if *e, reordered = e.Amended(a, now); reordered {
			m.note(e.ReorderedFact(by, now))
		}
		if a.Widen != nil {
			m.wake(time.Time{}, queue)
		}
		amended = e.copy()
		return nil
	})
	return amended, err
}

// Switch implements Store.
func (m *Memory) Switch(_ context.Context, c call.ID, from, to string, by call.Actor, now time.Time) (Entry, error) {
	var next Entry
	err := m.change(now, func() error {
		q, ok := m.queues[to]
		if !ok {
			return &UnknownError{"queue", to}
		}
		if there := m.entry(c, to); there != nil {
			next = there.copy()
			return nil
		}
		e := m.entry(c, from)
		if e == nil {
			return &NotWaitingError{c, from}
		}
		if why := Refusal(q.Queue, m.waitingIn(to), m.assigned(q.Queue, now)); why != "" {
			return &RefusedError{to, why}
		}
		next = e.Into(to)
		m.leave(c, from, map[string]any{"outcome": OutcomeMoved, "to": to}, by, now)
		m.enter(next, next.JoinedFact(from, by, now), now)
		return nil
	})
	return next, err
}

// Waiting implements Store.
func (m *Memory) Waiting(_ context.Context, queue string) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waiting(queue), nil
}

func (m *Memory) waiting(queue string) []Entry {
	var line []Entry
	for _, e := range m.entries {
		if queue == "" || e.Queue == queue {
			line = append(line, e.copy())
		}
	}
	slices.SortStableFunc(line, func(a, b Entry) int {
		return cmp.Or(b.FirstAt.Compare(a.FirstAt), cmp.Compare(b.Priority, a.Priority), a.JoinedAt.Compare(b.JoinedAt), cmp.Compare(a.Call, b.Call))
	})
	return line
}

func (e *Entry) copy() Entry {
	c := *e
	c.Tried, c.Reach = slices.Clone(c.Tried), slices.Clone(c.Reach)
	return c
}
