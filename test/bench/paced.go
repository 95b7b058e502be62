//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/callyard/callyard/test/load"
)

// request is one of those that paced sends.
type request struct {
	kind               string // under which its times are counted: "GET /v1/agents"
	method, path, body string
}

// answered is how long requests took in milliseconds, from when each was due.
type answered struct {
	all  load.Spread
	kind map[string]load.Spread
	late load.Spread // what of it went by before we got round to sending
}

// at calls f n times, perSecond times a second.
func at(ctx context.Context, perSecond float64, n int, f func(i int)) error {
	return due(ctx, perSecond, n, func(i int, _ time.Time) { f(i) })
}

// due tells f, too, when its turn was: on a full machine it comes later.
func due(ctx context.Context, perSecond float64, n int, f func(i int, turn time.Time)) error {
	begun := time.Now()
	for i := range n {
		turn := begun.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))
		if err := load.Pause(ctx, time.Until(turn)); err != nil {
			return err
		}
		f(i, turn)
	}
	return nil
}

// paced sends n requests, each in its turn whatever has become of those before,
// and counts its time from there: who is stalled does not send fewer, and those
// that had to wait for a stall show it. One that is refused is an error.
func paced(ctx context.Context, perSecond float64, n int, next func(i int) request, send func(context.Context, request) error) (answered, error) {
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		refused int
		first   error
		a       = answered{kind: map[string]load.Spread{}}
	)
	err := due(ctx, perSecond, n, func(i int, turn time.Time) {
		r := next(i)
		wg.Go(func() {
			sent := time.Now()
			err := send(ctx, r)
			took := time.Since(turn).Seconds() * 1000
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				if refused++; first == nil {
					first = fmt.Errorf("%s: %w", r.kind, err)
				}
				return
			}
			a.all = append(a.all, took)
			a.kind[r.kind] = append(a.kind[r.kind], took)
			a.late = append(a.late, sent.Sub(turn).Seconds()*1000)
		})
	})
	wg.Wait()
	if err != nil {
		return a, err
	}
	if refused > 0 {
		return a, fmt.Errorf("%d of %d requests failed, the first: %w", refused, n, first)
	}
	a.all.Sorted()
	a.late.Sorted()
	for _, s := range a.kind {
		s.Sorted()
	}
	return a, nil
}
