package parking

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Park is one stay of a call in a slot. A call parked again has a second one.
type Park struct {
	ID     string // "park_…"
	Call   call.ID
	Node   call.NodeID
	Lot    string // Lot.Name
	Slot   int
	Parker string // agent, "" if a flow parked it or the parker is unknown
	Via    string // "flow", "refer", "feature", "rest"
	From   call.Number
	Name   string // the caller's, if known
	Note   string
	Owner  string // the CRM record's owner, if known: an agent
	// Takers are the agents who may take the call unasked; nobody named: everybody.
	// Whoever is offered the call may take it in any case.
	Takers []string
	// Reservation asks Put for the slot that it holds, and for its clock.
	Reservation string

	State    State
	ParkedAt time.Time
	Deadline time.Time // the hard maximum: always set
	Ladder   []Step    // as it was when the call was parked; the last step is terminal
	Next     int       // index of the step due next; len(Ladder) when the last has begun
	NextAt   time.Time // when it is due: always set while the park is live

	Epoch      int // grows with every claim; the fence against claims that have lapsed
	ClaimedBy  call.Actor
	ClaimedAt  time.Time
	ClaimUntil time.Time

	Reason  Reason // once ended
	EndedBy call.Actor
	EndedAt time.Time
}

// State of a park. Ended is terminal; the reason tells how.
type State string

// The states. Offering phones does not change them: an offered call can still be
// claimed by anyone.
const (
	StateParked  State = "parked"
	StateClaimed State = "claimed"
	StateEnded   State = "ended"
)

// Reason is why a park ended: exactly one per park.
type Reason string

// The reasons. Being escalated or timing out is never abandoning.
const (
	RetrievedParker  Reason = "retrieved_parker"
	RetrievedOther   Reason = "retrieved_other"
	RetrievedRecall  Reason = "retrieved_recall"
	RetrievedOffer   Reason = "retrieved_offer"
	RetrievedQueue   Reason = "retrieved_queue"
	Abandoned        Reason = "abandoned"
	AbandonedOutage  Reason = "abandoned_in_outage"
	ExpiredVoicemail Reason = "expired_voicemail"
	ExpiredCallback  Reason = "expired_callback"
	ExpiredTransfer  Reason = "expired_transfer"
	Moved            Reason = "moved"
	Failed           Reason = "failed"
)

// Errors that callers tell apart with errors.Is and errors.As.
type (
	// FullError: no slot of the lot is free. The caller stays with whoever has them.
	FullError struct{ Lot string }
	// OccupiedError: the slot asked for holds another call.
	OccupiedError struct {
		Lot  string
		Slot int
		By   Park
		For  string // who it is reserved for, when nobody is in it
	}
	// NotParkedError: there is nothing (any more) to take. If somebody took it,
	// Taken holds the park as it ended, or as it is claimed.
	NotParkedError struct {
		What  string // "slot 701", "park park_…"
		Taken *Park
	}
	// DeniedError: the call is for others to take.
	DeniedError struct {
		What   string
		Takers []string
	}
	// AlreadyParkedError: the call itself waits in a slot: one call, one slot.
	AlreadyParkedError struct{ In Park }
	// UnknownLotError: no lot has this name.
	UnknownLotError struct{ Lot string }
	// UnknownSlotError: the lot has no such slot.
	UnknownSlotError struct {
		Lot  string
		Slot int
	}
)

func (e *FullError) Error() string { return fmt.Sprintf("lot %s is full", e.Lot) }
func (e *OccupiedError) Error() string {
	if e.For != "" {
		return fmt.Sprintf("slot %d of lot %s is reserved for %s", e.Slot, e.Lot, e.For)
	}
	return fmt.Sprintf("slot %d of lot %s holds a call of %s since %s", e.Slot, e.Lot, e.By.From.Masked(), e.By.ParkedAt.Format(time.TimeOnly))
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("%s: only %s may take this call", e.What, strings.Join(e.Takers, ", "))
}

func (e *AlreadyParkedError) Error() string {
	return fmt.Sprintf("call %s is parked already, in slot %d of lot %s", e.In.Call, e.In.Slot, e.In.Lot)
}
func (e *UnknownLotError) Error() string { return fmt.Sprintf("there is no lot %q", e.Lot) }
func (e *UnknownSlotError) Error() string {
	return fmt.Sprintf("lot %s has no slot %d", e.Lot, e.Slot)
}

func (e *NotParkedError) Error() string {
	switch {
	case e.Taken == nil:
		return e.What + ": no call is parked there"
	case e.Taken.State == StateClaimed:
		return fmt.Sprintf("%s: being taken by %s since %s", e.What, e.Taken.ClaimedBy.User, e.Taken.ClaimedAt.Format(time.TimeOnly))
	default:
		return fmt.Sprintf("%s: %s by %s at %s", e.What, e.Taken.Reason, e.Taken.EndedBy.User, e.Taken.EndedAt.Format(time.TimeOnly))
	}
}

// MayTake tells whether somebody may take the call: everybody, unless it is for
// some; and whoever it was offered to, by its ladder or a queue.
func (p Park) MayTake(by call.Actor) bool {
	return len(p.Takers) == 0 || by.Via == "offer" || by.Via == "recall" || by.Via == "queue" || slices.Contains(p.Takers, by.User)
}

// StepDue is the job that runs when a step of a park's ladder is due. Done
// twice, or late, it does nothing: Store.Advance lets each step begin once.
type StepDue struct {
	Park string `json:"park" river:"unique"`
	Step int    `json:"step" river:"unique"`
	// Round counts the repeats of a reminder, so that the next one is a job of its
	// own while this one still runs.
	Round int `json:"round" river:"unique"`
}

// Kind names the job.
func (StepDue) Kind() string { return "park_step" }
