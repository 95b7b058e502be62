package queues

import (
	"slices"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Amendment is what somebody changes of a call that waits. What is not given stays.
type Amendment struct {
	Priority *int
	First    *bool   // before all others, whatever their priority and however long they have waited; or no longer
	Park     *string // the park that it waits in now; "": none
	Widen    *Pool   // lets more agents in, from now on
}

// Pool is a change of who may be offered a call: what is nil stays as it was.
type Pool struct {
	Tier   *int
	Skills []string
}

// Amended is the entry with what somebody changed, and whether that changed its
// place in line. A call that everybody may be offered is as wide as it gets.
func (e Entry) Amended(a Amendment, now time.Time) (_ Entry, reordered bool) {
	if a.Park != nil {
		e.Park = *a.Park
	}
	if a.Priority != nil {
		reordered = e.Priority != *a.Priority
		e.Priority = *a.Priority
	}
	if a.First != nil {
		at := time.Time{}
		if *a.First {
			at = now.UTC().Truncate(time.Microsecond)
		}
		reordered = reordered || !e.FirstAt.Equal(at)
		e.FirstAt = at
	}
	if a.Widen != nil && len(e.Reach) > 0 {
		in := e.Reach[len(e.Reach)-1]
		in.After = max(in.After, now.Sub(e.JoinedAt))
		if a.Widen.Tier != nil {
			in.Tier = *a.Widen.Tier
		}
		if a.Widen.Skills != nil {
			in.Skills = a.Widen.Skills
		}
		e.Reach = append(slices.Clip(e.Reach), in)
	}
	return e, reordered
}

// Into is the entry as it goes on in another queue: the same caller, clock and
// priority. Who may be offered the call, who was, and that it was put first belongs
// to the queue it leaves.
func (e Entry) Into(queue string) Entry {
	e.Queue, e.Tried, e.NextAt, e.Reach, e.FirstAt = queue, nil, time.Time{}, nil, time.Time{}
	return e
}

// JoinedFact tells that a call is in line; from is the queue that somebody took it
// from, if they did.
func (e Entry) JoinedFact(from string, by call.Actor, at time.Time) call.Event {
	data := map[string]any{"priority": e.Priority}
	if from != "" {
		data["from"] = from
	}
	return e.Fact(call.QueueJoined, by, at, data)
}

// ReorderedFact tells that somebody has changed the call's place in line.
func (e Entry) ReorderedFact(by call.Actor, at time.Time) call.Event {
	return e.Fact(call.QueueReorder, by, at, map[string]any{"priority": e.Priority, "first": !e.FirstAt.IsZero()})
}
