package callctl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// Parking is what live calls need of the parking store.
type Parking interface {
	Put(ctx context.Context, p parking.Park) (parking.Park, error)
	Claim(ctx context.Context, t parking.Target, by call.Actor, now time.Time) (parking.Park, error)
	Extend(ctx context.Context, id string, epoch int, until time.Time) error
	Release(ctx context.Context, id string, epoch int, why string, at time.Time) (parking.Park, error)
	End(ctx context.Context, id string, epoch int, r parking.Reason, by call.Actor, at time.Time) (parking.Park, error)
	Advance(ctx context.Context, id string, n int, now time.Time) (parking.Park, int, bool, error)
	StepResult(ctx context.Context, id string, n int, result string, data map[string]any, at time.Time) error
	Live(ctx context.Context, f parking.Filter) ([]parking.Park, error)
}

// Lines is what live calls need of the queue store.
type Lines interface {
	Join(ctx context.Context, e queues.Entry, now time.Time) error
	Leave(ctx context.Context, c call.ID, queue, outcome string, by call.Actor, now time.Time) error
	Reserve(ctx context.Context, o queues.Offer, whoever bool) (queues.Offer, error)
	Offer(ctx context.Context, id string) (queues.Offer, error)
	Rang(ctx context.Context, offer, agent string, now time.Time) error
	Answer(ctx context.Context, offer, agent string, now time.Time) error
	Miss(ctx context.Context, offer, agent, why string, now time.Time) error
	Talk(ctx context.Context, agent string, c call.ID, now time.Time) error
	Free(ctx context.Context, agent string, c call.ID, wrapUp time.Duration, now time.Time) error
}

// Directory knows callers. It answers within the time given, whatever the CRM does.
type Directory interface {
	Find(ctx context.Context, n call.Number, within time.Duration) (crm.Result, error)
}

// Notification is what a flow's notify node asks to be told to somebody.
type Notification struct {
	Call     call.ID        `json:"call"`
	Channel  string         `json:"channel"`
	Template string         `json:"template"`
	To       string         `json:"to"`
	Vars     map[string]any `json:"vars"`
}

// Config is what a hub is made of. All fields are needed unless said otherwise.
type Config struct {
	Node      call.NodeID
	Plan      func() *Plan // read anew for each decision
	Book      Book
	Parking   Parking
	Lines     Lines
	Directory Directory
	Dialer    Dialer
	Notify    func(context.Context, Notification) error // nil: notifications are only noted
	Voicemail string                                    // folder for recordings
	WrapUp    time.Duration                             // after a conversation that no queue brought about
	Log       *slog.Logger
}

// Hub is all live calls of this node.
type Hub struct {
	cfg    Config
	ctx    context.Context //nolint:containedctx // ends when the hub has stopped; work begun for a call outlives its INVITE
	cancel context.CancelFunc

	mu       sync.Mutex
	calls    map[call.ID]*Call
	stopping bool
	helpers  sync.WaitGroup // claims and other work that is not yet a call's
}

// New makes a hub without calls.
func New(cfg Config) *Hub {
	ctx, cancel := context.WithCancel(context.Background())
	return &Hub{cfg: cfg, ctx: ctx, cancel: cancel, calls: map[call.ID]*Call{}}
}

// Incoming takes a new call. It does not block.
func (h *Hub) Incoming(in Incoming) {
	plan := h.cfg.Plan()
	if in.Agent != "" {
		h.fromAgent(plan, in)
		return
	}
	number, flow, ok := plan.Number(in.To)
	if !ok {
		h.cfg.Log.Info("call to a number nobody has", "trunk", in.Trunk, "to", call.Number(in.To), "from", in.From.Number)
		refuse(in.Leg, call.NotFound, "no flow answers "+in.To)
		return
	}
	h.begin(in, number, flow)
}

// fromAgent routes what a rep dialled: a slot code retrieves, a colleague or a
// number is called.
func (h *Hub) fromAgent(plan *Plan, in Incoming) {
	if lot, slot, ok := plan.Slot(in.To); ok {
		by := call.Actor{User: in.Agent, Device: in.From.Device, Via: "dial"}
		if !h.spawn(func(ctx context.Context) {
			h.retrieveWith(ctx, in.Leg, parking.Target{Lot: lot.Name, Slot: slot}, by)
		}) {
			refuse(in.Leg, call.Shutdown, "this node is stopping")
		}
		return
	}
	if _, _, ok := plan.Place(in.To); ok {
		refuse(in.Leg, call.Forbidden, "to park, transfer a call to "+in.To+"; calling it parks nobody")
		return
	}
	if a, ok := plan.Agent(in.To); ok {
		h.begin(in, call.Number(in.To), routing.Direct("agent:"+a.Name))
		return
	}
	if number, flow, ok := plan.Number(in.To); ok {
		h.begin(in, number, flow)
		return
	}
	if _, ok := plan.Outward(); ok && len(in.To) > 4 {
		h.begin(in, call.Number(in.To), routing.Direct("number:"+in.To))
		return
	}
	refuse(in.Leg, call.NotFound, "nobody has "+in.To)
}

// begin starts the goroutine of a call that runs a flow.
func (h *Hub) begin(in Incoming, to call.Number, flow *routing.Flow) {
	c := newCall(h, in, to, flow)
	h.mu.Lock()
	if h.stopping {
		h.mu.Unlock()
		refuse(in.Leg, call.Shutdown, "this node is stopping")
		return
	}
	h.calls[c.id] = c
	h.mu.Unlock()
	go c.run()
}

