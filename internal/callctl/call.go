package callctl

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// Call is one live call. All fields below mb belong to the goroutine that run
// is, except where said; nothing on it blocks.
type Call struct {
	id   call.ID
	hub  *Hub
	log  *slog.Logger
	mb   *mailbox
	done chan struct{} // closed when the goroutine has ended and all is written
	seen atomic.Pointer[Snapshot]

	scribe *scribe
	from   Party // whom the call serves: who called, or whom a rep called (see turn)
	placer Party // who called
	to     call.Number
	trunk  string
	agent  string // the rep who placed it
	began  time.Time

	flow   *routing.Flow
	choice map[string]any // why this version of it; nil: there is one only
	walk   routing.Run
	// firstWalk is that of the number's flow, once a lot's overflow has taken its place.
	firstWalk routing.Run
	wait      wait // what the flow waits for

	caller   Leg       // of whom the call serves
	answered time.Time // our 200 was confirmed, zero before
	picked   bool      // Answer was asked for
	pickedFn []func()  // to do once the caller's leg is up

	stay      *stay               // in a slot
	line      *line               // in a queue
	rounds    map[*round]bool     // phones that ring
	taking    *taking             // a claim is being carried out
	talk      *talk               // a conversation
	recorded  recorded            // what is wanted of recordings
	handing   *handover           // an attended transfer is under way, to this call or from it
	booking   *booking            // a rep has called a lot to park somebody there
	hearing   *hearing            // a rep has called their messages
	loan      *loan               // a leg given up that the other call has not taken yet
	aside     map[call.LegID]Leg  // legs that hear a last word before they are hung up
	held      map[call.LegID]bool // who put the other on hold; both may
	keys      map[call.LegID]keys // what reps have pressed
	open      int                 // legs that have not ended
	overheard Leg                 // the phone that the caller hears before it is answered

	back       *back  // this call is one that somebody is owed
	place      place  // in line, the last
	kept       place  // that was kept for the caller since an earlier call
	parker     string // of the stay that the caller left to be called back
	seeking    bool   // whether there is one is being asked
	sought     []func()
	record     *crm.Record
	sticky     string // the agent who talked with the caller last, as far as that was asked
	connected  time.Time
	answeredBy string
	talked     time.Duration
	lastRep    string    // who talked last
	lastTalk   time.Time // since when
	flowOn     bool      // the flow goes on without the caller
	parkedFor  time.Duration
	voicemail  string // the file of the message that was left
	task       *crm.Task
	messages   int    // recordings begun
	keeping    int    // recordings being closed
	onKept     func() // to do once they are
	expired    bool
	lastLot    string // of the last stay
	ended      bool
	heard      []Heard // legs that had audio, as they were when they or the call ended
	written    bool    // the ledger is closed
	cause      call.Cause
	endedAt    time.Time
}

func newCall(h *Hub, in Incoming, to call.Number, flow *routing.Flow) *Call {
	id := call.ID(call.NewID("call", in.At))
	log := h.cfg.Log.With("call", string(id))
	in.From.Agent = in.Agent
	return &Call{
		id: id, hub: h, log: log, mb: newMailbox(), done: make(chan struct{}),
		scribe: &scribe{log: log, ctx: h.ctx},
		from:   in.From, placer: in.From, to: to, trunk: in.Trunk, agent: in.Agent, began: in.At,
		flow: flow, caller: in.Leg,
		rounds: map[*round]bool{}, aside: map[call.LegID]Leg{}, held: map[call.LegID]bool{}, keys: map[call.LegID]keys{},
	}
}

// run is the call's goroutine.
func (c *Call) run() {
	defer close(c.done)
	c.guard(c.start)
	for {
		<-c.mb.wake
		for _, f := range c.mb.take() {
			c.guard(f)
			c.guard(c.overdue)
		}
		c.show()
		if c.ended && c.open == 0 {
			for r := range c.rounds { // left over by a fault: nobody rings any more
				c.guard(func() { c.fail(r, call.Failed) })
			}
			if c.mb.closeIfEmpty() {
				break
			}
		}
	}
	<-c.scribe.flushed()
	c.hub.forget(c) // not before all is written, which Stop waits for
}

