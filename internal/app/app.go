// Package app builds a node from its parts, starts them in order and stops them
// in the opposite one.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/crm/contacts"
	"github.com/callyard/callyard/crm/crmpg"
	"github.com/callyard/callyard/crm/webhook"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/jobs"
	"github.com/callyard/callyard/internal/media"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/parking/parkingpg"
	"github.com/callyard/callyard/queues/queuespg"
	"github.com/callyard/callyard/routing/routingpg"
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
	Hub      *callctl.Hub
	SIP      *sipua.Server
	Media    *media.Engine
	Jobs     *jobs.Runner
	APIKey   string // made at the first start, shown once; "" later

	plan     *planner
	hook     *webhook.Provider // nil: no webhook
	metrics  *prometheus.Registry
	faults   *prometheus.CounterVec
	attempts *prometheus.HistogramVec
	dir      *crm.Directory
	addrs    struct{ http, ops string }
	stops    []stop
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
		a.openDatabase, a.openStores, a.startMedia, a.startCalls, a.startJobs, a.startHTTP, a.startChecks,
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

func (a *App) openDatabase(ctx context.Context) error {
	held, err := holdFolder(a.cfg.DataDir)
	if err != nil {
		return err
	}
	a.onStop("data folder", func(context.Context) error { held.release(); return nil })
	url, err := a.databaseURL(ctx)
	if err != nil {
		return err
	}
	if a.DB, err = pg.Open(ctx, url, a.log.With("part", "db")); err != nil {
		return err
	}
	a.onStop("database connections", func(context.Context) error { a.DB.Close(); return nil })
	return pg.Migrate(ctx, a.DB)
}

func (a *App) openStores(ctx context.Context) error {
	a.Contacts, a.Outbox = crmpg.NewContacts(a.DB), crmpg.NewOutbox(a.DB)
	providers, err := a.providers()
	if err != nil {
		return err
	}
	names := make([]string, 0, len(providers))
	for _, p := range providers {
		names = append(names, p.Name())
	}
	a.Book = callpg.New(a.DB, func(ctx context.Context, tx *pg.Tx, act crm.Activity) error {
		return crmpg.Put(ctx, tx, act, names...)
	})
	a.Lots, a.Agents, a.Routes = parkingpg.New(a.DB), queuespg.New(a.DB), routingpg.New(a.DB)
	a.plan = &planner{db: a.DB, lots: a.Lots, agents: a.Agents, routes: a.Routes, log: a.log.With("part", "plan")}
	a.dir = crm.NewDirectory(providers[0], nil, crm.DirectoryOptions{Now: time.Now, Log: a.log.With("part", "crm")})
	a.onStop("directory", func(context.Context) error { a.dir.Close(); return nil })
	if err := a.tidyUp(ctx); err != nil {
		return err
	}
	if err := a.plan.Load(ctx); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		a.plan.watch(run)
	}()
	a.onStop("plan", func(context.Context) error { cancel(); <-watched; return nil })
	return nil
}

// tidyUp closes what a crash of this node left open: its calls are gone with
// their sockets.
func (a *App) tidyUp(ctx context.Context) error {
	now, node := time.Now(), call.NodeID(a.cfg.Node)
	n, err := a.Book.CloseOrphans(ctx, node, now)
	if err != nil {
		return err
	}
	if n > 0 {
		a.log.Warn("calls of this node were cut off by a crash", "calls", n)
	}
	parks, err := a.endParks(ctx, node, now)
	if err != nil {
		return err
	}
	if parks > 0 {
		a.log.Warn("parked callers were cut off by a crash", "parks", parks)
	}
	if err := a.Agents.ResetNode(ctx, node, now); err != nil {
		return fmt.Errorf("free the agents of this node: %w", err)
	}
	return nil
}

// providers are where calls are logged: the built-in address book first.
func (a *App) providers() ([]crm.Provider, error) {
	out := []crm.Provider{contacts.Provider{Store: a.Contacts}}
	if w := a.cfg.Webhook; w.URL != "" {
		p, err := webhook.New(webhook.Options{URL: w.URL, Secret: w.Secret, Now: time.Now})
		if err != nil {
			return nil, fmt.Errorf("webhook: %w", err)
		}
		a.hook = p
		out = append(out, p)
	}
	return out, nil
}

func (a *App) startMedia(context.Context) error {
	ip, advertised, err := a.mediaAddr()
	if err != nil {
		return err
	}
	prompts := filepath.Join(a.cfg.DataDir, "prompts")
	if err := os.MkdirAll(prompts, 0o755); err != nil {
		return fmt.Errorf("folder of prompts: %w", err)
	}
	a.Media, err = media.New(media.Config{
		IP: ip, Advertised: advertised, PortMin: a.cfg.RTP.PortMin, PortMax: a.cfg.RTP.PortMax,
		Music: prompts, Log: a.log.With("part", "media"),
	})
	if err != nil {
		return err
	}
	if err := a.Media.Start(); err != nil {
		return err
	}
	a.onStop("media", func(context.Context) error { a.Media.Stop(); return nil })
	return nil
}

