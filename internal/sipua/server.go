// Package sipua speaks SIP: it takes calls and places them, registers phones,
// and hands every call on as a callctl.Leg. It is the only importer of sipgo.
package sipua

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua/sdp"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// Config is what a Server needs. All functions may be called from many
// goroutines at once.
type Config struct {
	Listen []Interface
	Web    Web
	TLS    OutboundTLS
	Realm  string // of the digests; the HA1s were made with it
	// Digests are the algorithms asked for, best first; nil: SHA-256, then MD5.
	// Old clients look at the first alone and know only MD5 (sipp 3.6, for one);
	// JsSIP and SIP.js fail if MD5 comes before SHA-256.
	Digests  []string
	Accounts Accounts
	Bindings Bindings // nil: registrations live in memory only
	Node     string   // stored with registrations
	// Codecs are offered and taken, best first; nil: sdp.Codecs. A trunk may have
	// its own.
	Codecs []string
	Lamps  Lamps // nil: there is nothing to subscribe to
	// Watches bounds the subscriptions of this node; 10,000 unless set.
	Watches int
	// Places are the legs of a live call whose place a rep may take: an agent's,
	// or for "" its parked caller's. It must not block. nil: lamps name no dialogs.
	Places func(id call.ID, agent string) []callctl.Leg
	// Trunks is read for every call, so a change counts from the next one on.
	Trunks func() []routing.Trunk
	// OpenMedia opens a port for a leg whose peer is told to send to an address.
	OpenMedia func(leg call.LegID, told netip.Addr) (MediaPort, error)
	// SRTP is "off", "optional" or "required" for phones whose account does not say;
	// "" is optional. Browsers protect audio always.
	SRTP string
	// Fingerprint is of the certificate that the media engine makes keys with; none:
	// no DTLS, and so no browsers.
	Fingerprint sdp.Fingerprint
	// OnCall takes a new call. It may take its time: only that call waits.
	OnCall func(callctl.Incoming)
	Log    *slog.Logger
	Now    func() time.Time // nil: time.Now

	Timers      Timers
	TrunkTimers TrunkTimers
	DNS         []string // servers, ip:port; nil: the machine's
	// InvitesPerS bounds new calls over all sources (burst: twice that); beyond
	// it 503 with Retry-After. 0: 500.
	InvitesPerS float64
	// RequestsPerS bounds REGISTER, OPTIONS and the like over all sources in the
	// same way. 0: 1000.
	RequestsPerS float64
	// KeepAlive is how long a phone behind NAT or a connection may be silent
	// before it is asked for a sign of life. 0: 27 s.
	KeepAlive time.Duration
	// HealthEvery is how often each listener is asked OPTIONS, see Health. 0: 15 s.
	HealthEvery time.Duration
	// PacketsPerS bounds messages of one source address, its burst is four
	// times that. 0: 2000.
	PacketsPerS float64
	// StopWait bounds how long Stop waits for BYEs to be answered. 0: 2 s.
	StopWait time.Duration
}

// Accounts are the agents that may register and call. Account is asked for every
// call and must answer from memory.
type Accounts interface {
	Account(user string) (Account, bool)
}

// Account is an agent as a SIP user.
type Account struct {
	Agent     string // name, the SIP user
	Display   string
	Extension string
	HA1       queues.HA1
	SRTP      string // "off", "optional", "required"; "": the node's
}

// Bindings keeps registrations across restarts; queues.Store has this shape.
type Bindings interface {
	SaveDevice(ctx context.Context, d queues.Device) error
	DropDevice(ctx context.Context, d queues.Device) error
	Devices(ctx context.Context, agent string, now time.Time) ([]queues.Device, error)
}

