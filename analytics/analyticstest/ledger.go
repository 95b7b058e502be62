// Package analyticstest makes up ledgers, with the figures that a report of
// them must show.
package analyticstest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/callyard/callyard/analytics"
	"github.com/callyard/callyard/internal/call"
)

// Ledger is what happened to some calls, and what is true of those who were
// offered or parked in the window.
type Ledger struct {
	Window analytics.Window
	Calls  [][]call.Event // each in its order

	Attempts, Waiting int
	Outcomes          map[string]int
	Shortest, Longest time.Duration // of the retrieved attempts
	Offered, Answered int
}

var ends = map[string]call.EventType{
	"retrieved_parker": call.ParkRetrieved, "retrieved_other": call.ParkRetrieved, "retrieved_recall": call.ParkRetrieved,
	"retrieved_offer": call.ParkRetrieved, "retrieved_queue": call.ParkRetrieved,
	"abandoned": call.ParkAbandoned, "abandoned_in_outage": call.ParkAbandoned,
	"expired_voicemail": call.ParkExpired, "expired_callback": call.ParkExpired, "expired_transfer": call.ParkExpired,
	"moved": call.ParkMoved, "failed": call.ParkFailed,
}

// Random makes up n calls over three hours, the middle one of which is the
// window. A call is parked up to three times; some still wait.
func Random(rng *rand.Rand, n int) Ledger {
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	l := Ledger{
		Window:   analytics.Window{From: start.Add(time.Hour), To: start.Add(2 * time.Hour)},
		Outcomes: map[string]int{}, Shortest: 1 << 62,
	}
	for _, r := range analytics.Reasons {
		l.Outcomes[r] = 0
	}
	for i := range n {
		l.Calls = append(l.Calls, l.call(rng, i, start.Add(millis(rng, 3*time.Hour))))
	}
	if l.Longest == 0 {
		l.Shortest = 0
	}
	return l
}

func (l *Ledger) call(rng *rand.Rand, i int, at time.Time) []call.Event {
	id := call.ID(fmt.Sprintf("call_%04d", i))
	var events []call.Event
	note := func(e call.Event) {
		e.Call, e.At, e.Seq = id, at, len(events)+1
		events = append(events, e)
	}
	in := func() bool { return !at.Before(l.Window.From) && at.Before(l.Window.To) }
	inbound, offeredIn, talked := rng.IntN(10) > 0, in(), false
	offered := call.Event{Type: call.Offered, Actor: call.Actor{Via: "trunk"}}
	if !inbound {
		offered.Actor = call.Actor{User: "ann", Via: "phone"}
	}
	note(offered)
	note(call.Event{Type: call.FlowStarted, Flow: pick(rng, "day", "night"), Version: 1})
	for k := range rng.IntN(4) {
		at = at.Add(millis(rng, 20*time.Second))
		park, lot, parked, counts := fmt.Sprintf("park_%04d_%d", i, k), pick(rng, "sales", "service"), at, in()
		if counts {
			l.Attempts++
		}
		note(call.Event{Type: call.Parked, Park: park, Lot: lot, Actor: call.Actor{User: pick(rng, "", "ann", "bob"), Via: "refer"}})
		for step := range rng.IntN(4) {
			at = at.Add(millis(rng, 30*time.Second))
			note(call.Event{Type: call.ParkStep, Park: park, Lot: lot, Age: at.Sub(parked), Data: map[string]any{"step": step, "do": pick(rng, "remind", "recall")}})
		}
		if rng.IntN(12) == 0 { // still waiting
			if counts {
				l.Waiting++
			}
			l.count(inbound && offeredIn, talked)
			return events
		}
		at = at.Add(millis(rng, 40*time.Minute))
		reason := analytics.Reasons[rng.IntN(len(analytics.Reasons))]
		e := call.Event{Type: ends[reason], Park: park, Lot: lot, Age: at.Sub(parked), Data: map[string]any{"reason": reason}}
		if e.Type == call.ParkRetrieved {
			e.Actor = call.Actor{User: pick(rng, "ann", "bob", "cat"), Via: "dial"}
		}
		note(e)
		if e.Type == call.ParkRetrieved {
			talked = true
			note(call.Event{Type: call.Connected, Actor: e.Actor})
		}
		if !counts {
			continue
		}
		l.Outcomes[reason]++
		if e.Type == call.ParkRetrieved {
			l.Shortest, l.Longest = min(l.Shortest, e.Age), max(l.Longest, e.Age)
		}
	}
	at = at.Add(millis(rng, time.Minute))
	note(call.Event{Type: call.Ended, Cause: call.Normal, Data: map[string]any{"outcome": pick(rng, "abandoned", "voicemail", "failed")}})
	l.count(inbound && offeredIn, talked)
	return events
}

func (l *Ledger) count(offered, talked bool) {
	if offered {
		l.Offered++
		if talked {
			l.Answered++
		}
	}
}

// millis is a random time of at least a millisecond, in whole ones as the
// ledger keeps ages.
func millis(rng *rand.Rand, below time.Duration) time.Duration {
	return time.Duration(1+rng.Int64N(below.Milliseconds())) * time.Millisecond
}

func pick(rng *rand.Rand, of ...string) string { return of[rng.IntN(len(of))] }
