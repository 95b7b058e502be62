package sipua

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// transports are our own: the library's keep every sender for ever, log what
// strangers send, lose long or fragmented messages, and end at the first error
// (docs/adr/0017). The library parses, and runs the transactions' state machines.
type transports struct {
	parser *sip.Parser
	stats  *counters
	log    *slog.Logger
	now    func() time.Time

	admit   func(source netip.Addr, data []byte) bool // may this be parsed?
	message func(m sip.Message, over sip.Connection)
	lost    func(*stream) // a stream has ended
	hello   outboundTLS
	limits  streamLimits

	mu       sync.Mutex
	sockets  []*socket
	streams  map[streamKey]*stream
	perIP    map[netip.Addr]int
	dialing  map[streamKey]chan struct{}
	greeting map[net.Conn]struct{} // TLS handshakes under way
	names    map[string]string     // whom the TLS connection to an address was verified as
	shut     bool
	wg       sync.WaitGroup // readers of streams
}

type streamKey struct{ transport, remote string }

// streamLimits bound what silent or slow peers can hold.
type streamLimits struct {
	first   time.Duration // until the first whole message
	idle    time.Duration // between messages
	webIdle time.Duration // between frames, pongs among them
	whole   time.Duration // for one message
	write   time.Duration
	total   int
	perIP   int
}

var usualLimits = streamLimits{
	first: 30 * time.Second, idle: maxExpires + 10*time.Minute, webIdle: 2 * time.Minute, whole: 20 * time.Second, write: 5 * time.Second,
	total: 20000, perIP: 2000,
}

// dialTimeout bounds how long a lane waits for a connection.
const dialTimeout = 4 * time.Second

// NoFlowError says that a peer can only be reached over a connection it made,
// and that this is gone.
type NoFlowError struct{ Transport, Remote string }

func (e *NoFlowError) Error() string {
	return fmt.Sprintf("the %s connection of %s is gone", e.Transport, e.Remote)
}

var errShut = errors.New("the SIP transports are closed")

func newTransports(stats *counters, log *slog.Logger, now func() time.Time) *transports {
	setUpLibrary()
	return &transports{
		parser: sip.NewParser(), stats: stats, log: log, now: now, limits: usualLimits,
		streams: map[streamKey]*stream{}, perIP: map[netip.Addr]int{}, dialing: map[streamKey]chan struct{}{}, names: map[string]string{}, greeting: map[net.Conn]struct{}{},
	}
}

// guard runs what is done for a peer's message: a panic ends the message, not
// the process.
func (t *transports) guard(f func()) {
	defer func() {
		if r := recover(); r != nil {
			t.stats.panics.Add(1)
			t.log.Error("panic while reading SIP", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// take parses one message and passes it on; false if it is none.
func (t *transports) take(data []byte, network string, remote string, over sip.Connection) (ok bool) {
	t.guard(func() {
		m, err := t.parser.ParseSIP(data)
		if err != nil || m == nil {
			t.stats.parseDropped.Add(1)
			if res := complaint(data, 400, "Bad Request"); res != nil {
				_ = over.WriteMsg(res)
			}
			return
		}
		ok = true
		m.SetTransport(sip.NetworkToUpper(network))
		m.SetSource(remote)
		t.message(m, over)
	})
	return ok
}

// add makes a stream findable; false when there are too many, or of one address.
func (t *transports) add(s *stream) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	ip := s.peer.Addr()
	if t.shut || len(t.streams) >= t.limits.total || (!s.ours && t.perIP[ip] >= t.limits.perIP) {
		return false
	}
	t.streams[s.key()] = s
	t.perIP[ip]++
	t.wg.Add(1)
	return true
}

// remove forgets a stream that has ended. A newer one of the same address stays.
func (t *transports) remove(s *stream) {
	defer t.wg.Done()
	t.mu.Lock()
	if t.streams[s.key()] == s {
		delete(t.streams, s.key())
	}
	if t.perIP[s.peer.Addr()]--; t.perIP[s.peer.Addr()] <= 0 {
		delete(t.perIP, s.peer.Addr())
	}
	shut := t.shut
	t.mu.Unlock()
	_ = s.Close()
	if t.lost != nil && !shut {
		t.guard(func() { t.lost(s) })
	}
}

// stream finds an open stream to a remote ip:port; nil if there is none.
func (t *transports) stream(transport, remote string) *stream {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		remote = unmap(ap).String()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.streams[streamKey{sip.NetworkToLower(transport), remote}]
}

// open lists the streams there are.
func (t *transports) open() []*stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*stream, 0, len(t.streams))
	for _, s := range t.streams {
		all = append(all, s)
	}
	return all
}

// write sends a message without a transaction: the ACK of a 2xx.
func (t *transports) write(req *sip.Request) error {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	c, err := t.connection(ctx, req)
	if err != nil {
		return err
	}
	return c.WriteMsg(req)
}

// connection is the way a request of ours takes: the socket it is to leave from,
// or the open stream to its destination, or a new one. It may take as long as
// dialTimeout.
func (t *transports) connection(ctx context.Context, req *sip.Request) (sip.Connection, error) {
	transport := sip.NetworkToLower(req.Transport())
	to, err := lookUp(ctx, req.Destination(), transport)
	if err != nil {
		return nil, err
	}
	req.SetDestination(to.String())
	if transport == "udp" {
		s := t.socket(req.Laddr, to.Addr())
		if s == nil {
			return nil, fmt.Errorf("no UDP socket for %s", to)
		}
		if tcp := t.instead(req, to); tcp != nil {
			return tcp, nil
		}
		return &datagrams{socket: s, peer: to}, nil
	}
	key := streamKey{transport, to.String()}
	for {
		t.mu.Lock()
		if t.shut {
			t.mu.Unlock()
			return nil, errShut
		}
		if s := t.streams[key]; s != nil {
			t.mu.Unlock()
			return s, nil
		}
		if transport == "ws" || transport == "wss" {
			t.mu.Unlock()
			return nil, &NoFlowError{Transport: transport, Remote: to.String()}
		}
		wait := t.dialing[key]
		if wait == nil {
			wait = make(chan struct{})
			t.dialing[key] = wait
			t.mu.Unlock()
			s, err := t.dial(ctx, key, to, req)
			t.mu.Lock()
			delete(t.dialing, key)
			t.mu.Unlock()
			close(wait)
			if err != nil {
				return nil, err
			}
			return s, nil
		}
		t.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to %s over %s: %w", to, transport, ctx.Err())
		}
	}
}

