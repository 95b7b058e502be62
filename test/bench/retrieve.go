//go:build linux

package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"
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
	var talkers []*talker
	for _, d := range calls {
		talkers = append(talkers, b.callers.talker(d.rtp, d.audio))
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	before, err := b.hub.usage()
	if err != nil {
		return err
	}
	var (
		mu           sync.Mutex
		wg           sync.WaitGroup
		taken, heard spread
		refused      = map[int]int{}
	)
	err = at(ctx, perSecondOut, b.size.take, func(i int) {
		rep := b.agents[i%min(retrievers, len(b.agents))]
		wg.Go(func() {
			d := b.phones.invite(rep, rep.user, strconv.Itoa(takeFirst+i), b.desks.port(i), nil)
			select {
			case <-d.decided:
			case <-ctx.Done():
				return
			}
			if d.status != 200 {
				mu.Lock()
				refused[d.status]++
				mu.Unlock()
				return
			}
			voice := b.desks.talker(d.rtp, d.audio)
			defer voice.hush()
			if pause(ctx, listensFor) != nil {
				return
			}
			began, ok := b.desks.speech(d.audio.Port())
			mu.Lock()
			taken = append(taken, d.came.Sub(d.sent).Seconds()*1000)
			if ok && began.After(d.sent) {
				heard = append(heard, began.Sub(d.sent).Seconds()*1000)
			}
			mu.Unlock()
			d.hangup()
			select {
			case <-d.over:
			case <-ctx.Done():
			}
		})
	})
	wg.Wait()
	if err != nil {
		return err
	}
	after, err := b.hub.usage()
	if err != nil {
		return err
	}
	for _, t := range talkers {
		t.hush()
	}
	taken.sorted()
	heard.sorted()
	note := fmt.Sprintf("%d of %d slots at %d/s, %d callers parked; %s", len(taken), b.size.take, perSecondOut, len(calls), after.since(before).noise())
	if len(refused) > 0 {
		note += fmt.Sprintf("; refused by status: %v", refused)
	}
	b.figure(figure{Row: "retrieve: INVITE → 200, p50", Unit: "ms", Goal: 2, Value: taken.at(.5), Note: note})
	b.figure(figure{Row: "retrieve: INVITE → 200, p99", Unit: "ms", Goal: 8, Value: taken.at(.99), Note: fmt.Sprintf("longest %.1f", taken.at(1))})
	b.figure(figure{Row: "retrieve: first audio at the rep, p50", Unit: "ms", Goal: 13, Value: heard.at(.5), Note: fmt.Sprintf("heard %d of %d callers", len(heard), len(taken))})
	b.figure(figure{Row: "retrieve: first audio at the rep, p99", Unit: "ms", Goal: 25, Value: heard.at(.99), Note: fmt.Sprintf("longest %.1f", heard.at(1))})
	return part(ctx, calls)
}
