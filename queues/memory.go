package queues

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
)

var _ Store = (*Memory)(nil)

// Memory is a Store that forgets: for simulations and for tests without a
// database. It passes the same suite as the one in Postgres.
type Memory struct {
	// Enqueue and Note, if set before first use, are handed the jobs and ledger
	// events of each change, in order. The store is locked meanwhile: they must
	// not call it.
	Enqueue func(job.Job)
	Note    func(call.Event)

	mu      sync.Mutex
	queues  map[string]*memQueue
	agents  map[string]*Agent
	entries []*Entry // in order of arrival
	offers  map[string]*Offer
	devices map[memDevice]Device
	ended   map[call.ID]time.Time
	moments []Moment          // in order
	last    map[string]Moment // of each agent, without its number
	seen    time.Time         // the latest time given, where a method is given none

	jobs   []job.Job    // of the change being made
	events []call.Event // of the change being made
}

type memQueue struct {
	Queue
	round int64           // grows with each decision
	asked map[string]bool // Distribute jobs of this round, by their time
}

type memDevice struct{ agent, contact string }

// NewMemory makes an empty store.
func NewMemory() *Memory {
	return &Memory{
		queues:  map[string]*memQueue{},
		agents:  map[string]*Agent{},
		offers:  map[string]*Offer{},
		devices: map[memDevice]Device{},
		ended:   map[call.ID]time.Time{},
		last:    map[string]Moment{},
	}
}

// CallEnded tells the store what Postgres reads in the calls table: the call is over.
func (m *Memory) CallEnded(c call.ID, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended[c] = at
}

// change runs f alone and hands on what it enqueued and noted. An f that fails
// has changed nothing yet.
func (m *Memory) change(now time.Time, f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.After(m.seen) {
		m.seen = now
	}
	err := f()
	jobs, events := m.jobs, m.events
	m.jobs, m.events = nil, nil
	if err != nil {
		return err
	}
	m.remember()
	for _, e := range events {
		if m.Note != nil {
			m.Note(e)
		}
	}
	for _, j := range jobs {
		if m.Enqueue != nil {
			m.Enqueue(j)
		}
	}
	return nil
}

func (m *Memory) note(e ...call.Event) { m.events = append(m.events, e...) }

// wake enqueues Distribute for those of the queues where somebody waits; at
// zero means at once.
func (m *Memory) wake(at time.Time, names ...string) {
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		q := m.queues[name]
		if q == nil || !slices.ContainsFunc(m.entries, func(e *Entry) bool { return e.Queue == name }) {
			continue
		}
		d := Distribute{Queue: name, Round: q.round, At: at}
		if !at.IsZero() {
			d.At = RetryAt(at)
		}
		key := d.At.Format(time.RFC3339Nano)
		if !q.asked[key] {
			q.asked[key] = true
			m.jobs = append(m.jobs, job.Job{Args: d, At: d.At, Queue: job.Dispatch, Unique: true})
		}
	}
}

// queuesOf are the queues the agents serve.
func (m *Memory) queuesOf(agents ...string) []string {
	var names []string
	for name, q := range m.queues {
		if slices.ContainsFunc(q.Agents, func(a Assignment) bool { return slices.Contains(agents, a.Agent) }) {
			names = append(names, name)
		}
	}
	return names
}

// agent is a copy with its devices counted.
func (m *Memory) agent(name string, now time.Time) (Agent, bool) {
	a, ok := m.agents[name]
	if !ok {
		return Agent{}, false
	}
	c := *a
	c.Devices = 0
	for k, d := range m.devices {
		if k.agent == name && d.Expires.After(now) {
			c.Devices++
		}
	}
	return c, true
}

func (m *Memory) assigned(q Queue, now time.Time) []Agent {
	var agents []Agent
	for _, as := range q.Agents {
		if a, ok := m.agent(as.Agent, now); ok {
			agents = append(agents, a)
		}
	}
	return agents
}

// Queue implements Store.
func (m *Memory) Queue(_ context.Context, name string) (Queue, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	q, ok := m.queues[name]
	if !ok {
		return Queue{}, &UnknownError{"queue", name}
	}
	return q.copy(), nil
}

func (q *memQueue) copy() Queue {
	c := q.Queue
	c.Agents = slices.Clone(c.Agents)
	return c
}

// Queues implements Store.
func (m *Memory) Queues(context.Context) ([]Queue, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Queue
	for _, name := range slices.Sorted(maps.Keys(m.queues)) {
		all = append(all, m.queues[name].copy())
	}
	return all, nil
}

// SaveQueue implements Store.
func (m *Memory) SaveQueue(_ context.Context, q Queue) error {
	q = q.WithDefaults()
	if err := q.Validate(); err != nil {
		return err
	}
	return m.change(time.Time{}, func() error {
		for _, a := range q.Agents {
			if m.agents[a.Agent] == nil {
				return &UnknownError{"agent", a.Agent}
			}
		}
		old, ok := m.queues[q.Name]
		if !ok {
			old = &memQueue{asked: map[string]bool{}}
			old.ID = cmp.Or(q.ID, call.NewID("que", time.Unix(0, 0)))
		}
		q.ID = old.ID
		q.Agents = slices.Clone(q.Agents)
		SortAssignments(q.Agents)
		old.Queue = q
		m.queues[q.Name] = old
		m.wake(time.Time{}, q.Name)
		return nil
	})
}

// SortAssignments puts agents in the order they are asked, other things being equal.
func SortAssignments(a []Assignment) {
	slices.SortFunc(a, func(a, b Assignment) int {
		return cmp.Or(cmp.Compare(a.Tier, b.Tier), cmp.Compare(a.Order, b.Order), strings.Compare(a.Agent, b.Agent))
	})
}

// DeleteQueue implements Store.
func (m *Memory) DeleteQueue(_ context.Context, name string) error {
	return m.change(time.Time{}, func() error {
		if m.queues[name] == nil {
			return &UnknownError{"queue", name}
		}
		if n := m.waitingIn(name); n > 0 {
			return &InUseError{name, n}
		}
		delete(m.queues, name)
		return nil
	})
}

func (m *Memory) waitingIn(queue string) (n int) {
	for _, e := range m.entries {
		if e.Queue == queue {
			n++
		}
	}
	return n
}
