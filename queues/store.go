package queues

import (
	"context"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Store keeps queues, agents, entries and offers. Each method is one
// transaction with its ledger events (queue.*, offer.*) and jobs. Times are given.
type Store interface {
	Queue(ctx context.Context, name string) (Queue, error)
	Queues(ctx context.Context) ([]Queue, error)
	SaveQueue(ctx context.Context, q Queue) error
	DeleteQueue(ctx context.Context, name string) error // *InUseError while calls wait in it
	Agent(ctx context.Context, name string) (Agent, error)
	Agents(ctx context.Context) ([]Agent, error)
	SaveAgent(ctx context.Context, a Agent) error // keeps status, state and, if HA1 is empty, the password
	DeleteAgent(ctx context.Context, name string) error

	// Join puts a call in line and enqueues Distribute. *RefusedError. Joining
	// again while waiting in the same queue is no error and keeps the place.
	Join(ctx context.Context, e Entry, now time.Time) error
	// Leave takes the call out of line; outcome is noted ("answered", "abandoned",
	// "timeout", "retrieved", …). Not being in line is no error. An open offer of
	// the queue for the call is withdrawn.
	Leave(ctx context.Context, c call.ID, queue, outcome string, by call.Actor, now time.Time) error
	// Amend changes what is known of a waiting call: its place in line (noted as
	// queue.reordered), the park it waits in, and who may be offered it, which the
	// queue decides anew. *NotWaitingError.
	Amend(ctx context.Context, c call.ID, queue string, a Amendment, by call.Actor, now time.Time) (Entry, error)
	// Switch has a waiting call wait in another queue with the same clock, by the
	// rules of Join; an open offer is withdrawn. A refusal changes nothing. Waiting there
	// already is no error, so that it can be repeated. *NotWaitingError, *RefusedError,
	// *UnknownError.
	Switch(ctx context.Context, c call.ID, from, to string, by call.Actor, now time.Time) (Entry, error)
	Waiting(ctx context.Context, queue string) ([]Entry, error) // "" for all, first in line first

	// Decide locks the queue and the agents who could serve it, runs f, and writes
	// its offers: agents idle → reserved, offers stored, entries marked, a Ring job
	// on each call's node. Agents reserved elsewhere meanwhile are not passed to f.
	Decide(ctx context.Context, queue string, now time.Time, f func(Queue, []Entry, []Agent, time.Time) []Offer) ([]Offer, error)
	// Reserve makes an offer outside any queue (a flow's dial, a park's recall or
	// offer step): of the agents named those who are idle (and available, unless
	// whoever) are reserved. The offer holds whom it got; nobody is no error.
	Reserve(ctx context.Context, o Offer, whoever bool) (Offer, error)
	Offer(ctx context.Context, id string) (Offer, error) // *TooLateError when it is over

	// Rang moves the agent reserved → ringing. *TooLateError
	Rang(ctx context.Context, offer, agent string, now time.Time) error
	// Answer settles an offer for one agent: talking; the other agents are idle
	// again. The entry leaves its queue. *TooLateError
	Answer(ctx context.Context, offer, agent string, now time.Time) error
	// Miss ends an agent's part of an offer. why: "no_answer" counts as a miss
	// (three in a row: not_responding), "busy", "rejected", "unreachable" and
	// "withdrawn" do not. When nobody is left in a queue's offer the entry may be
	// offered again after the queue's Retry: a Distribute job then. Harmless when late.
	Miss(ctx context.Context, offer, agent, why string, now time.Time) error

	// Talk marks an agent talking on a call that came to them without an offer
	// (they dialled a slot, or were dialled directly). Free ends it: wrap-up when
	// wrapUp > 0 with its job, else idle, and Distribute for their queues. Both
	// are harmless when late. Who talks leaves the offer that rings them.
	Talk(ctx context.Context, agent string, c call.ID, now time.Time) error
	Free(ctx context.Context, agent string, c call.ID, wrapUp time.Duration, now time.Time) error
	// SetStatus is the agent's own wish; it resets Misses and triggers Distribute.
	SetStatus(ctx context.Context, agent string, s Status, reason string, now time.Time) error
	// EndWrapUp, Forgive: see the jobs. CAS on since; late ones do nothing.
	EndWrapUp(ctx context.Context, agent string, since, now time.Time) error
	Forgive(ctx context.Context, agent string, since, now time.Time) error

	// Moments is what all agents did in a time, in order: for each the last change
	// before it, and those within. MomentsOf is what one did, the latest first;
	// before a sequence number unless that is 0.
	Moments(ctx context.Context, from, to time.Time) ([]Moment, error)
	MomentsOf(ctx context.Context, agent string, before int64, limit int) ([]Moment, error)

	// SaveDevice adds or refreshes a registration (by agent and contact);
	// RemoveDevices drops one contact, or all of an agent's when contact is "".
	SaveDevice(ctx context.Context, d Device) error
	RemoveDevices(ctx context.Context, agent, contact string) error
	// DropDevice drops the registration as it is known to whoever drops it: one
	// that was refreshed since, by a later CSeq or another Call-ID, stays.
	DropDevice(ctx context.Context, d Device) error
	Devices(ctx context.Context, agent string, now time.Time) ([]Device, error) // unexpired; "" for all agents

	// Check ends offers past their lease and, after CheckGrace, entries and agent
	// states of calls that are over, and reports what it mended. It also has those
	// queues distributed where somebody waits and somebody is idle.
	Check(ctx context.Context, now time.Time) ([]string, error)
}

// What Check does with calls that are over, and outcomes that the store itself gives.
const (
	CheckGrace   = 10 * time.Second // whoever runs the call has this long to tidy up
	OutcomeEnded = "ended"          // queue.left of an entry that was forgotten
	OutcomeMoved = "moved"          // queue.left of one that goes on in another queue
)
