package parking

import (
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// What the stores write to the ledger. It is decided here, so that all stores
// tell the same story.

// Fact is an event about the park, with its age at that time.
func (p Park) Fact(kind call.EventType, at time.Time, by call.Actor, data map[string]any) call.Event {
	e := call.Event{
		At: at, Call: p.Call, Type: kind, Park: p.ID, Lot: p.Lot, Actor: by,
		Age: max(0, at.Sub(p.ParkedAt)), Data: data,
	}
	if p.Slot != 0 {
		e.Slot = strconv.Itoa(p.Slot)
	}
	return e
}

// ParkedFact tells that the call now waits in its slot.
func (p Park) ParkedFact() call.Event {
	return p.Fact(call.Parked, p.ParkedAt, call.Actor{User: p.Parker, Via: p.Via},
		map[string]any{"parker": p.Parker, "via": p.Via, "deadline": p.Deadline.UTC().Format(time.RFC3339Nano)})
}

// RefusedFact tells why a call was not parked.
func (p Park) RefusedFact(why error) call.Event {
	p.ID = "" // there is no such park
	var (
		full    *FullError
		occ     *OccupiedError
		already *AlreadyParkedError
		lot     *UnknownLotError
		slot    *UnknownSlotError
		lapsed  *NotReservedError
		reason  = "failed"
	)
	switch {
	case errors.As(why, &full):
		reason = "full"
	case errors.As(why, &occ):
		reason = "occupied"
	case errors.As(why, &already):
		reason = "already_parked"
	case errors.As(why, &lot):
		reason = "unknown_lot"
	case errors.As(why, &slot):
		reason = "unknown_slot"
	case errors.As(why, &lapsed):
		reason = "not_reserved"
	}
	return p.Fact(call.ParkRefused, p.ParkedAt, call.Actor{User: p.Parker, Via: p.Via}, map[string]any{"reason": reason})
}

// ClaimLostFact tells that a claim came to nothing by itself: it lapsed, or
// lapsed and was taken over.
func (p Park) ClaimLostFact(at time.Time, why string) call.Event {
	return p.Fact(call.ParkClaimLost, at, p.ClaimedBy, map[string]any{"epoch": p.Epoch, "why": why})
}

// ClaimedFact tells who is about to take the call.
func (p Park) ClaimedFact() call.Event {
	return p.Fact(call.ParkClaimed, p.ClaimedAt, p.ClaimedBy,
		map[string]any{"epoch": p.Epoch, "until": p.ClaimUntil.UTC().Format(time.RFC3339Nano)})
}

// ReleasedFact tells that the claimer gave up.
func (p Park) ReleasedFact(at time.Time, why string) call.Event {
	return p.Fact(call.ParkReleased, at, p.ClaimedBy, map[string]any{"epoch": p.Epoch, "why": why})
}

// EndedFact tells how the park ended.
func (p Park) EndedFact() call.Event {
	return p.Fact(p.Reason.Fact(), p.EndedAt, p.EndedBy, map[string]any{"reason": string(p.Reason)})
}

// RecoveredFact tells that another process, or the same one started again, has
// the call.
func (p Park) RecoveredFact(from call.NodeID, at time.Time) call.Event {
	return p.Fact(call.ParkRecovered, at, call.Actor{}, map[string]any{"node": string(p.Node), "from": string(from)})
}

// StepResultFact tells what came of step n.
func (p Park) StepResultFact(n int, result string, data map[string]any, at time.Time) call.Event {
	d := map[string]any{}
	maps.Copy(d, data)
	maps.Copy(d, p.stepData(n))
	d["result"] = result
	return p.Fact(call.ParkStepResult, at, call.Actor{}, d)
}

// Facts are the events of a step that begins.
func (c Climbing) Facts(p Park, at time.Time) []call.Event {
	out := make([]call.Event, 0, len(c.Collapsed)+1)
	for _, n := range c.Collapsed {
		out = append(out, p.StepResultFact(n, "collapsed", nil, at))
	}
	kind, data := call.ParkStep, p.stepData(c.Begin)
	if c.Round > 0 {
		kind = call.ParkReminded
		data["round"] = c.Round
	}
	return append(out, p.Fact(kind, at, call.Actor{}, data))
}

func (p Park) stepData(n int) map[string]any {
	d := map[string]any{"step": n}
	if n < 0 || n >= len(p.Ladder) {
		return d
	}
	s := p.Ladder[n]
	d["do"] = string(s.Do)
	for key, v := range map[string]string{"to": s.To, "queue": s.Queue, "outcome": s.Outcome} {
		if v != "" {
			d[key] = v
		}
	}
	return d
}
