package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/callyard/callyard/analytics"
	"github.com/callyard/callyard/analytics/analyticspg"
	"github.com/callyard/callyard/internal/auditpg"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/httpapi"
	"github.com/callyard/callyard/internal/keypg"
	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/internal/tlsfile"
	"github.com/callyard/callyard/internal/userpg"
	"github.com/callyard/callyard/routing"
)

// startHTTP opens the REST API and the operators' port.
func (a *App) startHTTP(ctx context.Context) error {
	keys := keypg.New(a.DB)
	key, created, err := keys.EnsureFirst(ctx, time.Now())
	if err != nil {
		return fmt.Errorf("first API key: %w", err)
	}
	if created {
		a.APIKey = key
	}
	people := userpg.New(a.DB)
	if err := a.welcome(ctx, people); err != nil {
		return err
	}
	proxies, err := config.Prefixes(a.cfg.HTTP.Proxies)
	if err != nil {
		return fmt.Errorf("http.proxies: %w", err)
	}
	feed := httpapi.NewFeed(a.Book, a.log.With("part", "events"))
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		a.feed(run, feed)
	}()
	ledger := analyticspg.New(a.DB)
	api := httpapi.New(httpapi.Deps{ //nolint:contextcheck // a request has its own
		Live: a.Hub, Lots: a.Lots, Agents: a.Agents, Routes: a.Routes, Carriers: a.SIP, Flows: a.Routes, Calendars: a.Routes, Contacts: a.Contacts, Outbox: a.Outbox,
		Calls: a.Book, Dispositions: a.Said, Callbacks: a.Owed, Jobs: a.Jobs, Voicemail: a.mailroom, Keys: keys, People: people, Audit: auditpg.New(a.DB), Webhooks: a.Webhooks, Prompts: a.sounds.store, Feed: feed,
		Recordings: os.DirFS(filepath.Join(a.cfg.DataDir, "recordings")),
		Speak:      a.sounds.speaker.Say, Sounds: a.Media.Library().Names,
		Report: func(ctx context.Context, w analytics.Window, o analytics.Options) (analytics.Report, error) {
			return analytics.Summarize(ledger.Events(ctx, w), w, o)
		},
		Setup: a.SetUp, Export: a.Export, Changed: a.plan.Changed, Alone: a.DB.Alone, Settings: a.settings,
		Known: func(ctx context.Context) (routing.Known, error) { return setup.KnownTo(ctx, a.stores()) },
		Limits: httpapi.Limits{
			PerS: a.cfg.HTTP.RatePerS, Burst: a.cfg.HTTP.RateBurst, OpenPerS: a.cfg.HTTP.OpenRatePerS, OpenBurst: a.cfg.HTTP.OpenRateBurst,
		},
		Proxies: proxies,
		Node:    call.NodeID(a.cfg.Node), Realm: a.cfg.SIP.Realm, Region: a.cfg.Region, Version: a.cfg.Version, Now: time.Now,
		Log: a.log.With("part", "http"),
	})
	front := a.front(api)
	if a.addrs.http, err = a.serve(ctx, "http", a.cfg.HTTP.Listen, front); err == nil && a.cfg.HTTP.TLSListen != "" {
		a.addrs.https, err = a.serveTLS(ctx, front)
	}
	if err != nil {
		cancel()
		<-fed
		return err
	}
	a.onStop("events", func(context.Context) error { cancel(); <-fed; return nil }) // first: streams would keep the server open
	if a.cfg.HTTP.Ops == "" {
		return nil
	}
	ops := httpapi.Ops(httpapi.OpsDeps{Ready: a.ready, Metrics: a.metrics, Log: a.log.With("part", "ops")})
	a.addrs.ops, err = a.serve(ctx, "ops", a.cfg.HTTP.Ops, ops)
	return err
}

// welcome makes a link by which somebody becomes an admin, as long as there is
// none: whoever can start the hub may let the first one in.
func (a *App) welcome(ctx context.Context, people *userpg.Store) error {
	has, err := people.HasAdmin(ctx)
	if err != nil || has {
		return err
	}
	token, _, err := people.NewLink(ctx, "", time.Now())
	if err != nil {
		return fmt.Errorf("link for the first admin: %w", err)
	}
	a.adminLink = httpapi.WelcomePath(token)
	return nil
}

// AdminLink is where the first admin chooses name and password; "" once there is
// one. Over plain HTTP it opens on this machine only.
func (a *App) AdminLink() string {
	if a.adminLink == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(a.addrs.http)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	} else if ip != nil && !ip.IsLoopback() && a.addrs.https != "" {
		return "https://" + a.addrs.https + a.adminLink
	}
	return "http://" + net.JoinHostPort(host, port) + a.adminLink
}

