package parking

import (
	"cmp"
	"fmt"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Move is the wish that a parked call waits in another slot.
type Move struct {
	Park string // the one that is to end
	Lot  string // Lot.Name; "" its own lot
	Slot int    // 0: the next free one
	By   call.Actor
	At   time.Time
}

// Moved is the park as it ends by a move into a lot, and the one that goes on
// from there: another slot, the same clock, deadline and ladder, at the same rung.
// The new park has no slot yet unless one was asked for. It says no while somebody
// is taking the call, and to the slot that the call is in.
func (p Park) Moved(to Lot, m Move) (ended, next Park, lapsed []call.Event, err error) {
	switch {
	case p.State == StateEnded, p.State == StateClaimed && p.ClaimUntil.After(m.At):
		return p, p, nil, &NotParkedError{What: "park " + p.ID, Taken: &p}
	case m.Slot != 0 && (m.Slot < to.First || m.Slot > to.Last):
		return p, p, nil, &UnknownSlotError{to.Name, m.Slot}
	case m.Slot == p.Slot && to.Name == p.Lot:
		return p, p, nil, &AlreadyParkedError{p}
	}
	if p.State == StateClaimed {
		lapsed = append(lapsed, p.ClaimLostFact(m.At, "lapsed"))
		p.unclaim()
	}
	next = p
	next.ID, next.Lot, next.Slot, next.Epoch, next.Reservation = call.NewID("park", m.At), to.Name, m.Slot, 0, ""
	ended = p
	ended.State, ended.Reason, ended.EndedBy, ended.EndedAt = StateEnded, Moved, m.By, Moment(m.At)
	return ended, next, lapsed, nil
}

// MovedFacts tell that a park ended by a move, and of the one that goes on.
func MovedFacts(ended, next Park) []call.Event {
	place := func(p Park) map[string]any {
		return map[string]any{"park": p.ID, "lot": p.Lot, "slot": fmt.Sprint(p.Slot)}
	}
	out, in := ended.EndedFact(), next.ParkedFact()
	out.Data["to"] = place(next)
	in.At, in.Actor, in.Age = ended.EndedAt, ended.EndedBy, max(0, ended.EndedAt.Sub(next.ParkedAt))
	in.Data["moved_from"] = place(ended)
	return []call.Event{out, in}
}

// Into is the lot that a park is to be moved to.
func (m Move) Into(p Park) string { return cmp.Or(m.Lot, p.Lot) }

// Noted is a live park with another note.
func (p Park) Noted(note string) (Park, error) {
	if p.State == StateEnded {
		return p, &NotParkedError{What: "park " + p.ID, Taken: &p}
	}
	p.Note = note
	return p, nil
}

// NotedFact tells what is noted of the call now.
func (p Park) NotedFact(by call.Actor, at time.Time) call.Event {
	return p.Fact(call.ParkNoted, at, by, map[string]any{"note": p.Note})
}
