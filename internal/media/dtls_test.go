package media

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/srtp/v3"
)

// identity is a browser's certificate.
func identity(t testing.TB) (tls.Certificate, Fingerprint) {
	t.Helper()
	c, err := selfsign.GenerateSelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	f, err := fingerprintOf(c.Certificate[0], "sha-256")
	if err != nil {
		t.Fatal(err)
	}
	return c, f
}

// handshakeConn is the browser's socket: STUN and SRTP are not for DTLS.
type handshakeConn struct {
	*net.UDPConn
	to   net.Addr
	lose func(b []byte) bool // of what arrives

	keyed atomic.Bool   // what comes from now on is audio, and not for us
	idle  chan struct{} // closed once nobody reads here
	once  sync.Once
}

func (c *handshakeConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.UDPConn.ReadFrom(b)
		if c.keyed.Load() {
			c.once.Do(func() { close(c.idle) })
			return 0, nil, net.ErrClosed
		}
		if err != nil || isDTLS(b[:n]) && (c.lose == nil || !c.lose(b[:n])) {
			return n, from, err
		}
	}
}

func (c *handshakeConn) WriteTo(b []byte, _ net.Addr) (int, error) { return c.UDPConn.WriteTo(b, c.to) }
func (c *handshakeConn) Close() error                              { return nil } // the test's own

// shake makes the browser's keys.
func (b *browser) shake(client bool, cert tls.Certificate, lose func([]byte) bool) (*cipher, error) {
	b.t.Helper()
	to := net.UDPAddrFromAddrPort(b.to)
	conn := &handshakeConn{UDPConn: b.conn, to: to, lose: lose, idle: make(chan struct{})}
	profiles := dtls.WithSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_128_GCM)
	interval := dtls.WithFlightInterval(50 * time.Millisecond)
	var c *dtls.Conn
	var err error
	if client {
		c, err = dtls.ClientWithOptions(conn, to, dtls.WithCertificates(cert), dtls.WithInsecureSkipVerify(true), profiles, interval)
	} else {
		c, err = dtls.ServerWithOptions(conn, to, dtls.WithCertificates(cert), dtls.WithClientAuth(dtls.RequireAnyClientCert), dtls.WithInsecureSkipVerify(true), profiles, interval)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), 5*time.Second)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	b.t.Cleanup(func() { _ = c.Close() })
	state, _ := c.ConnectionState()
	profile, _ := c.SelectedSRTPProtectionProfile()
	suite := map[dtls.SRTPProtectionProfile]string{dtls.SRTP_AES128_CM_HMAC_SHA1_80: "AES_CM_128_HMAC_SHA1_80", dtls.SRTP_AEAD_AES_128_GCM: "AEAD_AES_128_GCM"}[profile]
	config := srtp.Config{Profile: suites[suite]}
	if err := config.ExtractSessionKeysFromDTLS(&state, client); err != nil {
		b.t.Fatal(err)
	}
	k := config.Keys
	conn.keyed.Store(true)
	_ = b.conn.SetReadDeadline(time.Now())
	<-conn.idle
	return newCipher(b.t, Key{Suite: suite, Key: join(k.RemoteMasterKey, k.RemoteMasterSalt)}, Key{Suite: suite, Key: join(k.LocalMasterKey, k.LocalMasterSalt)}), nil
}

