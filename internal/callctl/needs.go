package callctl

import (
	"context"
	"time"

	"github.com/callyard/callyard/callback"
	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// Parking is what live calls need of the parking store.
type Parking interface {
	Put(ctx context.Context, p parking.Park) (parking.Park, error)
	Reserve(ctx context.Context, r parking.Reservation) (parking.Reservation, error)
	Unreserve(ctx context.Context, id, why string, at time.Time) error
	Claim(ctx context.Context, t parking.Target, by call.Actor, now time.Time) (parking.Park, error)
	Extend(ctx context.Context, id string, epoch int, until time.Time) error
	Release(ctx context.Context, id string, epoch int, why string, at time.Time) (parking.Park, error)
	End(ctx context.Context, id string, epoch int, r parking.Reason, by call.Actor, at time.Time) (parking.Park, error)
	Move(ctx context.Context, m parking.Move) (parking.Park, error)
	Annotate(ctx context.Context, id, note string, by call.Actor, at time.Time) (parking.Park, error)
	Advance(ctx context.Context, id string, n int, now time.Time) (parking.Park, int, bool, error)
	StepResult(ctx context.Context, id string, n int, result string, data map[string]any, at time.Time) error
	Live(ctx context.Context, f parking.Filter) ([]parking.Park, error)
}

// Lines is what live calls need of the queue store.
type Lines interface {
	Agents(ctx context.Context) ([]queues.Agent, error)
	Join(ctx context.Context, e queues.Entry, now time.Time) error
	Leave(ctx context.Context, c call.ID, queue, outcome string, by call.Actor, now time.Time) error
	Waiting(ctx context.Context, queue string) ([]queues.Entry, error)
	Amend(ctx context.Context, c call.ID, queue string, a queues.Amendment, by call.Actor, now time.Time) (queues.Entry, error)
	Switch(ctx context.Context, c call.ID, from, to string, by call.Actor, now time.Time) (queues.Entry, error)
	Reserve(ctx context.Context, o queues.Offer, whoever bool) (queues.Offer, error)
	Offer(ctx context.Context, id string) (queues.Offer, error)
	Rang(ctx context.Context, offer, agent string, now time.Time) error
	Answer(ctx context.Context, offer, agent string, now time.Time) error
	Miss(ctx context.Context, offer, agent, why string, now time.Time) error
	Talk(ctx context.Context, agent string, c call.ID, now time.Time) error
	Free(ctx context.Context, agent string, c call.ID, wrapUp time.Duration, now time.Time) error
}

// Callbacks is what live calls need of the store of callbacks.
type Callbacks interface {
	Schedule(ctx context.Context, c callback.Callback) (callback.Callback, error)
	Begin(ctx context.Context, d callback.Due, hub call.NodeID, as call.ID, now time.Time) (callback.Callback, bool, error)
	Standing(ctx context.Context, id string, as call.ID) (bool, error)
	Settle(ctx context.Context, id string, as call.ID, o callback.Outcome, now time.Time) error
	Supersede(ctx context.Context, n call.Number, by call.ID, now time.Time) (callback.Callback, bool, error)
}

// Dispositions is what live calls need of the store of dispositions.
type Dispositions interface {
	Ask(ctx context.Context, a disposition.Ask) error
	Lapse(ctx context.Context, ask string, now time.Time) error
	Asked(ctx context.Context, ask string) (disposition.Ask, error)
	GoneOn(ctx context.Context, a disposition.Ask, run []byte, decided ...call.Event) error
}

// Directory knows callers. It answers within the time given, whatever the CRM does.
type Directory interface {
	Find(ctx context.Context, c crm.Caller) (crm.Result, error)
}

// Notification is what a flow's notify node asks to be told to somebody.
type Notification struct {
	Call     call.ID        `json:"call"`
	Channel  string         `json:"channel"`
	Template string         `json:"template"`
	To       string         `json:"to"`
	Vars     map[string]any `json:"vars"`
}
