package sipua

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/tlsfile"
)

// Interface is one address SIP is spoken on, and what peers are told of it.
type Interface struct {
	Name       string // for logs; "" is the address
	Transport  string // "udp", "tcp", "tls"
	Bind       string // ip:port; port 0 picks one
	Advertised string // host or host:port that peers are told; "" is Bind
	// LocalNets are the peers that are told the bound address all the same: they
	// are on our side of the NAT.
	LocalNets []netip.Prefix
	// Media is the address for c= lines of peers elsewhere; invalid: the
	// advertised one if that is an address, else the bound one.
	Media             netip.Addr
	CertFile, KeyFile string // for "tls"
	ClientCAs         string // for "tls": PEM of the authorities that clients must be certified by; "" asks for nothing
}

// listener is an open Interface.
type listener struct {
	Interface
	addr  string // as bound: ip:port
	host  string // for Via and Contact
	port  int
	media netip.Addr // for c= lines
	udp   *socket
	tcp   net.Listener
	tls   *tls.Config
	pair  *tlsfile.Pair
}

// PortInUseError names the address somebody else listens on.
type PortInUseError struct {
	Transport, Addr string
	Err             error
}

func (e *PortInUseError) Error() string {
	return fmt.Sprintf("listen for SIP on %s %s: the port is in use by another process: %v", e.Transport, e.Addr, e.Err)
}

func (e *PortInUseError) Unwrap() error { return e.Err }

// open binds the interface.
func open(ctx context.Context, i Interface, certFailed func(error)) (*listener, error) {
	l := &listener{Interface: i}
	l.Transport = strings.ToLower(i.Transport)
	var err error
	switch l.Transport {
	case "udp":
		err = l.openUDP(i.Bind)
	case "tcp", "tls":
		var c net.Listener
		if c, err = (&net.ListenConfig{}).Listen(ctx, "tcp", i.Bind); err == nil {
			l.tcp, l.addr = c, c.Addr().String()
		}
	default:
		return nil, fmt.Errorf("listen for SIP on %s: unknown transport %q", i.Bind, i.Transport)
	}
	if inUse(err) {
		return nil, &PortInUseError{Transport: l.Transport, Addr: i.Bind, Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("listen for SIP on %s %s: %w", l.Transport, i.Bind, err)
	}
	if err = l.advertise(); err == nil && l.Transport == "tls" {
		err = l.certify(certFailed)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *listener) openUDP(bind string) error {
	a, err := net.ResolveUDPAddr("udp", bind)
	if err != nil {
		return fmt.Errorf("resolve %s: %w", bind, err)
	}
	c, err := net.ListenUDP("udp", a)
	if err != nil {
		return err //nolint:wrapcheck // told apart and wrapped by open
	}
	// As much as the kernel allows: a burst of calls must not be lost there.
	_ = c.SetReadBuffer(4 << 20)
	l.addr = c.LocalAddr().String()
	at, err := netip.ParseAddrPort(l.addr)
	if err != nil {
		_ = c.Close()
		return fmt.Errorf("bound to %s: %w", l.addr, err)
	}
	l.udp = &socket{UDPConn: c, at: unmap(at)}
	return nil
}

// certify reads what a TLS listener shows and asks for.
func (l *listener) certify(failed func(error)) error {
	var err error
	if l.pair, err = tlsfile.Load(l.CertFile, l.KeyFile, failed); err != nil {
		return fmt.Errorf("listen for SIP on tls %s: %w", l.addr, err)
	}
	l.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: l.pair.Certificate}
	if l.ClientCAs != "" {
		if l.tls.ClientCAs, err = tlsfile.Pool(l.ClientCAs); err != nil {
			return fmt.Errorf("listen for SIP on tls %s: %w", l.addr, err)
		}
		l.tls.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return nil
}

func (l *listener) advertise() error {
	bound, err := netip.ParseAddrPort(l.addr)
	if err != nil {
		return fmt.Errorf("listen for SIP on %s: %w", l.addr, err)
	}
	l.host, l.port, l.media = bound.Addr().Unmap().String(), int(bound.Port()), bound.Addr().Unmap()
	if l.Advertised != "" {
		l.tell(l.Advertised)
	}
	if l.Media.IsValid() {
		l.media = l.Media.Unmap()
	}
	if l.media.IsUnspecified() {
		return fmt.Errorf("listen for SIP on %s: bound to every address, so the one to tell peers must be given", l.addr)
	}
	return nil
}

// tell takes host or host:port as what peers are told.
func (l *listener) tell(advertised string) {
	l.host = trimBrackets(advertised)
	if h, p, err := net.SplitHostPort(advertised); err == nil {
		l.host = h
		if n, err := strconv.Atoi(p); err == nil {
			l.port = n
		}
	}
	if a, err := netip.ParseAddr(l.host); err == nil {
		l.media = a.Unmap()
	}
}

func (l *listener) close() {
	if l.udp != nil {
		_ = l.udp.Close()
	}
	if l.tcp != nil {
		_ = l.tcp.Close()
	}
}

// serve reads until the server stops. A listener that ends is opened again at
// the same address: deaf, we would lose every call without a sign.
func (s *Server) serve(l *listener) {
	defer s.wg.Done()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		began := time.Now()
		err := s.read(l)
		if time.Since(began) > time.Minute {
			pause = 20 * time.Millisecond
		}
		select {
		case <-s.quit:
			return
		case <-time.After(pause):
		}
		s.stats.restarts.Add(1)
		s.cfg.Log.Error("SIP listener ended, starting it again", slog.String("transport", l.Transport), slog.String("addr", l.addr), slog.Any("err", err))
		if !errors.Is(err, net.ErrClosed) {
			continue
		}
		if err := s.reopen(l); err != nil {
			s.cfg.Log.Error("SIP listener not opened again", slog.String("transport", l.Transport), slog.String("addr", l.addr), slog.Any("err", err))
		}
	}
}

// read serves a listener until its socket fails.
func (s *Server) read(l *listener) error {
	s.sockets.Lock()
	udp, tcp := l.udp, l.tcp
	s.sockets.Unlock()
	if udp != nil {
		return s.tp.readUDP(udp)
	}
	for {
		c, err := tcp.Accept()
		if err != nil {
			return fmt.Errorf("accept on %s: %w", l.addr, err)
		}
		s.wg.Go(func() {
			if l.tls != nil {
				tc, ok := s.tp.greet(c, l.tls)
				if !ok {
					return
				}
				c = tc
			}
			s.tp.accept(c, l.Transport)
		})
	}
}

// reopen binds a listener's address anew.
func (s *Server) reopen(l *listener) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.sockets.Lock()
	defer s.sockets.Unlock()
	select {
	case <-s.quit:
		return net.ErrClosed
	default:
	}
	if l.udp == nil {
		c, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.addr)
		if err != nil {
			return fmt.Errorf("listen on %s: %w", l.addr, err)
		}
		l.tcp = c
		return nil
	}
	s.tp.dropSocket(l.udp)
	if err := l.openUDP(l.addr); err != nil {
		return fmt.Errorf("listen on %s: %w", l.addr, err)
	}
	s.tp.addSocket(l.udp)
	return nil
}

