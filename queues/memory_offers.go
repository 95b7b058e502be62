package queues

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
)

func (m *Memory) sortedOffers() []*Offer {
	var all []*Offer
	for _, o := range m.offers {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *Offer) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// withdraw ends an offer that nobody answered: its agents are free again.
func (m *Memory) withdraw(o *Offer, now time.Time) {
	delete(m.offers, o.ID)
	for _, name := range o.Agents {
		m.agents[name].Rest(now)
		m.note(o.MissFact(name, Withdrawn, now))
	}
	m.wake(time.Time{}, m.queuesOf(o.Agents...)...)
}

// Decide implements Store.
func (m *Memory) Decide(_ context.Context, queue string, now time.Time, f func(Queue, []Entry, []Agent, time.Time) []Offer) ([]Offer, error) {
	var made []Offer
	err := m.change(now, func() error {
		q, ok := m.queues[queue]
		if !ok {
			return &UnknownError{"queue", queue}
		}
		q.round++
		clear(q.asked)
		waiting := slices.DeleteFunc(m.waiting(queue), func(e Entry) bool {
			return slices.ContainsFunc(m.sortedOffers(), func(o *Offer) bool { return o.Call == e.Call && o.Queue == queue })
		})
		free := slices.DeleteFunc(m.assigned(q.Queue, now), func(a Agent) bool { return !a.Reachable(false) })
		made = Possible(f(q.copy(), waiting, free, now), waiting, free, now)
		for _, o := range made {
			m.make(o, now)
			m.jobs = append(m.jobs, job.Job{Args: Ring{Offer: o.ID}, Queue: job.OfNode(string(o.Node))})
		}
		return nil
	})
	return made, err
}

func (m *Memory) make(o Offer, now time.Time) {
	stored := o
	stored.Agents = slices.Clone(o.Agents)
	m.offers[o.ID] = &stored
	for _, name := range o.Agents {
		m.agents[name].Reserve(o.Call, now)
		m.note(o.Fact(call.OfferMade, name, now, nil))
	}
}

// Reserve implements Store.
func (m *Memory) Reserve(_ context.Context, o Offer, whoever bool) (Offer, error) {
	err := m.change(o.At, func() error {
		if o.ID == "" {
			o.ID = call.NewID("ofr", o.At)
		}
		var got []string
		for _, name := range o.Agents {
			if a := m.agents[name]; a != nil && a.Reachable(whoever) && !slices.Contains(got, name) {
				got = append(got, name)
			}
		}
		if o.Agents = got; len(got) > 0 {
			m.make(o, o.At)
		}
		return nil
	})
	return o, err
}

// Offer implements Store.
func (m *Memory) Offer(_ context.Context, id string) (Offer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.offers[id]
	if !ok {
		return Offer{}, &TooLateError{id}
	}
	c := *o
	c.Agents = slices.Clone(o.Agents)
	return c, nil
}

func (m *Memory) offerTo(agent string) *Offer {
	for _, o := range m.offers {
		if slices.Contains(o.Agents, agent) {
			return o
		}
	}
	return nil
}

// Rang implements Store.
func (m *Memory) Rang(_ context.Context, offer, agent string, now time.Time) error {
	return m.change(now, func() error {
		o, ok := m.offers[offer]
		if !ok || !slices.Contains(o.Agents, agent) {
			return &TooLateError{offer}
		}
		m.agents[agent].Ring(now)
		return nil
	})
}

// Answer implements Store.
func (m *Memory) Answer(_ context.Context, offer, agent string, now time.Time) error {
	return m.change(now, func() error {
		o, ok := m.offers[offer]
		if !ok || !slices.Contains(o.Agents, agent) {
			return &TooLateError{offer}
		}
		m.note(o.Fact(call.OfferAnswered, agent, now, nil))
		m.agents[agent].Talk(o.Call, now)
		o.Agents = without(o.Agents, agent)
		m.withdraw(o, now)
		if o.Queue != "" {
			m.leave(o.Call, o.Queue, map[string]any{"outcome": "answered"}, call.Actor{User: agent, Via: "queue"}, now)
		}
		return nil
	})
}

// Miss implements Store.
func (m *Memory) Miss(_ context.Context, offer, agent, why string, now time.Time) error {
	return m.change(now, func() error {
		if o, ok := m.offers[offer]; ok && slices.Contains(o.Agents, agent) {
			m.miss(o, m.agents[agent], why, now)
		}
		return nil
	})
}

func (m *Memory) miss(o *Offer, a *Agent, why string, now time.Time) {
	o.Agents = without(o.Agents, a.Name)
	m.note(o.MissFact(a.Name, why, now))
	if a.Miss(why, now) {
		m.jobs = append(m.jobs, job.Job{
			Args: ForgiveAgent{Agent: a.Name, Since: now}, At: now.Add(Forgiveness), Queue: job.Dispatch, Unique: true,
		})
	}
	again := now.Add(DefaultRetry)
	wake := m.queuesOf(a.Name)
	if why == Withdrawn {
		m.wake(time.Time{}, m.queuesOf(a.Name)...)
	}
	if e := m.entry(o.Call, o.Queue); e != nil {
		again = now.Add(m.queues[o.Queue].Retry)
		if why != Withdrawn {
			e.Passed(a.Name)
		}
		if len(o.Agents) == 0 {
			e.NextAt = again
			wake = append(wake, o.Queue)
		}
	}
	if len(o.Agents) == 0 {
		delete(m.offers, o.ID)
	}
	m.wake(again, wake...)
}

// Check implements Store.
func (m *Memory) Check(_ context.Context, now time.Time) ([]string, error) {
	var mended []string
	err := m.change(now, func() error {
		over := func(c call.ID) bool {
			at, ok := m.ended[c]
			return ok && !at.Add(CheckGrace).After(now)
		}
		for _, o := range m.sortedOffers() {
			if !o.Until.After(now) || over(o.Call) {
				m.withdraw(o, now)
				m.wake(time.Time{}, o.Queue)
				mended = append(mended, fmt.Sprintf("offer %s of %s was past its time: withdrawn", o.ID, o.Call))
			}
		}
		for _, e := range m.waiting("") {
			if over(e.Call) {
				m.leave(e.Call, e.Queue, map[string]any{"outcome": OutcomeEnded}, call.Actor{}, now)
				mended = append(mended, fmt.Sprintf("%s waited in %s after its end: removed", e.Call, e.Queue))
			}
		}
		for _, a := range m.agents {
			held := a.State == Reserved || a.State == Ringing
			if held && m.offerTo(a.Name) == nil || a.State == Talking && over(a.Call) {
				mended = append(mended, fmt.Sprintf("agent %s was %s without a call: idle", a.Name, a.State))
				if a.State == Talking {
					a.Hangup(a.Call, 0, now)
				}
				a.Rest(now)
				m.wake(time.Time{}, m.queuesOf(a.Name)...)
			}
		}
		for k, d := range m.devices {
			if !d.Expires.After(now) {
				delete(m.devices, k)
			}
		}
		for name, q := range m.queues {
			if slices.ContainsFunc(m.assigned(q.Queue, now), func(a Agent) bool { return a.Free() }) {
				m.wake(time.Time{}, name)
			}
		}
		return nil
	})
	slices.Sort(mended)
	return mended, err
}