// largeUDP is where RFC 3261 §18.1.1 wants a request to go over TCP.
const largeUDP = 1300

// instead is the TCP connection that a large request takes in place of UDP, if
// its peer has one; else it is fragmented, which most networks bear.
func (t *transports) instead(req *sip.Request, to netip.AddrPort) sip.Connection {
	n := len(req.String())
	if n <= largeUDP {
		return nil
	}
	if s := t.stream("tcp", to.String()); s != nil && req.Via() != nil {
		req.Via().Transport = "TCP"
		req.SetTransport("TCP")
		return s
	}
	if t.stats.fragmented.Add(1) == 1 {
		t.log.Warn("a request over UDP is fragmented; this is said once", "bytes", n, "method", string(req.Method))
	}
	return nil
}

// lookUp makes an address of a destination. Trunks' names are resolved before
// (RFC 3263); what comes here as a name has a port or the usual one.
func lookUp(ctx context.Context, dest, transport string) (netip.AddrPort, error) {
	if ap, err := netip.ParseAddrPort(dest); err == nil {
		return unmap(ap), nil
	}
	host, port, err := net.SplitHostPort(dest)
	if err != nil {
		host, port = dest, strconv.Itoa(sip.DefaultPort(transport))
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("destination %q: %w", dest, err)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("resolve %s: %w", host, err)
	}
	best := ips[0]
	for _, ip := range ips {
		if ip.Unmap().Is4() {
			best = ip
			break
		}
	}
	return netip.AddrPortFrom(best.Unmap(), uint16(n)), nil
}

func unmap(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// socket is the UDP socket to send from: the one named, else the first that can
// reach the address.
func (t *transports) socket(from sip.Addr, to netip.Addr) *socket {
	t.mu.Lock()
	defer t.mu.Unlock()
	var near *socket
	for _, s := range t.sockets {
		if from.Port == int(s.at.Port()) {
			if ip, ok := netip.AddrFromSlice(from.IP); ok && ip.Unmap() == s.at.Addr() {
				return s
			}
		}
		if near == nil && (s.at.Addr().Is4() == to.Is4() || s.at.Addr() == netip.IPv6Unspecified()) {
			near = s
		}
	}
	return near
}

// close ends every stream and waits for their readers. The listeners are closed
// by who opened them.
func (t *transports) close() {
	t.mu.Lock()
	t.shut = true
	for _, s := range t.streams {
		_ = s.Close()
	}
	for c := range t.greeting {
		_ = c.Close()
	}
	t.mu.Unlock()
	t.wg.Wait()
}
