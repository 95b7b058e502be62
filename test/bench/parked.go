//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/callyard/callyard/test/hubproc"
	"github.com/callyard/callyard/test/load"
)

// parked fills two lots: half of the callers with music, the same ones talking,
// then all of them with music.
func (b *bench) parked(ctx context.Context) error {
	empty, err := b.hub.Usage()
	if err != nil {
		return err
	}
	half, err := b.park(ctx, b.size.half, hallOne)
	if err != nil {
		return err
	}
	if _, err := b.music(ctx, len(half)); err != nil {
		return err
	}

	var talkers []*load.Talker
	for _, d := range half {
		talkers = append(talkers, b.callers.Talker(d.RTP, d.Audio))
	}
	if err := load.Pause(ctx, 2*time.Second); err != nil {
		return err
	}
	s, t, err := b.listen(ctx)
	if err != nil {
		return err
	}
	for _, t := range talkers {
		t.Hush()
	}
	b.figure(figure{
		Row: fmt.Sprintf("parked, callers send RTP too, %d", len(half)), Unit: "% of a core per 1,000", Goal: 85,
		Value: percent(s.Hub, s.Took) * 1000 / float64(len(half)), Note: b.heard(t, s, len(half)) + "; " + s.Noise(),
	})

	rest, err := b.park(ctx, b.size.full-b.size.half, hallTwo)
	if err != nil {
		return err
	}
	calls := append(half, rest...)
	last, err := b.music(ctx, len(calls))
	if err != nil {
		return err
	}
	b.figure(figure{
		Row: "memory per parked call", Unit: "KB", Goal: 50, Value: (last.RSS - empty.RSS) / float64(len(calls)),
		Note: fmt.Sprintf("resident: %.0f MB empty, %.0f MB with %d parked", empty.RSS/1024, last.RSS/1024, len(calls)),
	})
	return part(ctx, calls)
}

// park places calls to a number that parks, and waits until all hear music.
func (b *bench) park(ctx context.Context, n int, number string) ([]*load.Dialog, error) {
	before, err := b.hub.Usage()
	if err != nil {
		return nil, err
	}
	var calls []*load.Dialog
	if err := at(ctx, 100, n, func(int) { calls = append(calls, b.call(number, nil)) }); err != nil {
		return nil, err
	}
	if _, err := settled(ctx, calls); err != nil {
		return nil, err
	}
	if err := load.Pause(ctx, time.Second); err != nil {
		return nil, err
	}
	after, err := b.hub.Usage()
	s := after.Since(before)
	b.say("  %d calls parked at 100/s: the hub used %.2f s (music included), Postgres %.2f s", n, s.Hub, s.Postgres)
	if err != nil {
		return nil, err
	}
	return calls, load.Pause(ctx, 2*time.Second)
}

// music measures n callers who only listen.
func (b *bench) music(ctx context.Context, n int) (hubproc.Spent, error) {
	s, t, err := b.listen(ctx)
	if err != nil {
		return s, err
	}
	b.figure(figure{
		Row: fmt.Sprintf("parked, music, %d", n), Unit: "% of a core per 1,000", Goal: 50,
		Value: percent(s.Hub, s.Took) * 1000 / float64(n), Note: b.heard(t, s, n) + "; " + s.Noise(),
	})
	f := figure{
		Row: fmt.Sprintf("gap between music packets, %d, p99", n), Unit: "ms", Value: t.Gaps.At(.99),
		Note: fmt.Sprintf("p50 %.2f, p99.9 %.1f, longest %.1f", t.Gaps.At(.5), t.Gaps.At(.999), t.Gaps.At(1)),
	}
	if n == b.size.full {
		f.Goal = 22
	}
	b.figure(f)
	return s, nil
}

// listen measures for a window what the hub uses and what callers get.
func (b *bench) listen(ctx context.Context) (s hubproc.Spent, t load.Tally, err error) {
	err = b.quietest(ctx, b.callers.Record, func(u hubproc.Spent) { s, t = u, b.callers.Tally() })
	return s, t, err
}

// heard says how much of the full rate came, and what was lost on the way.
func (b *bench) heard(t load.Tally, s hubproc.Spent, calls int) string {
	return fmt.Sprintf("%d streams, %.2f %% of the full rate, %d lost; Postgres %.1f %%", t.Streams,
		percent(float64(t.Packets), 50*s.Took*float64(calls)), t.Lost, percent(s.Postgres, s.Took))
}