// settings is the configuration in force, as the API shows it.
func (a *App) settings() []httpapi.Setting {
	var out []httpapi.Setting
	for _, s := range a.cfg.Settings(false) {
		from := "default"
		if s.Set {
			from = "configuration"
		}
		out = append(out, httpapi.Setting{Key: s.Key, Value: s.Value, From: from})
	}
	return out
}

// feed runs the event stream's reader, again when the database was away.
func (a *App) feed(ctx context.Context, f *httpapi.Feed) {
	for ctx.Err() == nil {
		err := f.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		a.log.Warn("event feed ended; starting it again", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// ready says why this node should not be given calls.
func (a *App) ready(ctx context.Context) error {
	if err := a.DB.Pool.Ping(ctx); err != nil {
		return errors.New("the database does not answer")
	}
	return a.SIP.Health()
}

// newMetrics registers what operators watch.
func (a *App) newMetrics() {
	a.metrics = prometheus.NewRegistry()
	a.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.faults = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callyard_faults_mended_total",
		Help: "Broken invariants that the checker found and mended.",
	}, []string{"part", "what"})
	a.attempts = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "callyard_job_lateness_seconds",
		Help: "From when a job was due until it began.", Buckets: []float64{.005, .01, .025, .05, .1, .25, 1, 5, 30},
	}, []string{"kind"})
	gauge := func(name, help string, f func() float64) {
		a.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
	}
	a.metrics.MustRegister(a.faults, a.attempts)
	for _, state := range []string{"routing", "parked", "queued", "talking"} {
		a.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "callyard_calls",
			Help: "Live calls of this node by what they are doing.", ConstLabels: prometheus.Labels{"state": state},
		},
			func() float64 { return a.countCalls(state) }))
	}
	gauge("callyard_media_srtp_refused", "SRTP packets since the start that were not authentic, or heard before.", func() float64 { n, _ := a.Media.Refused(); return float64(n) })
	gauge("callyard_media_dtls_failed", "DTLS handshakes that failed since the start.", func() float64 { _, n := a.Media.Refused(); return float64(n) })
	gauge("callyard_media_ports", "Open RTP ports.", func() float64 { return float64(a.Media.Ports()) })
	gauge("callyard_registrations", "Registered phones.", func() float64 { return float64(a.SIP.Stats().Bindings) })
	gauge("callyard_subscriptions", "Subscriptions of phones to lamps and mailboxes.", func() float64 { return float64(a.SIP.Stats().Subscriptions) })
	gauge("callyard_sip_notifies", "NOTIFYs sent for subscriptions since the start.", func() float64 { return float64(a.SIP.Stats().Notifies) })
	gauge("callyard_sip_notifies_failed", "Of these, refused by the phone or not answered.", func() float64 { return float64(a.SIP.Stats().NotifiesFailed) })
	gauge("callyard_sip_requests", "SIP requests taken since the start.", func() float64 { return float64(a.SIP.Stats().Requests) })
	gauge("callyard_sip_legs", "SIP dialogs that are up or being set up.", func() float64 { return float64(a.SIP.Stats().Legs) })
	gauge("callyard_sip_transactions", "SIP transactions that live.", func() float64 {
		st := a.SIP.Stats()
		return float64(st.ServerTransactions + st.ClientTransactions)
	})
	gauge("callyard_sip_panics", "Faults in SIP handlers since the start; each ended one request.", func() float64 { return float64(a.SIP.Stats().Panics) })
	gauge("callyard_sip_unanswered", "Requests that a handler forgot to answer since the start.", func() float64 { return float64(a.SIP.Stats().Watchdog) })
	gauge("callyard_sip_shed", "Calls refused for overload since the start.", func() float64 { return float64(a.SIP.Stats().Shed) })
	a.sipMetrics()
	a.canaryMetrics()
	a.metrics.MustRegister(trunkMetrics{func() []routing.TrunkStatus { return a.SIP.TrunkStatuses() }})
}