// guard keeps a fault in one call from ending the others.
func (c *Call) guard(f func()) {
	defer c.survive(func() {
		switch {
		case !c.ended:
			defer c.survive(c.abort) // even the tidying up met the fault
			c.over(call.Failed)
		case !c.written:
			c.abort()
		}
	})
	f()
}

// survive is deferred: it stops a panic, says so, and goes on with then.
func (c *Call) survive(then func()) {
	if r := recover(); r != nil {
		c.log.Error("panic in a call", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		then()
	}
}

// abort is the end of a call that cannot be ended in good order: whatever leg it
// has is hung up, and its end is written.
func (c *Call) abort() {
	c.ended = true
	var legs []Leg
	for r := range c.rounds {
		r.over = nil
		for _, x := range r.legs {
			legs = append(legs, x.leg)
		}
	}
	for _, l := range c.aside {
		legs = append(legs, l)
	}
	if c.taking != nil {
		legs = append(legs, c.taking.leg)
	}
	if c.talk != nil {
		legs = append(legs, c.talk.leg)
	}
	if c.loan != nil {
		legs = append(legs, c.loan.legs...)
	}
	if c.caller != nil {
		legs = append(legs, c.caller)
	}
	for _, l := range legs {
		func() {
			defer c.survive(func() {})
			l.Hangup(call.Failed, "")
		}()
	}
	if !c.written {
		c.write()
	}
}

func (c *Call) start() {
	if c.agent != "" {
		agent, at := c.agent, c.began
		c.lines("agent calls out", func(ctx context.Context, l Lines) error { return l.Talk(ctx, agent, c.id, at) })
	}
	version := 0
	name := ""
	if c.flow != nil {
		name, version = c.flow.Name(), c.flow.Version()
	}
	o := Opening{ID: c.id, Node: c.hub.cfg.Node, Trunk: c.trunk, Agent: c.agent, From: c.from, To: c.to, Flow: name, Version: version, At: c.began}
	first := call.Event{
		Call: c.id, Type: call.Offered, At: c.began, Actor: call.Actor{User: c.agent, Via: via(c.trunk)},
		Data: map[string]any{"from": c.from.Number, "to": c.to, "trunk": c.trunk},
	}
	if c.back != nil {
		o.From, first = c.placer, c.back.begun(c)
	}
	c.scribe.turn("begin", &page{facts: []call.Event{first}, write: func(ctx context.Context, facts []call.Event) error {
		return c.hub.cfg.Book.Begin(ctx, o, facts...)
	}})
	if c.back != nil {
		c.callBackNow()
		return
	}
	c.own(c.caller)
	c.seek()
	if c.booking != nil {
		c.reserveSlot()
		return
	}
	if c.hearing != nil {
		c.listMessages()
		return
	}
	c.startFlow()
}

func via(trunk string) string {
	if trunk != "" {
		return "trunk"
	}
	return "phone"
}

// show publishes what the call is doing.
func (c *Call) show() {
	if c.ended {
		c.seen.Store(nil)
		return
	}
	s := Snapshot{ID: c.id, From: c.placer.Number, To: c.to, State: "routing", Since: c.began}
	switch {
	case c.talk != nil:
		s.State, s.Agent, s.Since = "talking", c.talk.agent, c.talk.since
	case c.stay != nil && c.stay.put:
		s.State, s.Since = "parked", c.stay.park.ParkedAt
	case c.line != nil:
		s.State, s.Since = "queued", c.line.since
	}
	for r := range c.rounds {
		s.Ringing += len(r.legs)
	}
	s.reps, s.places = c.reps(), c.places()
	c.seen.Store(&s)
}

// after runs f on the call's goroutine unless the timer is stopped first. f must
// check that what it is about still exists.
func (c *Call) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { c.mb.post(f) })
}
