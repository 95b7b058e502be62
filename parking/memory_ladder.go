package parking

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
)

// Advance implements Store.
func (m *Memory) Advance(_ context.Context, id string, n int, now time.Time) (Park, int, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.parks[id]
	if p == nil {
		return Park{}, 0, false, &NotParkedError{What: "park " + id}
	}
	c, ok := p.Begin(n, now)
	if !ok {
		return *p, 0, false, nil
	}
	p.Next, p.NextAt = c.Next, Moment(c.NextAt)
	m.note(c.Facts(*p, now)...)
	m.expect(*p)
	return *p, c.Begin, true, nil
}

// StepResult implements Store.
func (m *Memory) StepResult(_ context.Context, id string, n int, result string, data map[string]any, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.parks[id]
	if p == nil {
		return &NotParkedError{What: "park " + id}
	}
	m.note(p.StepResultFact(n, result, data, at))
	return nil
}

// Adopt implements Store.
func (m *Memory) Adopt(_ context.Context, id string, node call.NodeID, at time.Time) (Park, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.live[id]
	if p == nil {
		return Park{}, &NotParkedError{What: "park " + id, Taken: clone(m.parks[id])}
	}
	from := p.Node
	p.Node = node
	m.note(p.RecoveredFact(from, at))
	m.expect(*p)
	return *p, nil
}

// Live implements Store.
func (m *Memory) Live(_ context.Context, f Filter) ([]Park, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Park
	for _, p := range m.live {
		if (f.Lot == "" || p.Lot == f.Lot) && (f.Node == "" || p.Node == f.Node) && (f.Call == "" || p.Call == f.Call) && p.Mark().Compare(f.After) > 0 {
			out = append(out, *p)
		}
	}
	slices.SortFunc(out, func(a, b Park) int { return a.Mark().Compare(b.Mark()) })
	if f.Limit > 0 && len(out) > f.Limit {
		out = out[:f.Limit]
	}
	return out, nil
}

// Park implements Store.
func (m *Memory) Park(_ context.Context, id string) (Park, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.parks[id]
	if p == nil {
		return Park{}, &NotParkedError{What: "park " + id}
	}
	return *p, nil
}

// Check implements Store.
func (m *Memory) Check(_ context.Context, now time.Time) ([]Fault, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []Fault
	for _, id := range slices.Sorted(maps.Keys(m.live)) {
		p := m.live[id]
		_, pending := m.jobs[id]
		faults, mended, events := p.Mend(pending, m.over[p.Call], now)
		found = append(found, faults...)
		if len(faults) == 0 {
			continue
		}
		if mended.State == StateEnded {
			m.end(p, mended.Reason, mended.EndedBy, mended.EndedAt)
			continue
		}
		*p = mended
		m.note(events...)
		m.expect(*p)
	}
	return append(found, m.left(now)...), nil
}

// expect replaces the pending step's job.
func (m *Memory) expect(p Park) {
	delete(m.jobs, p.ID)
	if j, ok := p.Pending(); ok {
		m.jobs[p.ID] = j
	}
}

func (m *Memory) note(events ...call.Event) {
	for _, e := range events {
		m.seq[e.Call]++
		e.ID, e.Seq = int64(len(m.ledger)+1), m.seq[e.Call]
		m.ledger = append(m.ledger, e)
	}
}

// Ledger is what was noted so far about a call, or, if c is empty, about all.
func (m *Memory) Ledger(c call.ID) []call.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c == "" {
		return slices.Clone(m.ledger)
	}
	var out []call.Event
	for _, e := range m.ledger {
		if e.Call == c {
			out = append(out, e)
		}
	}
	return out
}

// Jobs are the steps that are pending, the next one due first.
func (m *Memory) Jobs() []job.Job {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.jobs), func(a, b job.Job) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(stepOf(a).Park, stepOf(b).Park))
	})
}

// stepOf is what a job is told; the store has jobs of this one kind only.
func stepOf(j job.Job) StepDue {
	d, _ := j.Args.(StepDue)
	return d
}

// CallEnded tells the store of the end of a call, which a database would know.
func (m *Memory) CallEnded(c call.ID, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.over[c] = at
}

// LoseJob makes a park's pending step vanish: for tests of Check.
func (m *Memory) LoseJob(park string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.jobs, park)
}
