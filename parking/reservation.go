package parking

import (
	"errors"
	"fmt"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Reservation holds a slot for somebody who is about to park a call in it: they
// have called the lot and been told the number, and are going to transfer the
// caller there (attended park). Nobody else is given the slot meanwhile.
type Reservation struct {
	ID    string  // "rsv_…"
	Call  call.ID // that of the parker to the lot
	Lot   string  // Lot.Name
	Slot  int
	By    call.Actor
	At    time.Time // the clock of the park that follows
	Until time.Time // then the slot is anybody's, whether given up or not
}

// NotReservedError: the slot is not, or no longer, held by that reservation.
type NotReservedError struct{ Reservation string }

func (e *NotReservedError) Error() string {
	return fmt.Sprintf("the slot is no longer reserved (%s)", e.Reservation)
}

// Admit is the reservation as it starts: with an ID and, unless it says
// otherwise, for as long as the lot reserves slots.
func (r Reservation) Admit(l Lot) (Reservation, error) {
	if r.Call == "" || r.At.IsZero() {
		return r, errors.New("a reservation needs a call and the time it was made at")
	}
	if r.Slot != 0 && (r.Slot < l.First || r.Slot > l.Last) {
		return r, &UnknownSlotError{l.Name, r.Slot}
	}
	if r.ID == "" {
		r.ID = call.NewID("rsv", r.At)
	}
	if r.Until.IsZero() {
		r.Until = r.At.Add(l.Reserve)
	}
	r.At, r.Until = Moment(r.At), Moment(r.Until)
	return r, nil
}

// LeftFault is what is wrong with a reservation whose time has been over for as
// long as its holder could need to give it up: they died.
func (r Reservation) LeftFault() Fault {
	return Fault{What: "reservation_left", Repair: fmt.Sprintf("slot %d of %s given up (%s)", r.Slot, r.Lot, r.ID)}
}

// Into is the park that takes the reservation's slot, with the clock of the
// reservation: the caller has been waiting since.
func (p Park) Into(r Reservation) Park {
	if !p.Deadline.IsZero() {
		p.Deadline = p.Deadline.Add(r.At.Sub(p.ParkedAt))
	}
	p.Slot, p.ParkedAt = r.Slot, r.At
	return p
}

// MadeFact tells that a slot is held.
func (r Reservation) MadeFact() call.Event {
	return r.fact(call.ParkReserved, r.At, map[string]any{"reservation": r.ID, "until": r.Until.UTC().Format(time.RFC3339Nano)})
}

// LapsedFact tells that nobody was parked in it.
func (r Reservation) LapsedFact(why string, at time.Time) call.Event {
	return r.fact(call.ParkReservationLapsed, at, map[string]any{"reservation": r.ID, "why": why})
}

func (r Reservation) fact(kind call.EventType, at time.Time, data map[string]any) call.Event {
	return call.Event{
		At: at, Call: r.Call, Type: kind, Lot: r.Lot, Slot: fmt.Sprint(r.Slot), Actor: r.By, Age: max(0, at.Sub(r.At)), Data: data,
	}
}