// Server is the SIP edge. It implements callctl.Dialer.
type Server struct {
	cfg    Config
	timers Timers
	stats  *counters

	tp        *transports
	lanes     *lanes
	tx        *transactions
	legs      *legs
	names     *names
	registrar *registrar
	watches   *watches
	auth      *authenticator
	sources   *buckets[ipKey]
	invites   *buckets[struct{}]
	others    *buckets[struct{}] // requests outside dialogs other than INVITE
	upgrades  *buckets[ipKey]    // WebSocket connections being made
	carriers  *carriers
	refusals  *buckets[struct{}] // how many refusals are logged
	strays    *buckets[struct{}] // answers nobody waits for that are ended
	web       atomic.Pointer[listener]
	sick      atomic.Pointer[error] // see Health
	signs     *signs

	sockets   sync.Mutex // the sockets of listeners, which may be opened again
	mu        sync.Mutex // Start and Stop
	started   bool
	stopped   bool
	stopping  chan struct{}
	listeners []*listener
	quit      chan struct{}
	wg        sync.WaitGroup
}

var _ callctl.Dialer = (*Server)(nil)

// New makes a server that does nothing until Start.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Trunks == nil {
		cfg.Trunks = func() []routing.Trunk { return nil }
	}
	if cfg.InvitesPerS == 0 {
		cfg.InvitesPerS = 500
	}
	if cfg.KeepAlive == 0 {
		cfg.KeepAlive = keepAliveEvery
	}
	if cfg.HealthEvery == 0 {
		cfg.HealthEvery = 15 * time.Second
	}
	if cfg.RequestsPerS == 0 {
		cfg.RequestsPerS = 1000
	}
	if cfg.PacketsPerS == 0 {
		cfg.PacketsPerS = 2000
	}
	if cfg.StopWait == 0 {
		cfg.StopWait = 2 * time.Second
	}
	s := &Server{cfg: cfg, timers: cfg.Timers.orDefault(), stats: &counters{}, quit: make(chan struct{}), stopping: make(chan struct{})}
	s.lanes = newLanes(cfg.Log, 64, s.stats)
	s.legs = newLegs()
	s.names = newNames()
	s.auth = newAuthenticator(cfg)
	s.registrar = newRegistrar(cfg, s.stats)
	s.watches = newWatches(cfg.Now, s.lanes, cfg.Watches)
	s.sources = newBuckets[ipKey](cfg.PacketsPerS, 4*cfg.PacketsPerS, cfg.Now)
	s.invites = newBuckets[struct{}](cfg.InvitesPerS, 2*cfg.InvitesPerS, cfg.Now)
	s.carriers = newCarriers(s)
	s.refusals = newBuckets[struct{}](1, 10, cfg.Now)
	s.strays = newBuckets[struct{}](20, 50, cfg.Now)
	s.signs = newSigns()
	s.others = newBuckets[struct{}](cfg.RequestsPerS, 2*cfg.RequestsPerS, cfg.Now)
	s.upgrades = newBuckets[ipKey](50, 300, cfg.Now)
	s.tp = newTransports(s.stats, cfg.Log, cfg.Now)
	s.tp.admit, s.tp.lost = s.passes, s.streamLost
	s.tx = newTransactions(s.tp, s.lanes, slog.New(slog.DiscardHandler), s.stats, cfg.Now, s)
	return s
}

// Start loads the registrations and listens. An address in use is a
// *PortInUseError.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return errors.New("start SIP: started before")
	}
	if len(s.cfg.Listen) == 0 {
		return errors.New("start SIP: no interface to listen on")
	}
	var err error
	if s.tp.hello, err = s.cfg.TLS.load(s.certFailed); err != nil {
		return err
	}
	for _, i := range s.cfg.Listen {
		l, err := open(ctx, i, s.certFailed)
		if err != nil {
			for _, l := range s.listeners {
				l.close()
			}
			s.listeners = nil
			return err
		}
		s.listeners = append(s.listeners, l)
	}
	if err := s.registrar.load(ctx); err != nil {
		// Phones register again within their interval; not to start would be worse.
		s.cfg.Log.WarnContext(ctx, "registrations not loaded", "err", err)
	}
	s.started = true
	for _, l := range s.listeners {
		if l.udp != nil {
			s.tp.addSocket(l.udp)
		}
		s.wg.Add(1)
		go s.serve(l) //nolint:contextcheck // outlives the start
		s.cfg.Log.InfoContext(ctx, "listening for SIP", "transport", l.Transport, "addr", l.addr, "advertised", fmt.Sprintf("%s:%d", l.host, l.port))
	}
	s.wg.Go(func() { s.watches.run(s.quit) }) //nolint:contextcheck // outlives the start
	s.web.Store(s.listeners[0].forWeb(s.cfg.Web))
	s.wg.Add(1)
	go s.tend() //nolint:contextcheck // outlives the start
	s.wg.Go(s.watchHealth)
	s.carriers.reconcile() //nolint:contextcheck // registrations outlive the start
	return nil
}

