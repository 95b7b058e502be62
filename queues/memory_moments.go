package queues

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// remember notes what agents do since the change that was made.
func (m *Memory) remember() {
	had := len(m.moments)
	for name, a := range m.agents {
		at := a.Since
		if a.StatusSince.After(at) {
			at = a.StatusSince
		}
		is := Moment{Agent: name, At: at, Status: a.Status, Reason: a.Reason, State: a.State, Call: a.Call}
		if is.State == Ringing {
			is.State = Reserved
		}
		was, known := m.last[name]
		if was.At, was.Seq = is.At, 0; known && was == is {
			continue
		}
		m.last[name] = is
		m.moments = append(m.moments, is)
	}
	now := m.moments[had:]
	slices.SortFunc(now, func(a, b Moment) int { return cmp.Compare(a.Agent, b.Agent) })
	for i := range now {
		now[i].Seq = int64(had + i + 1)
	}
}

// Moments implements Store.
func (m *Memory) Moments(_ context.Context, from, to time.Time) ([]Moment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := map[string]Moment{}
	var out []Moment
	for _, x := range m.moments {
		switch {
		case x.At.After(from) && x.At.Before(to):
			out = append(out, x)
		case !x.At.After(from) && m.agents[x.Agent] != nil && !before[x.Agent].At.After(x.At):
			before[x.Agent] = x
		}
	}
	out = slices.AppendSeq(out, maps.Values(before))
	slices.SortFunc(out, func(a, b Moment) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Seq, b.Seq)) })
	return out, nil
}

// MomentsOf implements Store.
func (m *Memory) MomentsOf(_ context.Context, agent string, before int64, limit int) ([]Moment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Moment
	order := func(a, b Moment) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.Seq, a.Seq)) }
	for _, x := range m.moments {
		if x.Agent == agent && (before == 0 || before <= int64(len(m.moments)) && order(m.moments[max(before, 1)-1], x) < 0) {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, order)
	return out[:min(limit, len(out))], nil
}
