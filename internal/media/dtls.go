package media

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/fingerprint"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/srtp/v3"
	"github.com/pion/transport/v5/deadline"
)

const (
	handshakeLimit = 10 * time.Second
	// flightInterval is how long an answer is waited for before it is asked for
	// again. RFC 6347 §4.2.4.1 has a second; media cannot wait for that.
	flightInterval = 250 * time.Millisecond
	flightQueue    = 32
	// mostEchoes bounds how often the last flight is sent again.
	mostEchoes = 20
)

// profiles of SRTP in a handshake (RFC 5764 §4.1.2, RFC 7714 §14.2), and the
// names they have in SDP.
var profiles = map[dtls.SRTPProtectionProfile]string{
	dtls.SRTP_AEAD_AES_128_GCM:       "AEAD_AES_128_GCM",
	dtls.SRTP_AES128_CM_HMAC_SHA1_80: "AES_CM_128_HMAC_SHA1_80",
}

// newCertificate makes the certificate of this process: of nobody, known by its
// fingerprint alone.
func newCertificate() (tls.Certificate, Fingerprint, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, Fingerprint{}, err
	}
	c, err := selfsign.WithDNS(key, "callyard")
	if err != nil {
		return tls.Certificate{}, Fingerprint{}, err
	}
	f, err := fingerprintOf(c.Certificate[0], "sha-256")
	return c, f, err
}

// hashes are those of RFC 8122 §5 that are still worth something.
var hashes = map[string]crypto.Hash{"sha-256": crypto.SHA256, "sha-384": crypto.SHA384, "sha-512": crypto.SHA512}

func fingerprintOf(der []byte, hash string) (Fingerprint, error) {
	h, ok := hashes[hash]
	if !ok {
		return Fingerprint{}, fmt.Errorf("fingerprint by %q", hash)
	}
	v, err := fingerprint.Fingerprint(&x509.Certificate{Raw: der}, h)
	return Fingerprint{Hash: hash, Value: strings.ToUpper(v)}, err
}

// errFingerprint is a peer that is not the one signalling spoke of.
var errFingerprint = errors.New("the certificate is not the one that was signalled")

// handshake makes a guard's keys by DTLS over the port's own path. It runs on a
// goroutine that ends with it, at the latest after handshakeLimit; what comes
// later is served from what is remembered.
type handshake struct {
	port  *Port
	guard *guard
	dtls  DTLS
	began atomic.Bool
	inbox chan []byte

	mu     sync.Mutex
	stop   context.CancelFunc // while it runs
	over   bool               // cancelled
	done   bool               // keys are there, or never will be
	flight [][]byte
	fresh  bool // the next datagram begins a flight
	echoes int
}

func newHandshake(p *Port, g *guard) *handshake {
	return &handshake{port: p, guard: g, dtls: *g.want.DTLS, inbox: make(chan []byte, flightQueue)}
}

// reachable says that the peer can be sent to: whoever is active begins.
func (h *handshake) reachable() {
	if h.dtls.Active {
		h.begin()
	}
}

func (h *handshake) begin() {
	if !h.began.Swap(true) {
		h.port.engine.spawn(h.run)
	}
}

// cancel ends a handshake that is under way, and any to come.
func (h *handshake) cancel() {
	h.began.Store(true)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	if h.stop != nil {
		h.stop()
	}
}

// feed takes a datagram of the peer's.
func (h *handshake) feed(b []byte) {
	h.mu.Lock()
	done := h.done
	h.fresh = true
	h.mu.Unlock()
	if done {
		h.late(b)
		return
	}
	h.begin()
	select {
	case h.inbox <- append([]byte(nil), b...):
	default: // as if the network had lost it
	}
}

// late is what comes once there are keys: a peer that has not heard our last
// flight sends its own again (RFC 6347 §4.2.4), and one that leaves says so.
func (h *handshake) late(b []byte) {
	const alert, epoch = 21, 4
	if b[0] == alert {
		if len(b) > epoch && b[epoch] > 0 { // protected, so most likely close_notify
			h.port.lost()
		}
		return
	}
	h.mu.Lock()
	h.echoes++
	flight := h.flight
	if h.echoes > mostEchoes {
		flight = nil
	}
	h.mu.Unlock()
	for _, d := range flight {
		h.port.sendRaw(d)
	}
}

