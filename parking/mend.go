package parking

import (
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Mend proves the invariants of one live park: given whether the job of its next
// step is pending and when its call ended (zero if it has not), it returns what
// is wrong, the park as it should be and the events that tell of it. An ended
// park's own event is not among them. The job is to be made pending by whoever
// calls.
func (p Park) Mend(pending bool, callEnded time.Time, now time.Time) ([]Fault, Park, []call.Event) {
	var (
		found  []Fault
		events []call.Event
	)
	fault := func(what, repair string) { found = append(found, Fault{Park: p.ID, What: what, Repair: repair}) }
	if p.State == StateEnded {
		return nil, p, nil
	}
	if !callEnded.IsZero() && !callEnded.Add(CallEndGrace).After(now) {
		fault("call_ended", "closed as "+string(AbandonedOutage))
		p.State, p.Reason, p.EndedAt, p.EndedBy = StateEnded, AbandonedOutage, Moment(callEnded), call.Actor{Via: "check"}
		return found, p, nil
	}
	if p.State == StateClaimed && !p.ClaimUntil.After(now) {
		fault("claim_lapsed", "parked again")
		events = append(events, p.ClaimLostFact(now, "lapsed"))
		p.unclaim()
	}
	if armed, ok := p.Rearm(Moment(now)); ok {
		fault("no_deadline", "terminal step enqueued again")
		p = armed
	} else if !pending && p.Next < len(p.Ladder) {
		fault("no_pending_step", "step enqueued again")
	}
	return found, p, events
}

// Released is the park after the claim of that epoch was given up; ok is false
// when there is no such claim (any more).
func (p Park) Released(epoch int) (_ Park, ok bool) {
	if p.State != StateClaimed || p.Epoch != epoch {
		return p, false
	}
	p.unclaim()
	return p, true
}

// unclaim parks the call again. The epoch stays: the claim that ended is known
// by it.
func (p *Park) unclaim() {
	p.State, p.ClaimedBy, p.ClaimedAt, p.ClaimUntil = StateParked, call.Actor{}, time.Time{}, time.Time{}
}
