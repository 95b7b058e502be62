//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/callyard/callyard/test/load"
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
	b.phonesDo(func(d *load.Dialog) {
		d.Ring()
		d.Answer(b.desks.Port(0))
	})
	defer b.phonesDo(nil)
	return b.short(ctx, "signalling, two legs", 3.4, 40, b.size.twoLegs, func(i int) string { return ringNumber(i % len(b.agents)) })
}

// short places short calls, and figures what each cost the hub and its database
// together, less what they use when nobody calls.
func (b *bench) short(ctx context.Context, row string, goal, perSecond float64, n int, to func(i int) string) error {
	before, err := b.hub.Usage()
	if err != nil {
		return err
	}
	var calls []*load.Dialog
	err = at(ctx, perSecond, n, func(i int) {
		calls = append(calls, b.call(to(i), func(d *load.Dialog) { time.AfterFunc(talks, d.Hangup) }))
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
		case <-d.Over:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := load.Pause(ctx, 1500*time.Millisecond); err != nil { // until all is written
		return err
	}
	after, err := b.hub.Usage()
	if err != nil {
		return err
	}
	s := after.Since(before)
	each := func(used, idle float64) float64 { return 1000 * (used - idle*s.Took) / float64(max(1, up)) }
	hub, postgres := each(s.Hub, b.idle.Hub), each(s.Postgres, b.idle.Postgres)
	var setups load.Spread
	for _, d := range calls {
		if d.Status == 200 {
			setups = append(setups, d.Came.Sub(d.Sent).Seconds()*1000)
		}
	}
	setups.Sorted()
	b.figure(figure{
		Row: row, Unit: "ms of CPU per call", Goal: goal, Value: hub + postgres,
		Note: fmt.Sprintf("hub %.2f, Postgres %.2f; %d of %d calls at %.0f/s; INVITE→200 p50 %.1f p99 %.1f ms; %s",
			hub, postgres, up, n, perSecond, setups.At(.5), setups.At(.99), s.Noise()),
	})
	return nil
}
