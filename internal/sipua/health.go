package sipua

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// healthWait is how long a listener may take to answer itself, and sickAfter how
// often in a row it may fail to: a burst of calls is no illness.
const (
	healthWait = time.Second
	sickAfter  = 3
)

// Health says which listeners do not answer, as asked from outside every
// HealthEvery; nil if all do.
func (s *Server) Health() error {
	if p := s.sick.Load(); p != nil {
		return *p
	}
	return nil
}

// watchHealth asks every listener in turn until the server stops.
func (s *Server) watchHealth() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.wg.Go(func() { <-s.quit; cancel() })
	tick := time.NewTicker(s.cfg.HealthEvery)
	defer tick.Stop()
	missed := make([]int, len(s.listeners))
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var ill error
		for i, l := range s.listeners {
			err := probe(ctx, l)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				missed[i] = 0
				continue
			}
			s.stats.probesMissed.Add(1)
			if missed[i]++; missed[i] >= sickAfter {
				ill = fmt.Errorf("SIP on %s %s does not answer: %w", l.Transport, l.addr, err)
			}
		}
		if ill == nil {
			s.sick.Store(nil)
			continue
		}
		s.sick.Store(&ill)
	}
}

// probe sends OPTIONS to a listener and waits for its 200.
func probe(ctx context.Context, l *listener) error {
	ctx, cancel := context.WithTimeout(ctx, healthWait)
	defer cancel()
	at, err := netip.ParseAddrPort(l.addr)
	if err != nil {
		return fmt.Errorf("address %s: %w", l.addr, err)
	}
	if at.Addr().IsUnspecified() {
		loop := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if at.Addr().Is6() {
			loop = netip.IPv6Loopback()
		}
		at = netip.AddrPortFrom(loop, at.Port())
	}
	network := "tcp"
	if l.Transport == "udp" {
		network = "udp"
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, at.String())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	defer func() { _ = c.Close() }()
	if l.tls != nil {
		if l.ClientCAs != "" {
			return nil // it took the connection; we have no certificate it would take
		}
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is our own listener, by its address
	}
	if _, err := c.Write([]byte(optionsProbe(at.String(), c.LocalAddr().String(), l.Transport))); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		return fmt.Errorf("wait for the answer: %w", err)
	}
	// 503 is an answer too: overload is no illness, and whoever sends a flood must
	// not have us taken out of service.
	if !bytes.HasPrefix(b[:n], []byte("SIP/2.0 200 ")) && !bytes.HasPrefix(b[:n], []byte("SIP/2.0 503 ")) {
		line, _, _ := strings.Cut(string(b[:n]), "\r\n")
		return fmt.Errorf("answered %q", line) //nolint:err113 // shown to operators
	}
	return nil
}

// optionsProbe is what a phone would ask.
func optionsProbe(to, from, transport string) string {
	id := randomHex(8)
	return strings.Join([]string{
		"OPTIONS sip:" + to + " SIP/2.0", "Via: SIP/2.0/" + strings.ToUpper(transport) + " " + from + ";branch=" + sip.RFC3261BranchMagicCookie + id + ";rport",
		"Max-Forwards: 0", "From: <sip:probe@" + from + ">;tag=" + id, "To: <sip:" + to + ">", "Call-ID: " + id, "CSeq: 1 OPTIONS", "Content-Length: 0", "", "",
	}, "\r\n")
}
