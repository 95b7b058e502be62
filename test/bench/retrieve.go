//go:build linux

package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/callyard/callyard/test/load"
)

const (
	retrievers   = 10 // reps who dial, in turn
	listensFor   = 250 * time.Millisecond
	perSecondOut = 15
)

// retrieve has reps dial slots in which callers talk. The lot is full, so every
// slot holds somebody.
func (b *bench) retrieve(ctx context.Context) error {
	calls, err := b.park(ctx, b.size.waiting, takeNumber)
	if err != nil {
		return err
	}
	var talkers []*load.Talker
	for _, d := range calls {
		talkers = append(talkers, b.callers.Talker(d.RTP, d.Audio))
	}
	if err := load.Pause(ctx, 2*time.Second); err != nil {
		return err
	}
	before, err := b.hub.Usage()
	if err != nil {
		return err
	}
	var (
		mu           sync.Mutex
		wg           sync.WaitGroup
		taken, heard load.Spread
		refused      = map[int]int{}
	)
	err = at(ctx, perSecondOut, b.size.take, func(i int) {
		rep := b.agents[i%min(retrievers, len(b.agents))]
		wg.Go(func() {
			d := b.phones.Invite(rep, rep.User, strconv.Itoa(takeFirst+i), b.desks.Port(i), nil)
			select {
			case <-d.Decided:
			case <-ctx.Done():
				return
			}
			if d.Status != 200 {
				mu.Lock()
				refused[d.Status]++
				mu.Unlock()
				return
			}
			voice := b.desks.Talker(d.RTP, d.Audio)
			defer voice.Hush()
			if load.Pause(ctx, listensFor) != nil {
				return
			}
			began, ok := b.desks.Speech(d.Audio.Port())
			mu.Lock()
			taken = append(taken, d.Came.Sub(d.Sent).Seconds()*1000)
			if ok && began.After(d.Sent) {
				heard = append(heard, began.Sub(d.Sent).Seconds()*1000)
			}
			mu.Unlock()
			d.Hangup()
			select {
			case <-d.Over:
			case <-ctx.Done():
			}
		})
	})
	wg.Wait()
	if err != nil {
		return err
	}
	after, err := b.hub.Usage()
	if err != nil {
		return err
	}
	for _, t := range talkers {
		t.Hush()
	}
	taken.Sorted()
	heard.Sorted()
	note := fmt.Sprintf("%d of %d slots at %d/s, %d callers parked; %s", len(taken), b.size.take, perSecondOut, len(calls), after.Since(before).Noise())
	if len(refused) > 0 {
		note += fmt.Sprintf("; refused by status: %v", refused)
	}
	b.figure(figure{Row: "retrieve: INVITE → 200, p50", Unit: "ms", Goal: 2, Value: taken.At(.5), Note: note})
	b.figure(figure{Row: "retrieve: INVITE → 200, p99", Unit: "ms", Goal: 8, Value: taken.At(.99), Note: fmt.Sprintf("longest %.1f", taken.At(1))})
	b.figure(figure{Row: "retrieve: first audio at the rep, p50", Unit: "ms", Goal: 13, Value: heard.At(.5), Note: fmt.Sprintf("heard %d of %d callers", len(heard), len(taken))})
	b.figure(figure{Row: "retrieve: first audio at the rep, p99", Unit: "ms", Goal: 25, Value: heard.At(.99), Note: fmt.Sprintf("longest %.1f", heard.At(1))})
	return part(ctx, calls)
}
