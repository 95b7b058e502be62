package queues

import (
	"fmt"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// How the hub deals with agents who do not pick up.
const (
	MissLimit   = 3                 // unanswered offers in a row until not_responding
	Forgiveness = 300 * time.Second // until a not-responding agent is asked again
)

// Why an agent's part of an offer ended without an answer. See Store.Miss.
const (
	NoAnswer    = "no_answer"
	BusyPhone   = "busy"
	Rejected    = "rejected"
	Unreachable = "unreachable"
	Withdrawn   = "withdrawn"
)

// The changes below are the whole life of an agent. They are what stores apply
// under their lock; nobody else calls them.

// Free reports whether a queue may offer the agent a call.
func (a *Agent) Free() bool { return a.Reachable(false) && a.Devices > 0 }

// Reachable reports whether the agent may be reserved: idle, and available
// unless whoever.
func (a *Agent) Reachable(whoever bool) bool {
	return a.State == Idle && (whoever || a.Status == Available)
}

// Unwilling says in words why the agent is not asked; "" if they can be.
func (a *Agent) Unwilling(whoever bool) string {
	at := func(t time.Time) string { return " since " + t.UTC().Format(time.RFC3339) }
	switch a.State {
	case Talking:
		return "talking" + at(a.Since)
	case Reserved, Ringing:
		return "being rung for another call"
	case WrapUp:
		return "in wrap-up" + at(a.Since)
	case Idle:
	}
	switch {
	case whoever || a.Status == Available:
	case a.Reason != "":
		return string(a.Status) + at(a.StatusSince) + ": " + a.Reason
	default:
		return string(a.Status) + at(a.StatusSince)
	}
	if a.Devices == 0 {
		return "no phone registered"
	}
	return ""
}

// Reserve holds the agent for an offer.
func (a *Agent) Reserve(c call.ID, now time.Time) { a.become(Reserved, c, now) }

// Ring: the agent's phone rings. An agent who is not reserved stays as they are.
func (a *Agent) Ring(now time.Time) {
	if a.State == Reserved {
		a.become(Ringing, a.Call, now)
	}
}

// Rest makes the agent idle after an offer or a call that came to nothing.
func (a *Agent) Rest(now time.Time) { a.become(Idle, "", now) }

// Miss ends the agent's part of an offer. It reports whether the hub now takes
// them for not responding.
func (a *Agent) Miss(why string, now time.Time) (gone bool) {
	a.Rest(now)
	if why != NoAnswer {
		return false
	}
	a.Misses++
	if a.Misses < MissLimit || a.Status != Available {
		return false
	}
	a.Status, a.StatusSince = NotResponding, now
	a.Reason = fmt.Sprintf("did not answer %d calls in a row", a.Misses)
	return true
}

// Talk: the agent is in conversation.
func (a *Agent) Talk(c call.ID, now time.Time) {
	a.Misses = 0
	if a.State != Talking || a.Call != c {
		a.become(Talking, c, now)
	}
}

// Hangup ends a conversation; false if the agent is not in it.
func (a *Agent) Hangup(c call.ID, wrapUp time.Duration, now time.Time) bool {
	if a.State != Talking || a.Call != c {
		return false
	}
	a.IdleSince = now
	if wrapUp > 0 {
		a.become(WrapUp, c, now)
	} else {
		a.Rest(now)
	}
	return true
}

// EndWrapUp makes the agent idle; false if it is not the wrap-up that began then.
func (a *Agent) EndWrapUp(since, now time.Time) bool {
	if a.State != WrapUp || !sameTime(a.Since, since) {
		return false
	}
	a.Rest(now)
	return true
}

// Wish sets the status the agent wants.
func (a *Agent) Wish(s Status, reason string, now time.Time) error {
	switch s {
	case Available, Away, Offline:
	case NotResponding:
		return &UnknownError{Kind: "status to wish for", Name: string(s)}
	default:
		return &UnknownError{Kind: "status", Name: string(s)}
	}
	a.Misses = 0
	a.Reason = reason
	if a.Status != s {
		a.Status, a.StatusSince = s, now
	}
	return nil
}

// Forgive brings the agent back; false if they are not in the not_responding
// that began then.
func (a *Agent) Forgive(since, now time.Time) bool {
	if a.Status != NotResponding || !sameTime(a.StatusSince, since) {
		return false
	}
	a.Status, a.StatusSince, a.Reason, a.Misses = Available, now, "", 0
	return true
}

func (a *Agent) become(s State, c call.ID, now time.Time) {
	a.State, a.Call, a.Since = s, c, now
}

// sameTime compares to the microsecond, which is what databases keep.
func sameTime(a, b time.Time) bool {
	return a.Truncate(time.Microsecond).Equal(b.Truncate(time.Microsecond))
}

// New is the agent as first saved: available unless a status is given, since
// they are not asked before a phone registers, and idle.
func (a Agent) New() Agent {
	if a.Status == "" {
		a.Status = Available
	}
	a.State, a.Call, a.Misses, a.Devices = Idle, "", 0, 0
	return a
}