// retrieveWith claims what is parked and hands the rep's leg to its call.
func (h *Hub) retrieveWith(ctx context.Context, leg Leg, t parking.Target, by call.Actor) {
	park, err := h.cfg.Parking.Claim(ctx, t, by, time.Now())
	if err != nil {
		cause := call.Failed
		if late(err) {
			cause = call.Gone
		} else {
			h.cfg.Log.Error("claim failed", "lot", t.Lot, "slot", t.Slot, "agent", by.User, "err", err)
		}
		refuse(leg, cause, err.Error())
		return
	}
	if c := h.call(park.Call); c != nil && c.mb.post(func() { c.take(leg, park, by) }) {
		return
	}
	refuse(leg, call.Gone, "the caller has just left")
	if _, err := h.cfg.Parking.Release(ctx, park.ID, park.Epoch, "caller_gone", time.Now()); err != nil {
		h.cfg.Log.Warn("claim not released; it lapses", "park", park.ID, "err", err)
	}
}

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
	c := h.call(id)
	if c == nil {
		return parking.Park{}, ErrNoCall
	}
	type answer struct {
		park parking.Park
		err  error
	}
	done := make(chan answer, 1)
	ok := c.mb.post(func() {
		c.parkByHand(lot, slot, by, func(p parking.Park, err error) { done <- answer{p, err} })
	})
	if !ok {
		return parking.Park{}, ErrNoCall
	}
	select {
	case a := <-done:
		return a.park, a.err
	case <-ctx.Done():
		return parking.Park{}, ctx.Err()
	}
}

// Hangup ends a call. ErrNoCall if it is not live here.
func (h *Hub) Hangup(id call.ID) error {
	c := h.call(id)
	if c == nil || !c.mb.post(func() { c.over(call.Normal) }) {
		return ErrNoCall
	}
	return nil
}

// StepDue is the escalation job: it begins the step, once, and lets the call
// carry it out. Late or doubled jobs do nothing.
func (h *Hub) StepDue(ctx context.Context, due parking.StepDue) error {
	park, n, ok, err := h.cfg.Parking.Advance(ctx, due.Park, due.Step, time.Now())
	if err != nil || !ok {
		return err
	}
	if c := h.call(park.Call); c == nil || !c.mb.post(func() { c.step(park, n) }) {
		return h.cfg.Parking.StepResult(ctx, park.ID, n, "call_not_here", nil, time.Now())
	}
	return nil
}

// RingOffer is the job that rings the agents of a queue's offer.
func (h *Hub) RingOffer(ctx context.Context, r queues.Ring) error {
	offer, err := h.cfg.Lines.Offer(ctx, r.Offer)
	if err != nil {
		if late(err) {
			return nil
		}
		return fmt.Errorf("ring offer %s: %w", r.Offer, err)
	}
	if c := h.call(offer.Call); c != nil && c.mb.post(func() { c.offered(offer) }) {
		return nil
	}
	for _, a := range offer.Agents {
		if err := h.cfg.Lines.Miss(ctx, offer.ID, a, "withdrawn", time.Now()); err != nil && !late(err) {
			return err
		}
	}
	return nil
}

// Errors of the hub.
var (
	ErrNoCall      = errors.New("no such call is live on this node")
	ErrNotTalking  = errors.New("nobody is talking to this caller")
	ErrUnreachable = errors.New("no phone is registered")
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

// Reconcile ends parks of this node whose call is not live any more. It is
// called every few seconds; ordinarily it finds nothing.
func (h *Hub) Reconcile(ctx context.Context) (ended int, err error) {
	parks, err := h.cfg.Parking.Live(ctx, parking.Filter{Node: h.cfg.Node})
	if err != nil {
		return 0, err
	}
	for _, p := range parks {
		if h.call(p.Call) != nil {
			continue
		}
		_, err := h.cfg.Parking.End(ctx, p.ID, 0, parking.AbandonedOutage, call.Actor{Via: "checker"}, time.Now())
		if err != nil && !late(err) {
			return ended, err
		}
		ended++
	}
	return ended, nil
}

// Stop ends all calls and waits for what they still have to write, until ctx ends.
func (h *Hub) Stop(ctx context.Context) error {
	h.mu.Lock()
	h.stopping = true
	calls := make([]*Call, 0, len(h.calls))
	for _, c := range h.calls {
		calls = append(calls, c)
	}
	h.mu.Unlock()
	for _, c := range calls {
		c.mb.post(func() { c.over(call.Shutdown) })
	}
	defer h.cancel()
	for _, c := range calls {
		select {
		case <-c.done:
		case <-ctx.Done():
			return fmt.Errorf("call %s did not end in time: %w", c.id, ctx.Err())
		}
	}
	h.helpers.Wait()
	return nil
}

func (h *Hub) call(id call.ID) *Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls[id]
}

func (h *Hub) forget(c *Call) {
	h.mu.Lock()
	delete(h.calls, c.id)
	h.mu.Unlock()
}

// spawn runs work that may block, bounded in time, and known to Stop; not once
// the hub is stopping.
func (h *Hub) spawn(f func(context.Context)) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopping {
		return false
	}
	h.helpers.Go(func() {
		ctx, cancel := context.WithTimeout(h.ctx, 5*time.Second)
		defer cancel()
		f(ctx)
	})
	return true
}

// refuse ends a leg that no call will own.
func refuse(l Leg, cause call.Cause, note string) {
	l.Watch(func(LegEvent) bool { return true })
	l.Hangup(cause, note)
}
