//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// bridged has callers talk to reps, both ways at full rate.
func (b *bench) bridged(ctx context.Context) error {
	n := b.size.bridged
	phones := make(chan *dialog, n)
	b.phonesDo(func(d *dialog) {
		d.ring()
		d.answer(b.desks.port(int(d.audio.Port()) / 2))
		phones <- d
	})
	defer b.phonesDo(nil)
	var calls []*dialog
	if err := at(ctx, 40, n, func(i int) { calls = append(calls, b.call(ringNumber(i), nil)) }); err != nil {
		return err
	}
	if _, err := settled(ctx, calls); err != nil {
		return err
	}
	var talkers []*talker
	for _, d := range calls {
		p := <-phones // one for each call that was answered
		talkers = append(talkers, b.callers.talker(d.rtp, d.audio), b.desks.talker(p.rtp, p.audio))
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	var (
		s    spent
		c, r tally
	)
	err := b.quietest(ctx, func() { b.callers.record(); b.desks.record() }, func(u spent) { s, c, r = u, b.callers.tally(), b.desks.tally() })
	if err != nil {
		return err
	}
	for _, t := range talkers {
		t.hush()
	}
	delays := append(c.delays, r.delays...).sorted()
	sent, came := c.sent+r.sent, c.marked+r.marked
	b.figure(figure{
		Row: fmt.Sprintf("bridged, two legs, %d", n), Unit: "% of a core per 1,000", Goal: 145,
		Value: percent(s.hub, s.took) * 1000 / float64(n),
		Note: fmt.Sprintf("%.1f µs per packet, %d of %d came (%.3f %% lost), delay p50 %.2f p99 %.2f ms; %s", s.hub*1e6/float64(max(1, came)),
			came, sent, max(0, 100-percent(came, sent)), delays.at(.5), delays.at(.99), s.noise()),
	})
	return part(ctx, calls)
}

// phonesDo says what the reps' phones do with calls from now on.
func (b *bench) phonesDo(f func(*dialog)) {
	if f == nil {
		f = func(d *dialog) { d.reply(d.invite, 486, "Busy Here", "") }
	}
	b.phones.rung.Store(&f)
}
