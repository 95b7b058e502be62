package lamps

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// Config is what a Board reads from. All of it is of all nodes.
type Config struct {
	Parks   func(context.Context) ([]parking.Park, error) // live ones
	Agents  func(context.Context) ([]queues.Agent, error)
	Lots    func() []parking.Lot // as configured now
	Parties func(context.Context, []call.ID) (map[call.ID]Parties, error)
	Boxes   func(context.Context) ([]Box, error) // nil: there are none
	// Watched says whether anybody looks. While nobody does, nothing is read.
	Watched func() bool
	// Changed is called when a lamp may look different. It must not block.
	Changed func()
	Now     func() time.Time
	Log     *slog.Logger
}

// How often a Board reads. The rows are the truth and a notification only says
// when to look at them: one that gets lost is made good by the next look.
const (
	lookAnyway = 5 * time.Second
	// settle is a second look after a notification: for rows that are written
	// beside the fact it was about.
	settle    = 250 * time.Millisecond
	lookTime  = 2 * time.Second
	leastGap  = 40 * time.Millisecond // between two looks
	gapFactor = 6                     // and so many times what the last one took
)

// Board knows all lamps. What it says is at most as old as the last look.
type Board struct {
	cfg  Config
	hub  atomic.Pointer[hub]
	wake chan struct{}

	mu      sync.Mutex
	watched bool     // hub has been kept up to date since somebody looked
	waiting []func() // for the next look
}

// NewBoard makes a board that shows dark lamps until Run has looked.
func NewBoard(cfg Config) *Board {
	b := &Board{cfg: cfg, wake: make(chan struct{}, 1)}
	b.hub.Store(&hub{})
	return b
}

// Lamp is what the lamp for a dialled code shows; false if there is nothing by
// that code, or no longer.
func (b *Board) Lamp(code string) (Lamp, bool) { return b.hub.Load().lamp(code, b.cfg.Now()) }

// Box is the mailbox a code stands for, and whether the watcher may look at it.
func (b *Board) Box(watcher, code string) (Box, bool) { return b.hub.Load().box(watcher, code) }

// Touch says that something has changed. It never blocks.
func (b *Board) Touch() {
	select {
	case b.wake <- struct{}{}:
	default: // it is told already
	}
}

// Fresh calls then once what the board says is up to date: at once while it is
// watched, else after the next look, be that in vain. It never blocks.
func (b *Board) Fresh(then func()) {
	b.mu.Lock()
	if b.watched {
		b.mu.Unlock()
		then()
		return
	}
	b.waiting = append(b.waiting, then)
	b.mu.Unlock()
	b.Touch()
}

// Run keeps the board up to date until ctx ends.
func (b *Board) Run(ctx context.Context) {
	anyway := time.NewTicker(lookAnyway)
	defer anyway.Stop()
	again, urgent := stopped(), stopped()
	defer again.Stop()
	defer urgent.Stop()
	settled := true
	for {
		select {
		case <-ctx.Done():
			b.release(false)
			return
		case <-urgent.C:
			// Nothing has changed but the time.
			b.cfg.Changed()
			b.expect(urgent)
			continue
		case <-b.wake:
			settled = false
		case <-anyway.C:
		case <-again.C:
			settled = true
		}
		if !b.wanted() {
			continue
		}
		begun := b.cfg.Now()
		err := b.look(ctx)
		b.release(err == nil)
		if err != nil && ctx.Err() == nil {
			b.cfg.Log.Warn("lamps not looked after; they stay as they are", "err", err)
		}
		b.cfg.Changed()
		b.expect(urgent)
		gap := time.NewTimer(max(leastGap, gapFactor*b.cfg.Now().Sub(begun)))
		select {
		case <-ctx.Done():
		case <-gap.C:
		}
		gap.Stop()
		if !settled {
			again.Reset(settle)
		}
	}
}

// wanted says whether there is anybody to look for.
func (b *Board) wanted() bool {
	watched := b.cfg.Watched()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !watched {
		b.watched = false
	}
	return watched || len(b.waiting) > 0
}

// release lets those go on who wait for a look.
func (b *Board) release(fresh bool) {
	b.mu.Lock()
	b.watched = fresh
	then := b.waiting
	b.waiting = nil
	b.mu.Unlock()
	for _, f := range then {
		f()
	}
}

// expect sets the timer for the next lamp that begins to blink: one timer for all.
func (b *Board) expect(t *time.Timer) {
	now := b.cfg.Now()
	if at := b.hub.Load().nextUrgent(now); !at.IsZero() {
		t.Reset(at.Sub(now) + time.Millisecond)
	} else {
		t.Stop()
	}
}

// look reads everything anew; after an error all stays as it was.
func (b *Board) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	h := &hub{lots: b.cfg.Lots(), parks: map[place]parking.Park{}, agents: map[string]queues.Agent{}, boxes: map[string]Box{}}
	parks, err := b.cfg.Parks(ctx)
	if err != nil {
		return fmt.Errorf("look at parks: %w", err)
	}
	for _, p := range parks {
		h.parks[place{p.Lot, p.Slot}] = p
	}
	agents, err := b.cfg.Agents(ctx)
	if err != nil {
		return fmt.Errorf("look at agents: %w", err)
	}
	var calls []call.ID
	for _, a := range agents {
		h.agents[a.Name] = a
		if (a.State == queues.Ringing || a.State == queues.Talking) && !slices.Contains(calls, a.Call) {
			calls = append(calls, a.Call)
		}
	}
	if len(calls) > 0 {
		if h.parties, err = b.cfg.Parties(ctx, calls); err != nil {
			return fmt.Errorf("look at callers: %w", err)
		}
	}
	if b.cfg.Boxes != nil {
		boxes, err := b.cfg.Boxes(ctx)
		if err != nil {
			return fmt.Errorf("look at mailboxes: %w", err)
		}
		for _, x := range boxes {
			h.boxes[x.Name] = x
		}
	}
	b.hub.Store(h)
	return nil
}

func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}
