package callctl

import (
	"context"
	"errors"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

// Switch has a call that waits in one queue wait in another, with the same clock.
// The errors are those of queues.Store.Switch, and ErrNoCall.
func (h *Hub) Switch(ctx context.Context, id call.ID, from, to string, by call.Actor) (queues.Entry, error) {
	return wished(ctx, h, id, func(c *Call, then func(queues.Entry, error)) { c.switchLine(from, to, by, then) })
}

// Withdraw takes a call out of a queue: its flow goes on by the node's outcome
// "timeout", unless it waits in a slot as well and stays there. ErrNoCall,
// *queues.NotWaitingError, and ErrCalledBack when nobody is there to go on.
func (h *Hub) Withdraw(ctx context.Context, id call.ID, queue string, by call.Actor) error {
	_, err := wished(ctx, h, id, func(c *Call, then func(struct{}, error)) {
		c.withdraw(queue, by, func(err error) { then(struct{}{}, err) })
	})
	return err
}

// waits tells whether the call is in that queue and nobody has it, or takes it.
func (c *Call) waits(queue string) bool {
	return !c.ended && c.line != nil && c.line.queue == queue && !c.busy()
}

// whenInLine puts f off while another queue is being asked for. f must look anew.
func (c *Call) whenInLine(f func()) bool {
	if c.line == nil || !c.line.moving {
		return false
	}
	c.line.later = append(c.line.later, f)
	return true
}

// switchLine asks for a place in the other queue. Until it is there the call is
// in line where it was: whoever answers meanwhile has it.
func (c *Call) switchLine(from, to string, by call.Actor, then func(queues.Entry, error)) {
	if c.whenInLine(func() { c.switchLine(from, to, by, then) }) {
		return
	}
	if !c.waits(from) {
		then(queues.Entry{}, &queues.NotWaitingError{Call: c.id, Queue: from})
		return
	}
	c.line.moving = true
	c.trySwitch(c.line, to, by, then)
}

func (c *Call) trySwitch(l *line, to string, by call.Actor, then func(queues.Entry, error)) {
	from := l.queue
	var e queues.Entry
	c.try(func(ctx context.Context) (err error) {
		e, err = c.hub.cfg.Lines.Switch(ctx, c.id, from, to, by, time.Now())
		return err
	}, func(err error) {
		gone := c.line != l // answered, say, or hung up
		var refused *queues.RefusedError
		switch known := err == nil || late(err) || errors.As(err, &refused); {
		case known && err != nil: // it is where it was
		case gone:
			c.lines("leave queue", func(ctx context.Context, s Lines) error { return s.Leave(ctx, c.id, to, l.left, l.leftBy, time.Now()) })
			err = &queues.NotWaitingError{Call: c.id, Queue: from}
		case known:
			c.switched(l, to)
		default: // it may have been written; repeated, it says so
			c.log.Error("not known whether the call has changed queues, trying again", "from", from, "to", to, "err", err)
			c.after(time.Second, func() { c.trySwitch(l, to, by, func(queues.Entry, error) {}) })
			then(e, err)
			return
		}
		then(e, err)
		l.moving = false
		later := l.later
		l.later = nil
		for _, f := range later {
			f()
		}
	})
}

// switched: the call is in the other line, and its phones there are others.
func (c *Call) switched(l *line, to string) {
	q := c.hub.cfg.Plan().Queues[to]
	l.queue, l.wrapUp = to, q.WrapUp
	c.place.queue, c.place.reach = to, nil
	c.stopVia("queue", call.Gone)
	if !l.parked && c.caller != nil {
		c.ear().Music(q.Music)
	}
	c.lineFollows()
}

// lineFollows tells the queue which park the call waits in: it may have been moved.
func (c *Call) lineFollows() {
	if c.line == nil || !c.line.parked || c.stay == nil {
		return
	}
	queue, park := c.line.queue, c.stay.park.ID
	c.lines("line follows the slot", func(ctx context.Context, s Lines) error {
		_, err := s.Amend(ctx, c.id, queue, queues.Amendment{Park: &park}, call.Actor{}, time.Now())
		return err
	})
}

// withdraw is a person's wish that the call waits no longer.
func (c *Call) withdraw(queue string, by call.Actor, then func(error)) {
	switch {
	case c.whenInLine(func() { c.withdraw(queue, by, then) }):
	case !c.waits(queue):
		then(&queues.NotWaitingError{Call: c.id, Queue: queue})
	case c.back != nil && c.caller == nil:
		then(ErrCalledBack)
	default:
		c.leaveLine("withdrawn", "timeout", by, nil)
		then(nil)
	}
}