func TestHandshake(t *testing.T) {
	for name, active := range map[string]bool{"we begin": true, "they begin": false} {
		t.Run(name, func(t *testing.T) {
			onEachNetwork(t, func(t *testing.T, e *Engine) {
				cert, f := identity(t)
				p, b := browsed(t, e, &DTLS{Active: active, Fingerprints: []Fingerprint{f}})
				b.ask(b.proper(nominate)...)
				c, err := b.shake(!active, cert, nil)
				if err != nil {
					t.Fatal(err)
				}
				eventually(t, "keys", func() bool { return p.Stats().Protected })
				p.Music("tone440")
				c.hear(b.peer, 10)
				b.send(c.seal(b.rtp(bytes.Repeat([]byte{0xff}, 160))))
				eventually(t, "the browser is heard", func() bool { return p.Stats().Received == 1 })
				// The browser's own connection has some; ours have ended.
				var stacks string
				defer func() {
					if t.Failed() {
						t.Log(stacks)
					}
				}()
				eventually(t, "no goroutine of the handshake is left", func() bool {
					buf := make([]byte, 1<<20)
					stacks = string(buf[:runtime.Stack(buf, true)])
					return !strings.Contains(stacks, "media.(*lane)")
				})
				// An answer with the same certificate is no reason for other keys.
				g := p.remote.Load().guard
				b.negotiate(&DTLS{Active: active, Fingerprints: []Fingerprint{f}})
				if p.remote.Load().guard != g {
					t.Error("the keys were thrown away")
				}
			})
		})
	}
	t.Run("another certificate than was signalled", func(t *testing.T) {
		e := newEngine(t, Config{})
		cert, _ := identity(t)
		_, f := identity(t)
		p, b := browsed(t, e, &DTLS{Fingerprints: []Fingerprint{f}})
		broken := make(chan struct{}, 1)
		p.OnBroken(func() { broken <- struct{}{} })
		b.ask(b.proper(nominate)...)
		if _, err := b.shake(true, cert, nil); err == nil {
			t.Fatal("it was believed")
		}
		select {
		case <-broken:
		case <-time.After(5 * time.Second):
			t.Fatal("nobody was told")
		}
		if _, n := e.Refused(); n != 1 || p.Stats().Protected {
			t.Errorf("%d handshakes counted as failed, protected: %v", n, p.Stats().Protected)
		}
	})
	t.Run("who has not checked cannot begin", func(t *testing.T) {
		e := newEngine(t, Config{})
		_, f := identity(t)
		p, b := browsed(t, e, &DTLS{Fingerprints: []Fingerprint{f}})
		b.send([]byte{22, 254, 253, 0, 0})
		b.ask(b.proper()...)
		if p.remote.Load().guard.shake.began.Load() {
			t.Error("a handshake with a stranger")
		}
	})
	t.Run("our last flight is lost", func(t *testing.T) {
		e := newEngine(t, Config{})
		cert, f := identity(t)
		p, b := browsed(t, e, &DTLS{Fingerprints: []Fingerprint{f}})
		b.ask(b.proper(nominate)...)
		lost := 0
		_, err := b.shake(true, cert, func(d []byte) bool {
			const changeCipherSpec = 20
			if d[0] == changeCipherSpec && lost < 2 {
				lost++
				return true
			}
			return false
		})
		if err != nil || lost != 2 {
			t.Fatalf("%v after %d were lost", err, lost)
		}
		eventually(t, "keys", func() bool { return p.Stats().Protected })
	})
	t.Run("a port closed meanwhile", func(t *testing.T) {
		e := newEngine(t, Config{})
		_, f := identity(t)
		p, b := browsed(t, e, &DTLS{Active: true, Fingerprints: []Fingerprint{f}})
		b.ask(b.proper(nominate)...)
		eventually(t, "it begins", p.remote.Load().guard.shake.began.Load)
		p.Close()
		e.Stop() // waits for it: far less than its limit
	})
	t.Run("cancelled before it runs", func(t *testing.T) {
		e := newEngine(t, Config{})
		_, f := identity(t)
		p, b := browsed(t, e, &DTLS{Fingerprints: []Fingerprint{f}})
		b.ask(b.proper(nominate)...)
		h := newHandshake(p, &guard{want: &Protection{DTLS: &DTLS{Active: true, Fingerprints: []Fingerprint{f}}}})
		h.cancel()
		done := make(chan struct{})
		go func() { h.run(); close(done) }()
		select {
		case <-done:
		case <-time.After(handshakeLimit / 2):
			t.Error("it goes on, and its peer hears of keys that are no more")
		}
	})
	t.Run("a stranger cannot begin without ICE", func(t *testing.T) {
		e := newEngine(t, Config{})
		p := openPort(t, e)
		p.SetRemote(netip.MustParseAddrPort("192.0.2.1:4000"), pcmu, SendRecv, Options{Protection: &Protection{DTLS: &DTLS{}}})
		ph := newPeer(t, p, pcmu)
		ph.send([]byte{22, 254, 253, 0, 0})
		ph.send(append([]byte{0x80}, make([]byte, headerSize)...)) // read after it
		eventually(t, "both have come", func() bool { return p.Stats().Unauthentic == 1 })
		if p.remote.Load().guard.shake.began.Load() {
			t.Error("a handshake with a stranger")
		}
	})
}
