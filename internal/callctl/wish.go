package callctl

import (
	"context"
	"errors"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// Retrieve lets an agent take a parked call without dialling: their phones ring
// and answer by themselves if they can. It returns once the claim is theirs;
// *parking.NotParkedError tells who was quicker, ErrUnreachable that the agent
// has no phone registered.
func (h *Hub) Retrieve(ctx context.Context, t parking.Target, agent string) (parking.Park, error) {
	if _, ok := h.cfg.Plan().Agents[agent]; !ok {
		return parking.Park{}, &queues.UnknownError{Kind: "agent", Name: agent}
	}
	by := call.Actor{User: agent, Via: "rest"}
	park, err := h.cfg.Parking.Claim(ctx, t, by, time.Now())
	if err != nil {
		return parking.Park{}, err
	}
	result := make(chan error, 1)
	c := h.call(park.Call)
	if c == nil || !c.mb.post(func() { c.fetch(park, by, result) }) {
		_, rerr := h.cfg.Parking.Release(ctx, park.ID, park.Epoch, "caller_gone", time.Now())
		return parking.Park{}, errors.Join(&parking.NotParkedError{What: "park " + park.ID}, rerr)
	}
	select {
	case err := <-result:
		return park, err
	case <-ctx.Done():
		return park, ctx.Err()
	}
}

// Park puts a call that is being talked to into a slot, as its agent would: the
// lot's next slot, or the one named. The errors are those of parking.Store.Put,
// ErrNoCall, and ErrNotTalking.
func (h *Hub) Park(ctx context.Context, id call.ID, lot string, slot int, by call.Actor) (parking.Park, error) {
	return wished(ctx, h, id, func(c *Call, then func(parking.Park, error)) { c.parkByHand(lot, slot, by, then) })
}

// wished puts somebody's wish to a live call and waits for what comes of it.
// ErrNoCall if it is not live here, or ends before it has heard.
func wished[T any](ctx context.Context, h *Hub, id call.ID, wish func(c *Call, then func(T, error))) (T, error) {
	var none T
	type answer struct {
		is  T
		err error
	}
	done := make(chan answer, 1)
	c := h.call(id)
	if c == nil || !c.mb.post(func() { wish(c, func(is T, err error) { done <- answer{is, err} }) }) {
		return none, ErrNoCall
	}
	select {
	case a := <-done:
		return a.is, a.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// Transfer sends the caller elsewhere, as the phone of who talks to them would by
// REFER: to a lot or a slot, a colleague or a number. It returns once that has begun;
// the two talk on until somebody answers. ErrNoCall, ErrNotTalking, ErrNowhere, and
// ErrTransferring when enough is ringing for the call.
func (h *Hub) Transfer(ctx context.Context, id call.ID, to string, by call.Actor) error {
	_, err := wished(ctx, h, id, func(c *Call, then func(struct{}, error)) { then(struct{}{}, c.transferByHand(to, by)) })
	return err
}

// transferByHand is a person's wish, over REST, to send the caller elsewhere.
func (c *Call) transferByHand(to string, by call.Actor) error {
	if c.ended || c.talk == nil {
		return ErrNotTalking
	}
	if by.User != "" && by.User == c.from.Agent {
		c.facing(c.caller)
	}
	var refused error
	begun := false
	c.onReferred(LegReferred{Leg: c.talk.leg, To: to, By: c.talk.leg.Remote(), Result: func(status int, _ string) {
		if begun { // what came of it is in the ledger
			return
		}
		refused = map[int]error{404: ErrNowhere, 491: ErrTransferring, 603: ErrNotTalking}[status]
	}})
	begun = true
	return refused
}

// Hangup ends a call. ErrNoCall if it is not live here.
func (h *Hub) Hangup(id call.ID) error {
	c := h.call(id)
	if c == nil || !c.mb.post(func() { c.over(call.Normal) }) {
		return ErrNoCall
	}
	return nil
}

// Errors of the hub.
var (
	ErrNoCall      = errors.New("no such call is live on this node")
	ErrNotTalking  = errors.New("nobody is talking to this caller")
	ErrCalledBack  = errors.New("nobody waits there: a callback stands in line; cancel it instead")
	ErrUnreachable = errors.New("no phone is registered")
	// Of Transfer.
	ErrNowhere      = errors.New("nobody and nothing has this number or name")
	ErrTransferring = errors.New("as many as may ring for this call already")
)

// Snapshot is a live call as others see it.
type Snapshot struct {
	ID      call.ID     `json:"id"`
	From    call.Number `json:"from"`
	To      call.Number `json:"to"`
	State   string      `json:"state"` // "routing", "parked", "queued", "talking"
	Agent   string      `json:"agent,omitempty"`
	Since   time.Time   `json:"since"`
	Ringing int         `json:"ringing"` // phones that ring for it

	reps   []string // who talk in it
	places places
}

// Live lists the live calls.
func (h *Hub) Live() []Snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]Snapshot, 0, len(h.calls))
	for _, c := range h.calls {
		if s := c.seen.Load(); s != nil {
			out = append(out, *s)
		}
	}
	return out
}