// sipMetrics registers what the SIP edge counts of its transports.
func (a *App) sipMetrics() {
	for _, m := range []struct {
		name, help string
		of         func(sipua.Stats) int64
	}{
		{"callyard_sip_responses", "SIP responses taken.", func(s sipua.Stats) int64 { return s.Responses }},
		{"callyard_sip_filtered", "Messages dropped before they were parsed: too many of one source, no SIP, scanners.", func(s sipua.Stats) int64 { return s.Filtered }},
		{"callyard_sip_unparsable", "Messages that could not be parsed.", func(s sipua.Stats) int64 { return s.Unparsable }},
		{"callyard_sip_refused", "INVITEs from nobody we know.", func(s sipua.Stats) int64 { return s.Refused }},
		{"callyard_sip_auth_failures", "Wrong passwords.", func(s sipua.Stats) int64 { return s.AuthFailures }},
		{"callyard_sip_keepalives", "Keep-alives and pongs received.", func(s sipua.Stats) int64 { return s.KeepAlives }},
		{"callyard_sip_vanished", "Phones unregistered because they stopped answering.", func(s sipua.Stats) int64 { return s.Vanished }},
		{"callyard_sip_fragmented", "Requests over UDP beyond 1300 bytes.", func(s sipua.Stats) int64 { return s.Fragmented }},
		{"callyard_sip_streams_refused", "TCP, TLS and WebSocket connections closed at once: too many.", func(s sipua.Stats) int64 { return s.StreamsRefused }},
		{"callyard_sip_tls_failures", "TLS handshakes that failed, in and out.", func(s sipua.Stats) int64 { return s.HandshakesFailed }},
		{"callyard_sip_web_refused", "WebSocket upgrades refused.", func(s sipua.Stats) int64 { return s.WebRefused }},
		{"callyard_sip_listener_restarts", "Listeners that ended and were started again.", func(s sipua.Stats) int64 { return s.Restarts }},
		{"callyard_sip_probes_missed", "Self-tests of listeners that were not answered in time.", func(s sipua.Stats) int64 { return s.ProbesMissed }},
		{"callyard_sip_lane_full", "Messages dropped because their call had too many waiting.", func(s sipua.Stats) int64 { return s.LaneFull }},
	} {
		a.metrics.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: m.name + "_total", Help: m.help}, func() float64 { return float64(m.of(a.SIP.Stats())) }))
	}
	a.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "callyard_sip_streams", Help: "TCP, TLS and WebSocket connections of SIP that are open.",
	}, func() float64 { return float64(a.SIP.Stats().Streams) }))
}

func (a *App) countCalls(state string) float64 {
	n := 0
	for _, c := range a.Hub.Live() {
		if c.State == state {
			n++
		}
	}
	return float64(n)
}

// SIPAddr is where phones reach us over a transport: "udp", "tcp"; "" if not.
func (a *App) SIPAddr(transport string) string {
	for _, s := range a.SIP.Addrs() {
		if addr, ok := strings.CutPrefix(s, transport+" "); ok {
			return addr
		}
	}
	return ""
}

// HTTPAddr is where the REST API listens.
func (a *App) HTTPAddr() string { return a.addrs.http }

// OpsAddr is where operators look; "" if switched off.
func (a *App) OpsAddr() string { return a.addrs.ops }

// Node is this node's name.
func (a *App) Node() string { return a.cfg.Node }

// HTTPSAddr is where the REST API listens over TLS; "" if it does not.
func (a *App) HTTPSAddr() string { return a.addrs.https }

// front is what the HTTP listeners serve: the REST API, and browsers' SIP.
func (a *App) front(api http.Handler) http.Handler {
	if a.cfg.SIP.WebPath == "" {
		return api
	}
	mux := http.NewServeMux()
	mux.Handle(a.cfg.SIP.WebPath, a.SIP.WebSocket())
	mux.Handle("/", api)
	return mux
}

// serve runs an HTTP server on addr until the app stops.
func (a *App) serve(ctx context.Context, name, addr string, h http.Handler) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("%s cannot listen on %s: %w; name another with http.listen or http.ops", name, addr, err)
	}
	return a.serveOn(name, l, h), nil
}

// serveTLS is serve with the certificate of the configuration.
func (a *App) serveTLS(ctx context.Context, h http.Handler) (string, error) {
	pair, err := tlsfile.Load(a.cfg.HTTP.TLSCert, a.cfg.HTTP.TLSKey, func(err error) {
		a.log.Error("new certificate not usable, the one before stays", "part", "https", "err", err)
	})
	if err != nil {
		return "", err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.cfg.HTTP.TLSListen)
	if err != nil {
		return "", fmt.Errorf("https cannot listen on %s: %w; name another with http.tls_listen", a.cfg.HTTP.TLSListen, err)
	}
	// HTTP/1.1 only: a WebSocket takes its connection for itself.
	conf := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.Certificate, NextProtos: []string{"http/1.1"}}
	return a.serveOn("https", tls.NewListener(l, conf), h), nil
}

func (a *App) serveOn(name string, l net.Listener, h http.Handler) string {
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
	return l.Addr().String()
}
