package parking

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Store keeps lots and parks. Each method is one transaction: the change, its
// ledger events and its jobs are written together or not at all. Times are
// given, never taken from the database's clock.
//
// The store is the one writer of the park.* facts.
type Store interface {
	Lot(ctx context.Context, name string) (Lot, error) // *UnknownLotError
	Lots(ctx context.Context) ([]Lot, error)
	SaveLot(ctx context.Context, l Lot) error // by name; creates, changes or removes slots. A slot in use cannot be removed: ErrInUse
	DeleteLot(ctx context.Context, name string) error

	// Put gives the call a slot: p.Slot, or when that is zero the next one, free
	// and cool slots first. It fills in ID, State and Slot, notes park.parked and
	// enqueues StepDue for the first step on the node of the call. The ladder is
	// made whole (Climb); a nil ladder and a zero Deadline are the lot's. With
	// p.Reservation it is that slot and that clock, or *NotReservedError.
	// *FullError, *OccupiedError, *AlreadyParkedError, *UnknownLotError,
	// *UnknownSlotError; a refusal is noted as park.refused.
	Put(ctx context.Context, p Park) (Park, error)

	// Reserve holds a slot, r.Slot or the next one, until r.Until (or as long as the
	// lot says). It fills in ID and Slot and notes park.reserved. It need not
	// survive a crash. *FullError, *OccupiedError, *UnknownLotError, *UnknownSlotError.
	Reserve(ctx context.Context, r Reservation) (Reservation, error)
	// Unreserve gives a slot up that nobody was parked in: it cools down, and
	// park.reservation_lapsed is noted. Of a reservation that is over already
	// nothing is said.
	Unreserve(ctx context.Context, id, why string, at time.Time) error

	// Reservations are those of a lot that hold at a time, by slot.
	Reservations(ctx context.Context, lot string, at time.Time) ([]Reservation, error)

	// Claim takes a park softly for by, until now+lot.Claim: of any number of
	// simultaneous claimers one succeeds, the others get *NotParkedError with who
	// was quicker (an empty slot remembers that for a while, see Remembered). A
	// lapsed claim can be taken over. It need not survive a crash.
	Claim(ctx context.Context, t Target, by call.Actor, now time.Time) (Park, error)
	// Extend moves the end of a claim that still holds. *NotParkedError otherwise.
	Extend(ctx context.Context, id string, epoch int, until time.Time) error
	// Release gives a claim up: the call is parked again with its original clock.
	// A claim that was superseded, or mended away after it lapsed, is left alone,
	// without error.
	Release(ctx context.Context, id string, epoch int, why string, at time.Time) (Park, error)

	// End writes the terminal reason, once: the park must be live and, when epoch
	// is not zero, still claimed with that epoch. It frees the slot (which then
	// cools down), cancels the pending job, and notes the event that belongs to
	// the reason, with the park's age at the given time. *NotParkedError if it has ended.
	End(ctx context.Context, id string, epoch int, reason Reason, by call.Actor, at time.Time) (Park, error)

	// Move has a call wait in another slot: its park ends as moved, and another one
	// goes on with the same clock, deadline and ladder, the pending step included. Of
	// a move and a claim at the same moment one succeeds: *NotParkedError tells who
	// has, or had, the call. *FullError, *OccupiedError, *AlreadyParkedError (in that
	// very slot), *UnknownLotError, *UnknownSlotError; a refusal changes nothing.
	Move(ctx context.Context, m Move) (Park, error)
	// Annotate changes what is noted of a live park. *NotParkedError.
	Annotate(ctx context.Context, id, note string, by call.Actor, at time.Time) (Park, error)

	// Advance begins step n if it is the park's next: it notes step_started (or,
	// when a reminder repeats, reminded), moves Next and NextAt and enqueues the
	// following StepDue, in one transaction. ok is false, without error, if the
	// step has begun already or the park has ended. Overdue steps collapse: when
	// later steps are also due at now, the latest of them begins, be it the
	// terminal one, and the ones before are noted as step_result "collapsed".
	Advance(ctx context.Context, id string, n int, now time.Time) (p Park, begun int, ok bool, err error)
	// StepResult notes what came of a step ("answered", "no_answer", "no_parker", "joined", …).
	StepResult(ctx context.Context, id string, n int, result string, data map[string]any, at time.Time) error

	// Adopt takes a live park over after a restart, or from a node that died: the
	// pending step is moved to the queue of node, and park.recovered noted. The
	// park keeps slot, clock and claim. *NotParkedError if it has ended.
	Adopt(ctx context.Context, id string, node call.NodeID, at time.Time) (Park, error)

	// Live lists parks that have not ended, oldest first, those of one moment by id.
	Live(ctx context.Context, f Filter) ([]Park, error)
	Park(ctx context.Context, id string) (Park, error) // ended ones too; *NotParkedError

	// Check proves the invariants (every live park has a future deadline and a
	// pending step, one call per slot, no live park of an ended call), repairs
	// what it finds and reports it.
	Check(ctx context.Context, now time.Time) ([]Fault, error)
}

// Target is what is to be claimed: a park by its ID, or whatever is in a slot.
type Target struct {
	Park string
	Lot  string // with Slot
	Slot int
}

// String says what is to be claimed, for errors.
func (t Target) String() string {
	if t.Park != "" {
		return "park " + t.Park
	}
	return fmt.Sprintf("slot %d", t.Slot)
}

// Remembered is how long an empty slot knows who had its last call.
const Remembered = 5 * time.Minute

// Filter narrows Live; zero fields match everything.
type Filter struct {
	Lot  string
	Node call.NodeID
	Call call.ID

	Limit int  // at most so many
	After Mark // those that come behind it
}

// Mark is a place in the order of Live: right behind a park, whether that is
// still live or not.
type Mark struct {
	ParkedAt time.Time
	Park     string // its ID
}

// Mark is the place right behind p.
func (p Park) Mark() Mark { return Mark{Moment(p.ParkedAt), p.ID} }

// Compare is by age, then by id.
func (m Mark) Compare(n Mark) int {
	return cmp.Or(m.ParkedAt.Compare(n.ParkedAt), cmp.Compare(m.Park, n.Park))
}

// CallEndGrace is how long the end of a call may be ahead of the end of its park
// before Check closes the park as abandoned_in_outage.
const CallEndGrace = 5 * time.Second

// Fault is a broken invariant that Check found and mended.
type Fault struct {
	Park   string
	What   string // "no_deadline", "no_pending_step", "call_ended", "claim_lapsed", "slot_lost", "reservation_left"
	Repair string
}
