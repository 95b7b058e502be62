package app

import (
	"context"
	"fmt"
	"time"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/egress"
	"github.com/callyard/callyard/internal/jobs"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/webhooks"
	"github.com/callyard/callyard/webhooks/sender"
)

// heldFor is how long facts are left alone that an open transaction holds back, or
// that another node is turning into deliveries.
const heldFor = 200 * time.Millisecond

// keepDeliveries is how long it can be looked up what was sent.
const keepDeliveries = 30 * 24 * time.Hour

// perReceiver is how many messages are under way to one receiver at a time, so that
// one that does not answer leaves room for the others.
const perReceiver = 4

// handleWebhooks registers how a delivery is carried out.
func (a *App) handleWebhooks(r *jobs.Runner) error {
	allowed, err := config.Prefixes(a.cfg.HTTPOut.AllowNets)
	if err != nil {
		return fmt.Errorf("http_out.allow_nets: %w", err)
	}
	client := egress.New(egress.Config{Allow: allowed, Timeout: webhooks.Timeout, PerHost: perReceiver})
	s := webhooks.Service{
		Store: a.Webhooks, Poster: sender.Sender{Client: client}, Now: time.Now,
		Disabled: func(w webhooks.Webhook, why string) {
			a.log.Warn("webhook disabled", "part", "webhooks", "webhook", w.ID, "why", why)
		},
	}
	jobs.Handle(r, func(ctx context.Context, j webhooks.Deliver) error {
		again, err := s.Deliver(ctx, j.Delivery)
		if err != nil || again == 0 {
			return err
		}
		return jobs.Snooze(again) // what failed is the receiver, not the job
	}, jobs.Policy{Timeout: webhooks.Timeout + 10*time.Second})
	return nil
}

// startWebhooks turns the ledger into deliveries for as long as the node runs. All
// nodes do; the store lets one at a time.
func (a *App) startWebhooks(ctx context.Context) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	grown, heard, done := make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(heard)
		_ = a.DB.Listen(run, pg.LedgerChannel, func(string) {
			select {
			case grown <- struct{}{}:
			default: // it is told already
			}
		})
	}()
	go func() {
		defer close(done)
		tidy := time.NewTicker(time.Hour)
		defer tidy.Stop()
		for {
			var again <-chan time.Time
			if more := a.fanOut(run); more {
				again = time.After(heldFor)
			}
			select {
			case <-run.Done():
				return
			case <-grown:
			case <-again:
			case <-tidy.C:
				if err := a.Webhooks.Forget(run, time.Now().Add(-keepDeliveries)); err != nil {
					a.log.Warn("old deliveries stay", "part", "webhooks", "err", err)
				}
			}
		}
	}()
	a.onStop("webhooks", func(context.Context) error { cancel(); <-heard; <-done; return nil })
	return nil
}

// fanOut turns all there is into deliveries; more: look again soon.
func (a *App) fanOut(ctx context.Context) (more bool) {
	for {
		made, more, err := a.Webhooks.FanOut(ctx, time.Now())
		switch {
		case ctx.Err() != nil:
			return false
		case err != nil:
			a.log.Warn("facts not handed to webhooks; they are later", "part", "webhooks", "err", err)
			return true
		case made == 0 || !more:
			return more
		}
	}
}
