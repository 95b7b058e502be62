// Package media carries the audio of calls: RTP ports, music and prompts, the
// bridge between two legs, digits (RFC 4733), RTCP and recording.
//
// A Port is one leg's audio and a callctl.Media. Audio is passed through; only
// the header is rewritten, so that the far end hears one continuous stream from
// us whatever it is made of. Music and prompts are sent by a few wheels, packets
// are read by a few loops: no call has a goroutine of its own.
package media

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Config is what an engine is made of. Only IP is needed.
type Config struct {
	IP         netip.Addr // bound by every port; may be 0.0.0.0 or ::
	Advertised netip.Addr // goes into SDP; IP if not set
	PortMin    int        // first RTP port, 20000
	PortMax    int        // last port, RTCP's included, 29999
	Music      string     // folder of WAV files that join the built-in sounds; "" for none
	Library    *Library   // instead of a new one
	Silence    time.Duration
	Log        *slog.Logger
	Clock      func() time.Time
	// Portable uses plain net with a goroutine per socket where epoll would be had.
	Portable bool
}

// ErrStopped is returned by Open on an engine that does not run.
var ErrStopped = errors.New("media engine is not running")

// Engine owns the ports, the wheels and the readers.
type Engine struct {
	cfg     Config
	library *Library
	started time.Time // monotonic zero of what wheels and streams count
	ports   *portRange
	work    sync.WaitGroup // wheels, upkeep, callbacks, recorders and handshakes

	certificate      tls.Certificate
	fingerprint      Fingerprint
	unauthentic      atomic.Uint64
	handshakesFailed atomic.Uint64

	mu      sync.Mutex // guards what follows
	network network    // nil when not running
	wheels  []*wheel
	open    map[*Port]struct{}
	turn    int
	stop    chan struct{}
	drained bool // Stop waits for work, or has: nothing may join it
}

// New checks the configuration and loads the sounds. Nothing runs before Start.
func New(cfg Config) (*Engine, error) {
	if !cfg.IP.IsValid() {
		return nil, errors.New("media: no IP address to bind")
	}
	if !cfg.Advertised.IsValid() {
		cfg.Advertised = cfg.IP
	}
	if cfg.PortMin == 0 && cfg.PortMax == 0 {
		cfg.PortMin, cfg.PortMax = 20000, 29999
	}
	if cfg.Silence == 0 {
		cfg.Silence = 30 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	ports, err := newPortRange(cfg.PortMin, cfg.PortMax)
	if err != nil {
		return nil, err
	}
	if cfg.Library == nil {
		if cfg.Library, err = NewLibrary(); err != nil {
			return nil, err
		}
	}
	if cfg.Music != "" {
		if err := cfg.Library.Load(os.DirFS(cfg.Music)); err != nil {
			return nil, fmt.Errorf("load music from %s: %w", cfg.Music, err)
		}
	}
	e := &Engine{cfg: cfg, library: cfg.Library, ports: ports, open: map[*Port]struct{}{}}
	if e.certificate, e.fingerprint, err = newCertificate(); err != nil {
		return nil, fmt.Errorf("certificate for encrypted audio: %w", err)
	}
	return e, nil
}

// Start runs the readers and wheels. Starting twice does nothing.
func (e *Engine) Start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.network != nil {
		return nil
	}
	cpus := runtime.GOMAXPROCS(0)
	var n network = newPlain()
	if !e.cfg.Portable {
		fast, err := newFast(cpus)
		if err != nil {
			return fmt.Errorf("start media readers: %w", err)
		}
		n = fast
	}
	e.network, e.stop, e.started = n, make(chan struct{}), e.cfg.Clock()
	e.wheels, e.drained = nil, false
	epoch := time.Now()
	for range cpus {
		w := newWheel(epoch)
		e.wheels = append(e.wheels, w)
		e.work.Go(func() { w.run(e.stop) })
	}
	stop := e.stop
	e.work.Go(func() { e.upkeep(stop) })
	return nil
}

