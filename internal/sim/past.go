package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// Past is a real call, as the ledger has it.
type Past struct {
	Call        call.ID
	Run         routing.Run
	ConnectedAt time.Time // first human conversation; zero: none
	EndedAt     time.Time
	Cause       call.Cause
	Talked      time.Duration
	Facts       []call.Event    // in order; see Wanted
	Agents      []queues.Moment // what agents did about that time, in order; it may be more than is needed
}

// Wanted are the kinds of facts that a dry run reads.
func Wanted() []string {
	kinds := []call.EventType{
		call.Connected, call.Parted, call.Dialled, call.DialResult, call.ParkStep, call.ParkStepResult, call.Parked,
		call.ParkRetrieved, call.QueueJoined, call.QueueLeft,
	}
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = string(k)
	}
	return out
}

// whileCalled is what an agent did at a time beside this call; false if nobody knows.
func (p Past) whileCalled(agent string, at time.Time) (m queues.Moment, known bool) {
	n, _ := slices.BinarySearchFunc(p.Agents, at, func(m queues.Moment, at time.Time) int {
		if m.At.After(at) {
			return 1
		}
		return -1
	})
	for _, m := range slices.Backward(p.Agents[:n]) {
		if m.Agent == agent {
			return m, true
		}
	}
	return m, false
}

// hangup is that of the caller, nothing if they did not.
func (p Past) hangup() (none routing.Told) {
	for _, t := range p.Run.Told {
		if t.Outcome == routing.HangupOutcome {
			return t
		}
	}
	return none
}

// talkedLast is who had talked to the caller before a time, "" if nobody had.
func (p Past) talkedLast(at time.Time) (who string) {
	for _, f := range p.Facts {
		if f.Type == call.Connected && !f.At.After(at) {
			who = cmp.Or(f.Actor.User, "somebody")
		}
	}
	return who
}

// outcome is what came of the past call, in the words of a Result.
func (p Past) outcome(f *routing.Flow) string {
	out := ""
	for _, t := range p.Run.Told {
		out = outcomeOf(f.Type(t.Node), cmp.Or(t.Talked, t.Outcome), out)
	}
	return out
}
