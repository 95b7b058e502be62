// Package app builds a node from its parts, starts them in order and stops them
// in the opposite one.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/callyard/callyard/callback/callbackpg"
	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/crm/crmpg"
	"github.com/callyard/callyard/crm/webhook"
	"github.com/callyard/callyard/disposition/dispositionpg"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/jobs"
	"github.com/callyard/callyard/internal/lamps"
	"github.com/callyard/callyard/internal/media"
	"github.com/callyard/callyard/internal/notices"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/parking/parkingpg"
	"github.com/callyard/callyard/queues/queuespg"
	"github.com/callyard/callyard/routing/routingpg"
	"github.com/callyard/callyard/voicemail/voicemailpg"
	"github.com/callyard/callyard/webhooks/webhookspg"
)

// App is a running node.
type App struct {
	cfg config.Config
	log *slog.Logger

	DB       *pg.DB
	Book     *callpg.Book
	Lots     *parkingpg.Store
	Agents   *queuespg.Store
	Routes   *routingpg.Store
	Contacts *crmpg.Contacts
	Outbox   *crmpg.Outbox
	Mail     *voicemailpg.Store
	Said     *dispositionpg.Store
	Owed     *callbackpg.Store
	Webhooks *webhookspg.Store
	Hub      *callctl.Hub
	SIP      *sipua.Server
	Media    *media.Engine
	Jobs     *jobs.Runner
	APIKey   string // made at the first start, shown once; "" later

	plan      *planner
	lamps     *lamps.Board
	sounds    *sounds
	mailroom  *mailroom
	crms      []crm.Provider    // where calls are logged
	hook      *webhook.Provider // nil: no webhook
	metrics   *prometheus.Registry
	faults    *prometheus.CounterVec
	attempts  *prometheus.HistogramVec
	rollbacks prometheus.Counter
	dir       *crm.Directory
	mail      *notices.Mail // nil: no e-mail
	chats     map[string]*notices.Chat
	adminLink string // its path; "" when there is an admin
	addrs     struct{ http, https, ops string }
	stops     []stop
}

// stop is one part to be stopped, named for the log.
type stop struct {
	name string
	do   func(context.Context) error
}

// Start builds and starts a node. What was started is stopped again when a
// later part fails.
func Start(ctx context.Context, cfg config.Config, log *slog.Logger) (_ *App, err error) {
	a := &App{cfg: cfg, log: log}
	a.newMetrics()
	defer func() {
		if err != nil {
			stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
			defer cancel()
			err = errors.Join(err, a.Stop(stopCtx))
		}
	}()
	for _, part := range []func(context.Context) error{
		a.openDatabase, a.openStores, a.startMedia, a.startSounds, a.startCalls, a.startLamps, a.startNotices, a.startJobs, a.startWebhooks, a.startHTTP, a.startChecks,
	} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *App) onStop(name string, do func(context.Context) error) {
	a.stops = append(a.stops, stop{name, do})
}

// Stop stops all parts, the last started first, and goes on after a failure.
// Stopping twice is harmless.
func (a *App) Stop(ctx context.Context) error {
	var errs []error
	for len(a.stops) > 0 {
		s := a.stops[len(a.stops)-1]
		a.stops = a.stops[:len(a.stops)-1]
		if err := s.do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}
