package sipua

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Interface is one address SIP is spoken on.
type Interface struct {
	Transport  string // "udp", "tcp"
	Bind       string // ip:port; port 0 picks one
	Advertised string // host or host:port that peers are told; "" is Bind
}

// listener is an open Interface.
type listener struct {
	Interface
	addr  string // as bound: ip:port
	host  string // for Via and Contact
	port  int
	media netip.Addr // for c= lines
	udp   net.PacketConn
	tcp   net.Listener
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
func open(ctx context.Context, i Interface) (*listener, error) {
	l := &listener{Interface: i}
	l.Transport = strings.ToLower(i.Transport)
	var err error
	switch l.Transport {
	case "udp":
		var c *net.UDPConn
		var a *net.UDPAddr
		if a, err = net.ResolveUDPAddr("udp", i.Bind); err == nil {
			if c, err = net.ListenUDP("udp", a); err == nil {
				// As much as the kernel allows: a burst of calls must not be lost there.
				_ = c.SetReadBuffer(4 << 20)
				l.udp, l.addr = c, c.LocalAddr().String()
			}
		}
	case "tcp":
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
	if err := l.advertise(); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *listener) advertise() error {
	bound, err := netip.ParseAddrPort(l.addr)
	if err != nil {
		return fmt.Errorf("listen for SIP on %s: %w", l.addr, err)
	}
	l.host, l.port, l.media = bound.Addr().Unmap().String(), int(bound.Port()), bound.Addr().Unmap()
	if l.Advertised != "" {
		l.host = l.Advertised
		if h, p, err := net.SplitHostPort(l.Advertised); err == nil {
			l.host = h
			if n, err := strconv.Atoi(p); err == nil {
				l.port = n
			}
		}
		if a, err := netip.ParseAddr(strings.Trim(l.host, "[]")); err == nil {
			l.media = a.Unmap()
		}
	}
	if l.media.IsUnspecified() {
		return fmt.Errorf("listen for SIP on %s: bound to every address, so the one to tell peers must be given", l.addr)
	}
	return nil
}

func (l *listener) close() {
	if l.udp != nil {
		_ = l.udp.Close()
	}
	if l.tcp != nil {
		_ = l.tcp.Close()
	}
}

// serve reads until the server stops. sipgo's readers end at an error (too many
// open files, for one); they are started again.
func (s *Server) serve(l *listener) {
	defer s.wg.Done()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		var err error
		if l.udp != nil {
			err = s.tp.ServeUDP(l.udp)
		} else {
			err = s.tp.ServeTCP(l.tcp)
		}
		select {
		case <-s.quit:
			return
		case <-time.After(pause):
		}
		s.cfg.Log.Error("SIP listener ended, starting it again", slog.String("transport", l.Transport), slog.String("addr", l.addr), slog.Any("err", err))
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// local finds the interface a flow uses: by its address, else by port and
// transport (a wildcard bind has connections of other addresses).
func (s *Server) local(f Flow) *listener {
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

// contact is how peers of a flow reach us.
func (l *listener) contact(user string) *sip.ContactHeader {
	u := sip.Uri{Scheme: "sip", User: user, Host: l.host, Port: l.port}
	if l.Transport != "udp" {
		u.UriParams = sip.HeaderParams{{K: "transport", V: l.Transport}}
	}
	return &sip.ContactHeader{Address: u}
}