// tend does what must be done from time to time.
func (s *Server) tend() {
	defer s.wg.Done()
	tick, alive := time.NewTicker(10*time.Second), time.NewTicker(s.cfg.KeepAlive/4)
	defer tick.Stop()
	defer alive.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-alive.C:
			s.tp.guard(s.keepAlive)
		case <-tick.C:
			s.tx.watch(20 * time.Second)
			s.registrar.expire()
			s.names.forget(s.cfg.Now())
			s.auth.forget()
			s.carriers.reconcile()
		}
	}
}

// Stop refuses new calls, ends those that are left, waits a little for their
// BYEs to be answered, and closes everything. It may be called twice.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started || s.stopped {
		return
	}
	s.stopped = true
	close(s.stopping)
	for _, l := range s.legs.all() {
		l.Hangup(causeShutdown, "")
	}
	s.carriers.stop()
	s.watches.stop()
	deadline, cancel := context.WithTimeout(context.Background(), s.cfg.StopWait)
	defer cancel()
	for _, idle := range []<-chan struct{}{s.legs.idle(), s.watches.idle()} {
		select {
		case <-idle:
		case <-deadline.Done():
		}
	}
	close(s.quit)
	s.sockets.Lock()
	for _, l := range s.listeners {
		l.close()
	}
	s.sockets.Unlock()
	s.tp.close()
	s.tx.close()
	s.lanes.close()
	s.wg.Wait()
}

// LampsChanged has all subscriptions looked at: who watches what has changed is
// told. It never blocks.
func (s *Server) LampsChanged() { s.watches.changed() }

// AccountsChanged ends the subscriptions of reps who are no more.
func (s *Server) AccountsChanged() {
	for _, w := range s.watches.all() {
		if _, ok := s.cfg.Accounts.Account(w.agent); !ok {
			s.lanes.do(w.dialog.CallID, func() { w.end("rejected") }) // RFC 6665 §4.1.3: not to come back
		}
	}
}

// Watched says whether anybody subscribes to anything.
func (s *Server) Watched() bool { return s.watches.len() > 0 }

// Addrs are the addresses listened on, "udp 127.0.0.1:5060", in the order given.
func (s *Server) Addrs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var as []string
	for _, l := range s.listeners {
		as = append(as, l.Transport+" "+l.addr)
	}
	return as
}

// reroute sends a request over another way when the stream its peer used is
// gone: a browser's next connection, else to the remote target, which may accept
// a new one.
func (s *Server) reroute(req *sip.Request, d *Dialog) {
	if d.Flow.Transport == "udp" || len(d.Routes) > 0 || s.tp.stream(d.Flow.Transport, req.Destination()) != nil {
		return
	}
	if d.Flow.Transport == "ws" {
		if remote, err := s.webFlow(d); err == nil {
			d.Flow.Remote = remote
			req.SetDestination(remote)
		}
		return
	}
	if u, _, ok := uriOf("<" + d.Target + ">"); ok {
		req.SetDestination(hostPort(&u, d.Flow.Transport))
	}
}

// streamLost is told of every stream that ended.
func (s *Server) streamLost(c *stream) {
	if c.transport == "ws" {
		s.registrar.lost(c.transport, c.peer.String())
	}
}

func (s *Server) isStopping() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// certFailed reports a certificate that cannot be used in place of the one before.
func (s *Server) certFailed(err error) {
	s.cfg.Log.Error("new certificate not usable, the one before stays", "err", err)
}

// capabilities are the headers of an answer to OPTIONS (RFC 3261 §11.2).
func (s *Server) capabilities() []sip.Header {
	return []sip.Header{allowHeader(), allowEvents(), sip.NewHeader("Accept", "application/sdp"), supportedHeader(), sip.NewHeader("Accept-Encoding", "identity")}
}
