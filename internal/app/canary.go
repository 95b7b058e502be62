package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/jobs"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// canaries adds the versions that are tried to a plan whose flows are read. One
// that cannot be run is none: all callers get the stable version.
func (p *planner) canaries(ctx context.Context, plan *callctl.Plan, live *liveFlows) error {
	tried, err := p.routes.Canaries(ctx)
	if err != nil {
		return err
	}
	for name, c := range tried {
		stable := plan.Flows[name]
		if stable == nil || stable.Version() != c.Stable {
			continue // changed while we read; we are told
		}
		v, err := p.routes.Version(ctx, name, c.Version)
		if err != nil {
			return err
		}
		f, err := live.link(ctx, v)
		if live.err != nil {
			return live.err
		}
		if err != nil {
			p.log.Warn("a canary cannot be run; all calls run the stable version", "flow", name, "version", c.Version, "err", err)
			continue
		}
		plan.Canaries[name] = callctl.Canary{Canary: c.Canary, Flow: f}
	}
	return nil
}

// guard looks after a canary, and makes it known when it has ended.
func (a *App) guard(ctx context.Context, due routing.GuardDue) error {
	c, over, err := a.Routes.Guard(ctx, due, time.Now(), func(c routingpg.Canary) []job.Job {
		return []job.Job{{Args: rolledBack(c), Queue: job.Webhooks}}
	})
	if err != nil {
		return err
	}
	if !over {
		return jobs.Snooze(routing.GuardEvery)
	}
	if c.Ending == routingpg.RolledBack {
		a.rollbacks.Inc()
		a.log.Warn("canary rolled back", "part", "flows", "flow", c.Flow, "version", c.Version, "stable", c.Stable, "for", c.Verdict.Why, "why", c.Verdict.Said)
	}
	return a.plan.Changed(ctx, "flows") // again if we died before: harmless
}

// rolledBack is what webhooks are told.
func rolledBack(c routingpg.Canary) notice {
	return notice{callctl.Notification{
		Channel: "webhook", Template: "canary_rolled_back",
		Vars: map[string]any{
			"flow": c.Flow, "version": c.Version, "stable": c.Stable, "percent": c.Percent, "for": c.Verdict.Why,
			"why": c.Verdict.Said, "began_at": c.BeganAt, "ended_at": c.EndedAt, "rates": c.Verdict.Rates,
		},
	}, c.EndedAt}
}

// canaryMetrics have no label for the version, of which there is no end.
func (a *App) canaryMetrics() {
	a.rollbacks = prometheus.NewCounter(prometheus.CounterOpts{Name: "callyard_canary_rollbacks_total", Help: "Canaries of flows that their guard has given up, found by this node."})
	a.metrics.MustRegister(a.rollbacks, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "callyard_canaries", Help: "Flows that try a canary."}, func() float64 {
		if a.plan == nil {
			return 0
		}
		return float64(len(a.plan.Plan().Canaries))
	}))
}