// mediaAddr is where RTP is bound: what the configuration says, else where SIP listens.
func (a *App) mediaAddr() (bind, advertised netip.Addr, err error) {
	text := a.cfg.RTP.IP
	if text == "" {
		_, at, err := config.ParseListen(a.cfg.SIP.Listen[0])
		if err != nil {
			return bind, advertised, err
		}
		text = at.Addr().String()
	}
	if bind, err = netip.ParseAddr(text); err != nil {
		return bind, advertised, fmt.Errorf("rtp.ip: %w", err)
	}
	if a.cfg.RTP.Advertise != "" {
		if advertised, err = netip.ParseAddr(a.cfg.RTP.Advertise); err != nil {
			return bind, advertised, fmt.Errorf("rtp.advertise: %w", err)
		}
	}
	return bind, advertised, nil
}

func (a *App) startCalls(ctx context.Context) error {
	var ifaces []sipua.Interface
	for _, l := range a.cfg.SIP.Listen {
		transport, at, err := config.ParseListen(l)
		if err != nil {
			return err
		}
		ifaces = append(ifaces, sipua.Interface{Transport: transport, Bind: at.String(), Advertised: a.advertised(ctx, at)})
	}
	var hub *callctl.Hub
	a.SIP = sipua.New(sipua.Config{
		Listen: ifaces, Realm: a.cfg.SIP.Realm, Digests: a.cfg.SIP.Digests, Accounts: a.plan, Bindings: a.Agents, Node: a.cfg.Node,
		Trunks: a.plan.Trunks, OpenMedia: openAudio(a.Media), OnCall: func(in callctl.Incoming) { hub.Incoming(in) }, //nolint:contextcheck // a call outlives the start
		Log: a.log.With("part", "sip"), InvitesPerS: a.cfg.SIP.CallsPerS,
	})
	hub = callctl.New(callctl.Config{
		Node: call.NodeID(a.cfg.Node), Plan: a.plan.Plan, Book: a.Book, Parking: a.Lots, Lines: a.Agents,
		Directory: a.dir, Dialer: a.SIP, Notify: a.notify, Voicemail: filepath.Join(a.cfg.DataDir, "voicemail"), WrapUp: a.cfg.WrapUp(),
		Log: a.log.With("part", "calls"),
	})
	a.Hub = hub
	if err := a.SIP.Start(ctx); err != nil {
		return err
	}
	a.onStop("SIP", func(context.Context) error { a.SIP.Stop(); return nil }) //nolint:contextcheck // its goodbyes have their own time
	a.onStop("calls", a.Hub.Stop)                                             // before SIP, which says goodbye for them
	return nil
}

// advertised is what peers are told of a listening address that is no address,
// such as 0.0.0.0: that of the interface that leads outside.
func (a *App) advertised(ctx context.Context, at netip.AddrPort) string {
	if a.cfg.SIP.Advertise != "" || !at.Addr().IsUnspecified() {
		return a.cfg.SIP.Advertise
	}
	// Connecting a UDP socket sends nothing; it asks the routing table.
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", "192.0.2.1:9")
	if err != nil {
		return "127.0.0.1"
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().(*net.UDPAddr).IP.String() //nolint:forcetypeassert // of a UDP socket
}

// Setup brings the configuration in line with a document.
func (a *App) Setup(ctx context.Context, d setup.Document) ([]setup.Change, error) {
	changes, err := setup.Apply(ctx, a.stores(), d, time.Now())
	return changes, errors.Join(err, a.plan.Changed(ctx))
}

func (a *App) stores() setup.Stores {
	return setup.Stores{
		Lots: a.Lots, Agents: a.Agents, Routes: a.Routes, Contacts: a.Contacts,
		Realm: a.cfg.SIP.Realm, Prompt: a.Media.Library().Has,
	}
}

// HTTPAddr is where the REST API listens.
func (a *App) HTTPAddr() string { return a.addrs.http }

// OpsAddr is where operators look; "" if switched off.
func (a *App) OpsAddr() string { return a.addrs.ops }

// serve runs an HTTP server on addr until the app stops.
func (a *App) serve(ctx context.Context, name, addr string, h http.Handler) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("%s cannot listen on %s: %w; name another with http.listen or http.ops", name, addr, err)
	}
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(a.log.With("part", name).Handler(), slog.LevelDebug),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("server ended", "part", name, "err", err)
		}
	}()
	a.onStop(name, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			_ = srv.Close() // event streams do not end by themselves
		}
		<-done
		return nil
	})
	return l.Addr().String(), nil
}
