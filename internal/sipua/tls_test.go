package sipua_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/routing"
)

// authority certifies names for tests.
type authority struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = a.newKey()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	a.file = filepath.Join(a.dir, "ca.pem")
	a.write(a.file, "CERTIFICATE", der)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	a.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return k
}

func (a *authority) write(file, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// certify writes a certificate for names and addresses to <name>.pem and <name>.key.
func (a *authority) certify(name string, serial int64, hosts ...string) (cert, key string) {
	a.t.Helper()
	k := a.newKey()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &k.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	kder, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, key = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	a.write(cert, "CERTIFICATE", der)
	a.write(key, "EC PRIVATE KEY", kder)
	return cert, key
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// tlsPeer connects as a phone does that trusts the authority.
func tlsPeer(t *testing.T, at string, conf *tls.Config) (*peer, error) {
	t.Helper()
	c, err := (&tls.Dialer{Config: conf}).DialContext(t.Context(), "tcp", at)
	if err != nil {
		return nil, err
	}
	return streamPeer(t, c), nil
}

func TestTLS(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.certify("hub", 2, "127.0.0.1")
	h := start(t, func(c *sipua.Config) {
		c.Listen = append(c.Listen, sipua.Interface{Transport: "tls", Bind: "127.0.0.1:0", CertFile: cert, KeyFile: key})
		c.TLS.CAFile = ca.file
	})
	at := h.addr("tls ")
	trusting := &tls.Config{RootCAs: ca.pool(), MinVersion: tls.VersionTLS12}

	t.Run("a phone registers and is rung", func(t *testing.T) {
		p, err := tlsPeer(t, at, trusting)
		if err != nil {
			t.Fatal(err)
		}
		p.secure = true
		p.register("rep1", "pw1", "300")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		if !strings.HasPrefix(inv.hdr("Via"), "SIP/2.0/TLS "+at) || !strings.Contains(inv.hdr("Contact"), ";transport=tls") {
			t.Errorf("%s", inv.raw)
		}
		if !strings.Contains(inv.body(), "RTP/SAVP ") { // the keys are as secret as the signalling
			t.Errorf("offered\n%s", inv.body())
		}
		p.reply(inv, 200, "x", savp('t'))
		event[callctl.LegAnswered](leg)
		p.request("ACK")
		leg.leg.Hangup(call.Normal, "")
		p.reply(p.request("BYE"), 200, "", "")
		event[callctl.LegEnded](leg)
	})

	t.Run("a phone without SRTP is offered audio in the clear, once", func(t *testing.T) {
		for _, takes := range []bool{true, false} {
			p, err := tlsPeer(t, at, trusting)
			if err != nil {
				t.Fatal(err)
			}
			p.secure = true
			p.register("rep2", "pw2", "300")
			leg := h.dial(callctl.Target{Agent: "rep2"}, callctl.Invitation{})[0]
			first := p.request("INVITE")
			p.reply(first, 488, "x", "")
			p.request("ACK")
			second := p.request("INVITE")
			if second.hdr("Call-ID") != first.hdr("Call-ID") || second.hdr("CSeq") == first.hdr("CSeq") || !strings.Contains(second.body(), "RTP/AVP ") || strings.Contains(second.body(), "crypto") {
				t.Errorf("offered again\n%s", second.raw)
			}
			if !takes { // neither: that is the end of it
				p.reply(second, 488, "y", "")
				p.request("ACK")
				if e := event[callctl.LegEnded](leg); e.Cause != call.NotAcceptable {
					t.Errorf("%+v", e)
				}
				continue
			}
			p.reply(second, 200, "y", offer())
			event[callctl.LegAnswered](leg)
			p.request("ACK")
			leg.leg.Hangup(call.Normal, "")
			p.reply(p.request("BYE"), 200, "", "")
			event[callctl.LegEnded](leg)
			p.register("rep2", "pw2", "0")
		}
	})

	t.Run("nothing older than TLS 1.2, no plain text", func(t *testing.T) {
		if _, err := tlsPeer(t, at, &tls.Config{RootCAs: ca.pool(), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
			t.Error("TLS 1.1 was taken")
		}
		n := h.Stats().HandshakesFailed
		p := tcpPeer(t, at)
		p.talk("a", "b").do("OPTIONS", "")
		<-p.ended
		until(t, func() bool { return h.Stats().HandshakesFailed > n })
	})

	t.Run("a renewed certificate serves, a broken one does not", func(t *testing.T) {
		serial := func() int64 {
			c, err := (&tls.Dialer{Config: trusting}).DialContext(t.Context(), "tcp", at)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
		}
		later := func(n int) {
			for _, f := range []string{cert, key} {
				at := time.Now().Add(time.Duration(n) * time.Second)
				if err := os.Chtimes(f, at, at); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n := serial(); n != 2 {
			t.Errorf("serial %d", n)
		}
		ca.certify("hub", 3, "127.0.0.1")
		later(1)
		if n := serial(); n != 3 {
			t.Errorf("serial %d after the renewal", n)
		}
		if err := os.WriteFile(cert, []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
		later(2)
		if n := serial(); n != 3 {
			t.Errorf("serial %d after the nonsense", n)
		}
	})
}

// TestTLSTrunk: who we connect to must prove the name we meant.
func TestTLSTrunk(t *testing.T) {
	ca := newAuthority(t)
	for _, c := range []struct {
		what, certFor string
		good          bool
	}{{"its name", "localhost", true}, {"another's", "other.example.com", false}} {
		t.Run(c.what, func(t *testing.T) {
			cert, key := ca.certify("trunk", 5, c.certFor)
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			got := make(chan string, 1)
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				m, err := readStream(bufio.NewReader(conn))
				if err == nil {
					got <- m
				}
				_ = conn.Close()
			}()
			own, ownKey := ca.certify("hub", 6, "127.0.0.1")
			_, port, _ := net.SplitHostPort(l.Addr().String())
			h := start(t, func(cfg *sipua.Config) {
				cfg.Listen = append(cfg.Listen, sipua.Interface{Transport: "tls", Bind: "127.0.0.1:0", CertFile: own, KeyFile: ownKey})
				cfg.TLS.CAFile = ca.file
				cfg.Trunks = func() []routing.Trunk {
					return []routing.Trunk{{Name: "out", Host: "localhost:" + port, Transport: "tls"}}
				}
			})
			leg := h.dial(callctl.Target{Trunk: "out", Number: "+34600000009"}, callctl.Invitation{})[0]
			if c.good {
				select {
				case m := <-got:
					if !strings.HasPrefix(m, "INVITE ") || !strings.Contains(m, "SIP/2.0/TLS ") {
						t.Errorf("%s", m)
					}
				case <-time.After(patience):
					t.Error("nothing came")
				}
				leg.leg.Hangup(call.Normal, "")
				return
			}
			event[callctl.LegEnded](leg)
			if h.Stats().HandshakesFailed == 0 || len(got) > 0 {
				t.Errorf("%+v", h.Stats())
			}
		})
	}
}