func (h *handshake) run() {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeLimit)
	defer cancel()
	p := h.port
	h.mu.Lock()
	h.stop = cancel
	over := h.over
	h.mu.Unlock()
	if over {
		return // before it could begin
	}
	send, receive, err := h.shake(ctx)
	if err != nil {
		h.mu.Lock()
		h.done = true
		h.mu.Unlock()
		if r := p.remote.Load(); !p.closed.Load() && r != nil && r.guard == h.guard {
			p.engine.handshakesFailed.Add(1)
			p.log.Warn("DTLS handshake failed", "err", err)
			p.broke()
		}
		return
	}
	p.in.mu.Lock()
	h.guard.in = receive
	p.in.mu.Unlock()
	p.out.mu.Lock()
	h.guard.out = send
	p.out.mu.Unlock()
}

// shake carries the handshake out and makes the contexts of its keys.
func (h *handshake) shake(ctx context.Context) (send, receive *srtp.Context, err error) {
	options := []dtls.Option{
		dtls.WithCertificates(h.port.engine.certificate),
		dtls.WithInsecureSkipVerify(true), // nobody signed it: see verify
		dtls.WithVerifyPeerCertificate(h.verify),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithFlightInterval(flightInterval),
	}
	c := &lane{h: h, deadline: deadline.New(), closed: make(chan struct{})}
	var conn *dtls.Conn
	if h.dtls.Active {
		var o []dtls.ClientOption
		for _, x := range options {
			o = append(o, x)
		}
		conn, err = dtls.ClientWithOptions(c, c.LocalAddr(), o...)
	} else {
		o := []dtls.ServerOption{dtls.WithClientAuth(dtls.RequireAnyClientCert)}
		for _, x := range options {
			o = append(o, x)
		}
		conn, err = dtls.ServerWithOptions(c, c.LocalAddr(), o...)
	}
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, nil, err
	}
	// From here nothing is sent: closing the connection must not tell the peer,
	// for whom it goes on.
	h.mu.Lock()
	h.done = true
	h.mu.Unlock()
	profile, ok := conn.SelectedSRTPProtectionProfile()
	state, known := conn.ConnectionState()
	if !ok || !known {
		return nil, nil, errors.New("the peer does not speak SRTP")
	}
	config := srtp.Config{Profile: suites[profiles[profile]]}
	if err := config.ExtractSessionKeysFromDTLS(&state, h.dtls.Active); err != nil {
		return nil, nil, fmt.Errorf("export keys: %w", err)
	}
	k := config.Keys
	if send, err = contextOf(Key{Suite: profiles[profile], Key: join(k.LocalMasterKey, k.LocalMasterSalt)}); err != nil {
		return nil, nil, err
	}
	receive, err = contextOf(Key{Suite: profiles[profile], Key: join(k.RemoteMasterKey, k.RemoteMasterSalt)})
	return send, receive, err
}

func join(key, salt []byte) []byte { return append(append([]byte(nil), key...), salt...) }

// verify holds the peer's certificate to the fingerprints that were signalled
// (RFC 8122 §6).
func (h *handshake) verify(certificates [][]byte, _ [][]*x509.Certificate) error {
	if len(certificates) == 0 {
		return errFingerprint
	}
	for _, want := range h.dtls.Fingerprints {
		if got, err := fingerprintOf(certificates[0], want.Hash); err == nil && strings.EqualFold(got.Value, want.Value) {
			return nil
		}
	}
	return errFingerprint
}

// lane is the port's path as the handshake sees it.
type lane struct {
	h        *handshake
	deadline *deadline.Deadline
	closed   chan struct{}
	once     sync.Once
}

func (c *lane) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-c.h.inbox:
		return copy(b, d), c.LocalAddr(), nil
	case <-c.closed:
		return 0, nil, net.ErrClosed
	case <-c.deadline.Done():
		return 0, nil, os.ErrDeadlineExceeded
	}
}

// WriteTo sends, and remembers what was said since the peer was last heard.
func (c *lane) WriteTo(b []byte, _ net.Addr) (int, error) {
	h := c.h
	h.mu.Lock()
	if h.done {
		h.mu.Unlock()
		return len(b), nil
	}
	if h.fresh {
		h.flight, h.fresh = nil, false
	}
	h.flight = append(h.flight, append([]byte(nil), b...))
	h.mu.Unlock()
	h.port.sendRaw(b)
	return len(b), nil
}

func (c *lane) Close() error                       { c.once.Do(func() { close(c.closed) }); return nil }
func (c *lane) LocalAddr() net.Addr                { return &net.UDPAddr{} }
func (c *lane) SetDeadline(t time.Time) error      { c.deadline.Set(t); return nil }
func (c *lane) SetReadDeadline(t time.Time) error  { c.deadline.Set(t); return nil }
func (c *lane) SetWriteDeadline(_ time.Time) error { return nil }

// sendRaw sends what is no audio to where audio goes.
func (p *Port) sendRaw(b []byte) {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	if to := p.target.Load(); to != nil && !p.out.closed && p.rtp.send(b, to) != nil {
		p.out.errors++
	}
}
