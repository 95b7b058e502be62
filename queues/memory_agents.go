package queues

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
)

// Agent implements Store. Devices are counted at the latest time the store was given.
func (m *Memory) Agent(_ context.Context, name string) (Agent, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.agent(name, m.seen)
	if !ok {
		return Agent{}, &UnknownError{"agent", name}
	}
	return a, nil
}

// Agents implements Store. Devices are counted at the latest time the store was given.
func (m *Memory) Agents(context.Context) ([]Agent, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Agent
	for _, name := range slices.Sorted(maps.Keys(m.agents)) {
		a, _ := m.agent(name, m.seen)
		all = append(all, a)
	}
	return all, nil
}

// SaveAgent implements Store.
func (m *Memory) SaveAgent(_ context.Context, a Agent) error {
	if a.Name == "" {
		return &UnknownError{"agent", ""}
	}
	return m.change(time.Time{}, func() error {
		a.Teams, a.Skills = slices.Clone(a.Teams), slices.Clone(a.Skills)
		old, ok := m.agents[a.Name]
		if !ok {
			a = a.New()
			a.ID = cmp.Or(a.ID, call.NewID("agt", time.Unix(0, 0)))
			m.agents[a.Name] = &a
			return nil
		}
		if a.HA1 != (HA1{}) {
			old.HA1 = a.HA1
		}
		old.Display, old.Extension, old.Teams, old.Skills, old.SRTP = a.Display, a.Extension, a.Teams, a.Skills, a.SRTP
		return nil
	})
}

// DeleteAgent implements Store.
func (m *Memory) DeleteAgent(_ context.Context, name string) error {
	return m.change(time.Time{}, func() error {
		if m.agents[name] == nil {
			return &UnknownError{"agent", name}
		}
		delete(m.agents, name)
		for _, q := range m.queues {
			q.Agents = slices.DeleteFunc(q.Agents, func(a Assignment) bool { return a.Agent == name })
		}
		for _, o := range m.offers { // one without agents ends with its lease
			o.Agents = without(o.Agents, name)
		}
		maps.DeleteFunc(m.devices, func(k memDevice, _ Device) bool { return k.agent == name })
		return nil
	})
}

func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
}

// with runs f on an agent.
func (m *Memory) with(name string, now time.Time, f func(*Agent) error) error {
	return m.change(now, func() error {
		a, ok := m.agents[name]
		if !ok {
			return &UnknownError{"agent", name}
		}
		return f(a)
	})
}

// Talk implements Store.
func (m *Memory) Talk(_ context.Context, agent string, c call.ID, now time.Time) error {
	return m.with(agent, now, func(a *Agent) error {
		if o := m.offerTo(agent); o != nil {
			why := BusyPhone
			if o.Call == c {
				why = Withdrawn
			}
			m.miss(o, a, why, now)
		}
		a.Talk(c, now)
		return nil
	})
}

// Free implements Store.
func (m *Memory) Free(_ context.Context, agent string, c call.ID, wrapUp time.Duration, now time.Time) error {
	return m.with(agent, now, func(a *Agent) error {
		switch {
		case !a.Hangup(c, wrapUp, now): // late
		case a.State == WrapUp:
			m.jobs = append(m.jobs, job.Job{
				Args: WrapUpOver{Agent: agent, Since: now}, At: now.Add(wrapUp), Queue: job.Dispatch, Unique: true,
			})
		default:
			m.wake(time.Time{}, m.queuesOf(agent)...)
		}
		return nil
	})
}

// SetStatus implements Store.
func (m *Memory) SetStatus(_ context.Context, agent string, s Status, reason string, now time.Time) error {
	return m.with(agent, now, func(a *Agent) error {
		if err := a.Wish(s, reason, now); err != nil {
			return err
		}
		if a.Reachable(false) {
			m.wake(time.Time{}, m.queuesOf(agent)...)
		}
		return nil
	})
}

// EndWrapUp implements Store.
func (m *Memory) EndWrapUp(_ context.Context, agent string, since, now time.Time) error {
	return m.with(agent, now, func(a *Agent) error {
		if a.EndWrapUp(since, now) {
			m.wake(time.Time{}, m.queuesOf(agent)...)
		}
		return nil
	})
}

// Forgive implements Store.
func (m *Memory) Forgive(_ context.Context, agent string, since, now time.Time) error {
	return m.with(agent, now, func(a *Agent) error {
		if a.Forgive(since, now) {
			m.wake(time.Time{}, m.queuesOf(agent)...)
		}
		return nil
	})
}

// SaveDevice implements Store.
func (m *Memory) SaveDevice(_ context.Context, d Device) error {
	return m.change(time.Time{}, func() error {
		if m.agents[d.Agent] == nil {
			return &UnknownError{"agent", d.Agent}
		}
		k := memDevice{d.Agent, d.Contact}
		old, known := m.devices[k]
		if known && old.CallID == d.CallID && old.CSeq > d.CSeq {
			return nil
		}
		m.devices[k] = d
		if !known {
			m.wake(time.Time{}, m.queuesOf(d.Agent)...)
		}
		return nil
	})
}

// RemoveDevices implements Store.
func (m *Memory) RemoveDevices(_ context.Context, agent, contact string) error {
	return m.change(time.Time{}, func() error {
		maps.DeleteFunc(m.devices, func(k memDevice, _ Device) bool {
			return k.agent == agent && (contact == "" || k.contact == contact)
		})
		return nil
	})
}

// DropDevice implements Store.
func (m *Memory) DropDevice(_ context.Context, d Device) error {
	return m.change(time.Time{}, func() error {
		maps.DeleteFunc(m.devices, func(k memDevice, is Device) bool {
			return k.agent == d.Agent && k.contact == d.Contact && is.CallID == d.CallID && is.CSeq <= d.CSeq
		})
		return nil
	})
}

// Devices implements Store.
func (m *Memory) Devices(_ context.Context, agent string, now time.Time) ([]Device, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var live []Device
	for k, d := range m.devices {
		if (agent == "" || k.agent == agent) && d.Expires.After(now) {
			live = append(live, d)
		}
	}
	slices.SortFunc(live, func(a, b Device) int {
		return cmp.Or(strings.Compare(a.Agent, b.Agent), strings.Compare(a.Contact, b.Contact))
	})
	return live, nil
}
