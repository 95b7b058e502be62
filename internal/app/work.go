package app

import (
	"context"
	"errors"
	"time"

	"github.com/callyard/callyard/callback"
	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/jobs"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// startJobs registers what each kind of job does: ten lines of wiring a kind,
// the work itself is the domains'.
func (a *App) startJobs(ctx context.Context) error {
	r := jobs.New(a.DB, call.NodeID(a.cfg.Node), a.log.With("part", "jobs"),
		jobs.WithObserver(func(t jobs.Attempt) { a.attempts.WithLabelValues(t.Kind).Observe(t.Late.Seconds()) }))
	a.Jobs = r
	soon := jobs.Policy{Timeout: 5 * time.Second, Backoff: jobs.Every(time.Second)}
	match := queues.NewService(a.Agents)
	jobs.Handle(r, func(ctx context.Context, j parking.StepDue) error { return a.Hub.StepDue(ctx, j) }, soon)
	jobs.Handle(r, func(ctx context.Context, j queues.Ring) error { return a.Hub.RingOffer(ctx, j) }, soon)
	jobs.Handle(r, func(ctx context.Context, j queues.Distribute) error {
		_, err := match.Distribute(ctx, j.Queue, time.Now())
		return err
	}, soon)
	jobs.Handle(r, func(ctx context.Context, j queues.WrapUpOver) error { return match.EndWrapUp(ctx, j, time.Now()) }, soon)
	jobs.Handle(r, func(ctx context.Context, j queues.ForgiveAgent) error { return match.Forgive(ctx, j, time.Now()) }, soon)

	jobs.Handle(r, func(ctx context.Context, j callback.Due) error { return a.Hub.CallbackDue(ctx, j) }, soon)
	jobs.Handle(r, func(ctx context.Context, j disposition.Due) error { return a.Hub.DispositionDue(ctx, j) }, soon)
	jobs.Handle(r, func(ctx context.Context, j disposition.Settled) error { return a.Hub.DispositionSettled(ctx, j) }, soon)

	deliverer := crm.Deliverer{Store: a.Outbox, Providers: a.crms}
	jobs.Handle(r, func(ctx context.Context, j crm.Deliver) error {
		return verdict(deliverer.Deliver(ctx, j.Outbox, time.Now()))
	},
		jobs.Policy{Timeout: 30 * time.Second})
	jobs.Handle(r, func(ctx context.Context, j notice) error { return a.sendNotice(ctx, j) }, jobs.Policy{Timeout: 30 * time.Second})

	if err := a.handleWebhooks(r); err != nil {
		return err
	}
	jobs.Handle(r, a.guard, jobs.Policy{Backoff: jobs.Exponential(time.Second, time.Minute)})

	if err := r.Start(ctx); err != nil {
		return err
	}
	a.onStop("jobs", r.Stop)
	return nil
}

// verdict tells the job queue what came of a delivery.
func verdict(err error) error {
	var wait *crm.RateLimitedError
	var refused *crm.RefusedError
	switch {
	case errors.As(err, &wait):
		return jobs.Snooze(wait.After)
	case errors.As(err, &refused):
		return jobs.Discard(err)
	}
	return err
}

// startChecks proves every few seconds that what must always hold does: a live
// deadline for every park, one call per slot, no phone that rings without an offer.
func (a *App) startChecks(ctx context.Context) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-run.Done():
				return
			case <-tick.C:
				a.check(run)
			}
		}
	}()
	a.onStop("checks", func(context.Context) error { cancel(); <-done; return nil })
	return nil
}

func (a *App) check(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	if _, err := a.Hub.Reconcile(ctx); err != nil {
		a.log.Debug("calls not compared with parks", "err", err)
	}
	faults, err := a.Lots.Check(ctx, time.Now())
	if err != nil {
		a.log.Debug("parks not checked", "err", err)
	}
	for _, f := range faults {
		a.faults.WithLabelValues("parking", f.What).Inc()
		a.log.Warn("park mended", "park", f.Park, "what", f.What, "repair", f.Repair)
	}
	mended, err := a.Agents.Check(ctx, time.Now())
	if err != nil {
		a.log.Debug("queues not checked", "err", err)
	}
	for _, m := range mended {
		a.faults.WithLabelValues("queues", "mended").Inc()
		a.log.Warn("queue state mended", "what", m)
	}
}
