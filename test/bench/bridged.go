//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/callyard/callyard/test/hubproc"
	"github.com/callyard/callyard/test/load"
)

// bridged has callers talk to reps, both ways at full rate.
func (b *bench) bridged(ctx context.Context) error {
	n := b.size.bridged
	phones := make(chan *load.Dialog, n)
	b.phonesDo(func(d *load.Dialog) {
		d.Ring()
		d.Answer(b.desks.Port(int(d.Audio.Port()) / 2))
		phones <- d
	})
	defer b.phonesDo(nil)
	var calls []*load.Dialog
	if err := at(ctx, 40, n, func(i int) { calls = append(calls, b.call(ringNumber(i), nil)) }); err != nil {
		return err
	}
	if _, err := settled(ctx, calls); err != nil {
		return err
	}
	var talkers []*load.Talker
	for _, d := range calls {
		p := <-phones // one for each call that was answered
		talkers = append(talkers, b.callers.Talker(d.RTP, d.Audio), b.desks.Talker(p.RTP, p.Audio))
	}
	if err := load.Pause(ctx, 2*time.Second); err != nil {
		return err
	}
	var (
		s    hubproc.Spent
		c, r load.Tally
	)
	err := b.quietest(ctx, func() { b.callers.Record(); b.desks.Record() }, func(u hubproc.Spent) { s, c, r = u, b.callers.Tally(), b.desks.Tally() })
	if err != nil {
		return err
	}
	for _, t := range talkers {
		t.Hush()
	}
	delays := append(c.Delays, r.Delays...).Sorted()
	sent, came := c.Sent+r.Sent, c.Marked+r.Marked
	b.figure(figure{
		Row: fmt.Sprintf("bridged, two legs, %d", n), Unit: "% of a core per 1,000", Goal: 145,
		Value: percent(s.Hub, s.Took) * 1000 / float64(n),
		Note: fmt.Sprintf("%.1f µs per packet, %d of %d came (%.3f %% lost), delay p50 %.2f p99 %.2f ms; %s", s.Hub*1e6/float64(max(1, came)),
			came, sent, max(0, 100-percent(came, sent)), delays.At(.5), delays.At(.99), s.Noise()),
	})
	return part(ctx, calls)
}

// phonesDo says what the reps' phones do with calls from now on.
func (b *bench) phonesDo(f func(*load.Dialog)) {
	if f == nil {
		f = func(d *load.Dialog) { d.Refuse(486, "Busy Here") }
	}
	b.phones.Rung.Store(&f)
}