// Stop closes every port, completes recordings and waits until nothing of the
// engine runs any more. Stopping twice does nothing. Not to be called from a callback.
func (e *Engine) Stop() {
	e.mu.Lock()
	n, ports := e.network, e.open
	if n == nil {
		e.mu.Unlock()
		return
	}
	e.network, e.open = nil, map[*Port]struct{}{}
	close(e.stop)
	e.mu.Unlock()
	for p := range ports {
		p.Close()
	}
	n.stop()
	e.mu.Lock()
	e.drained = true
	e.mu.Unlock()
	e.work.Wait()
}

// spawn runs f on a goroutine that Stop waits for; after Stop, on one of its own.
func (e *Engine) spawn(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.drained {
		go f()
		return
	}
	e.work.Go(f)
}

// Library is the engine's sounds.
func (e *Engine) Library() *Library { return e.library }

// Fingerprint is of the certificate that handshakes are made with, for our SDP.
func (e *Engine) Fingerprint() Fingerprint { return e.fingerprint }

// Refused counts what protection kept out since the start: packets that were not
// from whoever has the keys, and handshakes that failed.
func (e *Engine) Refused() (packets, handshakes uint64) {
	return e.unauthentic.Load(), e.handshakesFailed.Load()
}

// Advertised is the address for the c= line of our SDP.
func (e *Engine) Advertised() netip.Addr { return e.cfg.Advertised }

// Open binds an even UDP port chosen at random, and with it the next odd one for
// RTCP unless mux is set, which is for answers to an offer with a=rtcp-mux. The
// port is not given out again until 5 s after its Close. leg goes into the log.
func (e *Engine) Open(leg call.LegID, mux bool) (*Port, error) {
	return e.OpenAt(leg, netip.Addr{}, mux)
}

// OpenAt is Open for a leg that is told to send to an address: the port is bound
// to that address if it is the machine's, and otherwise, as behind NAT, so that
// audio of its family is heard.
func (e *Engine) OpenAt(leg call.LegID, told netip.Addr, mux bool) (*Port, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.network == nil {
		return nil, ErrStopped
	}
	p := newPort(e, leg, e.wheels[e.turn%len(e.wheels)], e.turn/len(e.wheels)%subTicks)
	number, err := e.ports.take(e.cfg.Clock(), func(number int) (err error) {
		for _, ip := range e.cfg.bindings(told.Unmap()) {
			if err = p.bind(e.network, ip, number, mux); !errors.Is(err, syscall.EADDRNOTAVAIL) {
				return err
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open audio for %s: %w", leg, err)
	}
	p.number = number
	e.turn++
	e.open[p] = struct{}{}
	return p, nil
}

// bindings are the addresses to bind for who is told to send to one, best first.
func (c Config) bindings(told netip.Addr) []netip.Addr {
	if !told.IsValid() || told == c.IP || !c.IP.IsUnspecified() && c.IP.Is4() == told.Is4() {
		return []netip.Addr{c.IP}
	}
	every := netip.IPv4Unspecified()
	if told.Is6() || c.IP.Is6() && c.IP.IsUnspecified() {
		every = netip.IPv6Unspecified() // hears IPv4 too
	}
	return []netip.Addr{told, every}
}

// Ports is how many ports are open.
func (e *Engine) Ports() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.open)
}

func (e *Engine) forget(p *Port) {
	e.mu.Lock()
	delete(e.open, p)
	e.mu.Unlock()
	e.ports.release(p.number, e.cfg.Clock())
}

// now counts from the engine's start.
func (e *Engine) now() time.Duration { return e.cfg.Clock().Sub(e.started) }

// upkeep sends RTCP when it is due and tells of silence.
func (e *Engine) upkeep(stop <-chan struct{}) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var ports []*Port
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		e.mu.Lock()
		ports = ports[:0]
		for p := range e.open {
			ports = append(ports, p)
		}
		e.mu.Unlock()
		now := e.now()
		for _, p := range ports {
			p.upkeep(now)
		}
	}
}
