package sipua

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/tlsfile"
)

// handshakeTimeout bounds how long a peer may take to agree on TLS.
const handshakeTimeout = 10 * time.Second

// outboundTLS is how we connect to others.
type outboundTLS struct {
	roots  *x509.CertPool // nil: the system's
	client *tlsfile.Pair  // shown to those who ask; nil: none
}

// OutboundTLS is whom we trust when we connect over TLS, and what we show.
type OutboundTLS struct {
	CAFile            string // PEM; "": the system's authorities
	CertFile, KeyFile string // "": none
}

func (o OutboundTLS) load(failed func(error)) (out outboundTLS, err error) {
	if out.roots, err = tlsfile.Pool(o.CAFile); err != nil {
		return out, fmt.Errorf("outbound TLS: %w", err)
	}
	if o.CertFile != "" {
		if out.client, err = tlsfile.Load(o.CertFile, o.KeyFile, failed); err != nil {
			return out, fmt.Errorf("outbound TLS: %w", err)
		}
	}
	return out, nil
}

// greet agrees on TLS with a peer that connected.
func (t *transports) greet(c net.Conn, conf *tls.Config) (*tls.Conn, bool) {
	t.mu.Lock()
	if t.shut || len(t.greeting) >= maxGreeting {
		t.mu.Unlock()
		t.stats.streamsRefused.Add(1)
		_ = c.Close()
		return nil, false
	}
	t.greeting[c] = struct{}{}
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		delete(t.greeting, c)
		t.mu.Unlock()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	tc := tls.Server(c, conf)
	if err := tc.HandshakeContext(ctx); err != nil {
		t.stats.handshakesFailed.Add(1)
		_ = c.Close()
		return nil, false
	}
	return tc, true
}

// maxGreeting bounds connections that have not finished their handshake.
const maxGreeting = 2000

// secure agrees on TLS with a peer we connected to. We connect to addresses, so
// the name that the certificate must be for is that of the hop we want to reach
// (RFC 5922 §7.2): the first route, else the Request-URI; and when that is an
// address as in a Contact, the name the same address has proved before.
func (t *transports) secure(ctx context.Context, c net.Conn, to netip.AddrPort, req *sip.Request) (net.Conn, error) {
	name := hopName(req)
	if _, err := netip.ParseAddr(name); err == nil {
		t.mu.Lock()
		if known := t.names[to.String()]; known != "" {
			name = known
		}
		t.mu.Unlock()
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name, RootCAs: t.hello.roots}
	if t.hello.client != nil {
		conf.GetClientCertificate = t.hello.client.Client
	}
	tc := tls.Client(c, conf)
	if err := tc.HandshakeContext(ctx); err != nil {
		t.stats.handshakesFailed.Add(1)
		_ = c.Close()
		return nil, fmt.Errorf("TLS with %s as %s: %w", to, name, err)
	}
	t.mu.Lock()
	if len(t.names) > 1000 {
		clear(t.names)
	}
	t.names[to.String()] = name
	t.mu.Unlock()
	return tc, nil
}

// hopName is the host a request is meant to go to next, as it was written.
func hopName(req *sip.Request) string {
	if r := req.GetHeader("Route"); r != nil {
		if u, _, ok := uriOf(r.Value()); ok && u.Host != "" {
			return trimBrackets(u.Host)
		}
	}
	return trimBrackets(req.Recipient.Host)
}
