package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/softphone"
)

// overTLS has the hub listen for TLS too, with a certificate of its own making.
func overTLS(t *testing.T) option {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	who := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hub"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, who, who, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, private := write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret)
	return func(c *config.Config) {
		c.SIP.Listen = append(c.SIP.Listen, "tls:127.0.0.1:0")
		c.SIP.TLSCert, c.SIP.TLSKey = cert, private
	}
}

// encrypted registers a rep's phone over TLS that has SRTP and nothing else.
func (h *hub) encrypted(name string, pickup softphone.Pickup) *softphone.Phone {
	h.t.Helper()
	return h.overTLS(name, true, pickup)
}

func (h *hub) overTLS(name string, srtp bool, pickup softphone.Pickup) *softphone.Phone {
	h.t.Helper()
	at := ""
	for _, a := range h.SIP.Addrs() {
		if addr, ok := strings.CutPrefix(a, "tls "); ok {
			at = addr
		}
	}
	p := h.phone(softphone.Config{Hub: at, Transport: "tls", SRTP: srtp, User: name, Password: "secret-" + name, ToneHz: repHz[name], Pickup: pickup})
	if err := p.Register(within(h.t, 5*time.Second), 5*time.Minute); err != nil {
		h.t.Fatalf("%s registers: %v", name, err)
	}
	return p
}

func TestEncryptedPhoneAndPlainCaller(t *testing.T) {
	t.Parallel()
	h := start(t, "", overTLS(t))
	rep2 := h.encrypted("rep2", softphone.Manual)
	caller := h.calls(h.callers(), parks)
	hears(t, "the parked caller", caller, musicHz)
	id := h.newCall()

	rep := h.dials(rep2, h.told(id, call.Parked).Slot)
	if err := rep.WaitAnswered(within(t, 15*time.Second)); err != nil {
		t.Fatal(err)
	}
	hears(t, "the caller", caller, repHz["rep2"])
	hears(t, "the rep", rep, callerHz)
	if err := rep.Hold(within(t, 15*time.Second), true); err != nil {
		t.Fatal(err)
	}
	hears(t, "the caller on hold", caller, musicHz)
	if err := rep.Hold(within(t, 15*time.Second), false); err != nil {
		t.Fatal(err)
	}
	hears(t, "the rep again", rep, callerHz)
	caller.Hangup()
	ends(t, "the rep", rep)
	if packets, handshakes := h.Media.Refused(); packets+handshakes != 0 {
		t.Errorf("%d packets were not authentic", packets)
	}
	h.over(id, "answered")
}

func TestEncryptedPhoneIsCalled(t *testing.T) {
	t.Parallel()
	h := start(t, "", overTLS(t))
	rep1 := h.encrypted("rep1", softphone.Manual)
	caller := h.dials(h.callers(), rings1)
	rep := offeredTo(t, "rep1", rep1)
	if err := rep.Answer(); err != nil {
		t.Fatal(err)
	}
	hears(t, "the rep", rep, callerHz)
	hears(t, "the caller", caller, repHz["rep1"])
}

func TestPhoneOverTLSWithoutSRTPIsCalled(t *testing.T) {
	t.Parallel()
	h := start(t, "", overTLS(t))
	rep1 := h.overTLS("rep1", false, softphone.Always)
	caller := h.dials(h.callers(), rings1)
	offeredTo(t, "rep1", rep1) // encrypted, which it refuses by itself
	rep := offeredTo(t, "rep1", rep1)
	hears(t, "the rep", rep, callerHz)
	hears(t, "the caller", caller, repHz["rep1"])
}

// D03: an account may ask for more than the others.
func TestAccountThatRequiresSRTP(t *testing.T) {
	t.Parallel()
	h := start(t, `agents: [{name: rep2, extension: "202", teams: [team], srtp: required}]`, overTLS(t))
	caller := h.calls(h.callers(), parks)
	hears(t, "the parked caller", caller, musicHz)
	slot := h.told(h.newCall(), call.Parked).Slot

	plain, err := h.rep("rep2", softphone.Manual).Call(within(t, 15*time.Second), slot)
	if err != nil {
		t.Fatal(err)
	}
	if end, err := plain.WaitEnded(within(t, 15*time.Second)); err != nil || end.Status != 488 {
		t.Errorf("a plain phone: %+v, %v", end, err)
	}
	rep := h.dials(h.encrypted("rep2", softphone.Manual), slot)
	hears(t, "the caller", caller, repHz["rep2"])
	hears(t, "the rep", rep, callerHz)
}
