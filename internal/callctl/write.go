package callctl

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// lines and parks queue facts that have to be written, in order.
func (c *Call) lines(what string, f func(context.Context, Lines) error) {
	c.scribe.must(what, func(ctx context.Context) error { return f(ctx, c.hub.cfg.Lines) })
}

func (c *Call) parks(what string, f func(context.Context, Parking) error) {
	c.scribe.must(what, func(ctx context.Context) error { return f(ctx, c.hub.cfg.Parking) })
}

// note appends a fact about this call. Zero At means now.
func (c *Call) note(e call.Event) {
	e.Call = c.id
	if e.At.IsZero() {
		e.At = time.Now()
	}
	if e.Flow == "" {
		e.Flow, e.Version = c.walk.Flow, c.walk.Version
	}
	c.scribe.note(e, func(ctx context.Context, facts []call.Event) error { return c.hub.cfg.Book.Note(ctx, facts...) })
}

// try queues work with one attempt; then runs on the call's goroutine with its
// result, also when the call has ended meanwhile.
func (c *Call) try(f func(context.Context) error, then func(error)) {
	c.open++ // keeps the goroutine until the answer is here
	answer := func(err error) {
		c.mb.post(func() {
			c.open--
			then(err)
		})
	}
	var begun atomic.Bool // or given up
	// Facts before it may be waiting for a database that is away. Parking somebody
	// minutes after it was asked for is worse than not parking them.
	late := time.AfterFunc(oneTry, func() {
		if begun.CompareAndSwap(false, true) {
			answer(errAway)
		}
	})
	c.scribe.do(func(ctx context.Context) {
		if !begun.CompareAndSwap(false, true) {
			return
		}
		late.Stop()
		ctx, cancel := context.WithTimeout(ctx, oneTry)
		defer cancel()
		err := errPanic
		defer func() { answer(err) }()
		defer c.survive(func() {})
		err = f(ctx)
	})
}

var (
	errAway  = errors.New("the database does not answer")
	errPanic = errors.New("panic")
)

// fork runs work that may take longer and has nothing to do with the order of
// facts, such as asking the CRM, beside the scribe.
func (c *Call) fork(within time.Duration, f func(context.Context), then func()) {
	c.open++
	go func() {
		ctx, cancel := context.WithTimeout(c.hub.ctx, within)
		defer cancel()
		defer c.mb.post(func() {
			c.open--
			then()
		})
		defer c.survive(func() {})
		f(ctx)
	}()
}
