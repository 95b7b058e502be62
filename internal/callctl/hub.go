package callctl

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

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
	// Dispositions and Flow, which reads a version of a flow, let a flow ask what came of a call; nil: nobody is asked.
	Dispositions Dispositions
	Callbacks    Callbacks // nil: nobody is called back
	Flow         func(ctx context.Context, run routing.Run) (*routing.Flow, error)
	// Sticky is the agent who talked with a number last, since a time; "" if nobody
	// did. nil: nobody ever has.
	Sticky func(ctx context.Context, n call.Number, since time.Time) (agent string, err error)
	// Ask makes the request of a flow's http node, until ctx ends; id is the
	// request's own. nil: such nodes come to "error".
	Ask func(ctx context.Context, id string, q routing.HTTP) (status int, answer []byte, err error)
	// Speak has a text spoken and returns the name of the sound; nil: texts are passed over.
	Speak      func(ctx context.Context, text, lang string) (prompt string, err error)
	Mute       bool                    // no program speaks: whispers are shown on phones
	Recordings string                  // folder for recorded conversations; "" records none
	Voicemail  string                  // folder of messages
	Mail       Mail                    // nil: messages are files and facts only
	Messages   Messages                // what reps hear by *98; nil: nothing
	Greeting   func(box string) string // the sound of a box's greeting, "" for the usual one; may be nil
	WrapUp     time.Duration           // after a conversation that no queue brought about
	Log        *slog.Logger
}

// Hub is all live calls of this node.
type Hub struct {
	cfg    Config
	ctx    context.Context //nolint:containedctx // ends when the hub has stopped; work begun for a call outlives its INVITE
	cancel context.CancelFunc

	mu       sync.Mutex
	calls    map[call.ID]*Call
	legs     map[call.LegID]*Call // whose they are, by their IDs
	stopping bool
	helpers  sync.WaitGroup // claims and other work that is not yet a call's
}

// New makes a hub without calls.
func New(cfg Config) *Hub {
	ctx, cancel := context.WithCancel(context.Background())
	return &Hub{cfg: cfg, ctx: ctx, cancel: cancel, calls: map[call.ID]*Call{}, legs: map[call.LegID]*Call{}}
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
	late := 0
	for _, c := range calls {
		select {
		case <-c.done:
		case <-ctx.Done():
			late++
		}
	}
	h.cancel() // what is still being tried is given up
	h.helpers.Wait()
	if late > 0 {
		return fmt.Errorf("%d calls did not end in time: %w", late, ctx.Err())
	}
	return nil
}

func (h *Hub) call(id call.ID) *Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls[id]
}

// owns notes whose a leg is.
func (h *Hub) owns(l Leg, c *Call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.legs[l.ID()] = c
}

// disowns forgets a leg, unless another call has taken it over.
func (h *Hub) disowns(l Leg, c *Call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.legs[l.ID()] == c {
		delete(h.legs, l.ID())
	}
}

// owner is the call a leg belongs to, nil if it belongs to none.
func (h *Hub) owner(l Leg) *Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.legs[l.ID()]
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
