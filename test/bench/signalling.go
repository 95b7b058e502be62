//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// talks is how long a short call lasts: with so little audio, what is left is
// its signalling and its ledger.
const talks = 60 * time.Millisecond

// signalling measures what a call costs apart from its audio.
func (b *bench) signalling(ctx context.Context) error {
	err := b.short(ctx, "signalling, one leg", 1.1, 100, b.size.oneLeg, func(int) string { return answers })
	if err != nil {
		return err
	}
	b.phonesDo(func(d *dialog) {
		d.ring()
		d.answer(b.desks.port(0))
	})
	defer b.phonesDo(nil)
	return b.short(ctx, "signalling, two legs", 3.4, 40, b.size.twoLegs, func(i int) string { return ringNumber(i % len(b.agents)) })
}

// short places short calls, and figures what each cost the hub and its database
// together, less what they use when nobody calls.
func (b *bench) short(ctx context.Context, row string, goal, perSecond float64, n int, to func(i int) string) error {
	before, err := b.hub.usage()
	if err != nil {
		return err
	}
	var calls []*dialog
	err = at(ctx, perSecond, n, func(i int) {
		calls = append(calls, b.call(to(i), func(d *dialog) { time.AfterFunc(talks, d.hangup) }))
	})
	if err != nil {
		return err
	}
	up, err := settled(ctx, calls)
	if err != nil {
		b.say("  %v", err)
	}
	for _, d := range calls {
		select {
		case <-d.over:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := pause(ctx, 1500*time.Millisecond); err != nil { // until all is written
		return err
	}
	after, err := b.hub.usage()
	if err != nil {
		return err
	}
	s := after.since(before)
	each := func(used, idle float64) float64 { return 1000 * (used - idle*s.took) / float64(max(1, up)) }
	hub, postgres := each(s.hub, b.idle.hub), each(s.postgres, b.idle.postgres)
	var setups spread
	for _, d := range calls {
		if d.status == 200 {
			setups = append(setups, d.came.Sub(d.sent).Seconds()*1000)
		}
	}
	setups.sorted()
	b.figure(figure{
		Row: row, Unit: "ms of CPU per call", Goal: goal, Value: hub + postgres,
		Note: fmt.Sprintf("hub %.2f, Postgres %.2f; %d of %d calls at %.0f/s; INVITE→200 p50 %.1f p99 %.1f ms; %s",
			hub, postgres, up, n, perSecond, setups.at(.5), setups.at(.99), s.noise()),
	})
	return nil
}