// forWeb is the listener as browsers see it: they reach us over the HTTP server
// and send everything over the connection they have.
func (l *listener) forWeb(w Web) *listener {
	web := &listener{Interface: l.Interface, addr: l.addr, host: l.host, port: l.port, media: l.media}
	web.Transport = "ws"
	if w.Advertised != "" {
		web.Advertised = w.Advertised
		web.tell(w.Advertised)
	}
	return web
}

// local is what a peer of a flow is told of the interface the flow uses: found
// by its address, else by port and transport (a wildcard bind has connections of
// other addresses).
func (s *Server) local(f Flow) *listener {
	l := s.iface(f)
	if l == nil {
		return nil
	}
	peer := ipOf(f.Remote)
	for _, n := range l.LocalNets {
		if n.Contains(peer) {
			return l.inside(f, peer)
		}
	}
	return l
}

func (s *Server) iface(f Flow) *listener {
	if f.Transport == "ws" {
		return s.web.Load()
	}
	var near *listener
	for _, l := range s.listeners {
		if l.Transport != f.Transport {
			continue
		}
		if l.addr == f.Local {
			return l
		}
		if near == nil || strings.HasSuffix(f.Local, ":"+strconv.Itoa(l.port)) {
			near = l
		}
	}
	if near == nil && len(s.listeners) > 0 {
		near = s.listeners[0]
	}
	return near
}

// inside is the listener as peers on our side of the NAT are told of it: by the
// address it is bound to, or, bound to all, the one that leads to them.
func (l *listener) inside(f Flow, peer netip.Addr) *listener {
	at, err := netip.ParseAddrPort(l.addr)
	if err != nil {
		return l
	}
	ip := at.Addr().Unmap()
	if ip.IsUnspecified() {
		if ip = ipOf(f.Local); !ip.IsValid() || ip.IsUnspecified() {
			if ip = towards(peer); !ip.IsValid() {
				return l
			}
		}
	}
	in := &listener{Interface: l.Interface, addr: l.addr, host: ip.String(), port: int(at.Port()), media: ip}
	return in
}

// towards is our address on the way to a peer. Connecting a UDP socket sends
// nothing; it asks the routing table.
func towards(peer netip.Addr) netip.Addr {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(peer, 9)))
	if err != nil {
		return netip.Addr{}
	}
	defer func() { _ = c.Close() }()
	return ipOf(c.LocalAddr().String())
}

// contact is how peers of a flow reach us.
func (l *listener) contact(user string) *sip.ContactHeader {
	u := sip.Uri{Scheme: "sip", User: user, Host: l.host, Port: l.port}
	if l.Transport != "udp" {
		u.UriParams = sip.HeaderParams{{K: "transport", V: l.Transport}}
	}
	return &sip.ContactHeader{Address: u}
}

func trimBrackets(host string) string { return strings.Trim(host, "[]") }
