package queues

import (
	"maps"
	"slices"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Refusal says why a call cannot join, as the outcome of the flow's node, "" if
// it can. waiting is how many are in line; agents are those assigned.
//
// Not-responding agents count as away: nobody is there who would pick up.
func Refusal(q Queue, waiting int, agents []Agent) string {
	loggedIn, present := 0, 0
	for _, a := range agents {
		if a.Devices == 0 || a.Status == Offline {
			continue
		}
		loggedIn++
		if a.Status == Available {
			present++
		}
	}
	switch {
	case loggedIn == 0:
		return "no_agents"
	case present == 0:
		return "all_away"
	case q.MaxLen > 0 && waiting >= q.MaxLen:
		return "full"
	default:
		return ""
	}
}

// Rejoin is what an entry takes over when its call joins again: who it is and
// where it is parked, but never its place.
func (e *Entry) Rejoin(again Entry) {
	if again.Park != "" {
		e.Park = again.Park
	}
	if again.Owner != "" {
		e.Owner = again.Owner
	}
	if again.Name != "" {
		e.Name = again.Name
	}
}

// Passed marks that an agent was offered the call and did not take it: at the
// end of Tried, so that the first in it was asked the longest ago.
func (e *Entry) Passed(agent string) {
	e.Tried = slices.DeleteFunc(slices.Clone(e.Tried), func(t string) bool { return t == agent })
	e.Tried = append(e.Tried, agent)
}

// Fact is an event of the entry's ledger.
func (e Entry) Fact(t call.EventType, by call.Actor, at time.Time, data map[string]any) call.Event {
	return call.Event{
		At: at, Call: e.Call, Type: t, Park: e.Park, Queue: e.Queue,
		Actor: by, Age: age(e.JoinedAt, at), Data: data,
	}
}

// Fact is an event of an offer to one agent in its call's ledger.
func (o Offer) Fact(t call.EventType, agent string, at time.Time, data map[string]any) call.Event {
	via := "queue"
	if o.Queue == "" {
		via = "offer"
	}
	all := map[string]any{"offer": o.ID}
	maps.Copy(all, data)
	return call.Event{
		At: at, Call: o.Call, Type: t, Queue: o.Queue,
		Actor: call.Actor{User: agent, Via: via}, Age: age(o.JoinedAt, at), Data: all,
	}
}

// MissFact is the event for an agent's part of an offer that ended without an answer.
func (o Offer) MissFact(agent, why string, at time.Time) call.Event {
	if why == Withdrawn {
		return o.Fact(call.OfferWithdrew, agent, at, nil)
	}
	return o.Fact(call.OfferMissed, agent, at, map[string]any{"why": why})
}

func age(since, at time.Time) time.Duration {
	if since.IsZero() {
		return 0
	}
	return max(0, at.Sub(since))
}

// Possible returns of a decision's offers what can be carried out: entries and
// agents that were passed to it, each at most once. It gives the offers IDs.
func Possible(offers []Offer, waiting []Entry, agents []Agent, now time.Time) []Offer {
	entries := make(map[call.ID]Entry, len(waiting))
	for _, e := range waiting {
		entries[e.Call] = e
	}
	free := make(map[string]bool, len(agents))
	for _, a := range agents {
		free[a.Name] = true
	}
	var possible []Offer
	for _, o := range offers {
		e, ok := entries[o.Call]
		if !ok {
			continue
		}
		var names []string
		for _, a := range o.Agents {
			if free[a] {
				names = append(names, a)
				delete(free, a)
			}
		}
		if len(names) == 0 {
			continue
		}
		delete(entries, o.Call)
		o.ID = call.NewID("ofr", now)
		o.Node, o.Queue, o.JoinedAt, o.Agents = e.Node, e.Queue, e.JoinedAt, names
		possible = append(possible, o)
	}
	return possible
}

// RetryAt is when a Distribute that is due at a time runs: not before, and
// together with others of the same tenth of a second.
func RetryAt(at time.Time) time.Time {
	const grain = 100 * time.Millisecond
	if t := at.Truncate(grain); t.Equal(at) {
		return t.UTC()
	}
	return at.Truncate(grain).Add(grain).UTC()
}
