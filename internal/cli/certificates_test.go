package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/config"
)

// certified writes a certificate for a name that is good for a while, and its key.
func certified(t *testing.T, name string, from, until time.Time) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return write(t, "hub.pem", text("CERTIFICATE", der)), write(t, "hub.key", text("EC PRIVATE KEY", kder))
}

func TestCertificates(t *testing.T) {
	const day = 24 * time.Hour
	made := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	cert, key := certified(t, "pbx.example.com", made, made.Add(90*day))
	for _, c := range []struct {
		name      string
		now       time.Time
		advertise string
		listen    string // tls:0.0.0.0:5061 unless set
		cert      string // the one above unless set
		status    string
		want      string
	}{
		{name: "good", now: made.Add(day), advertise: "pbx.example.com", status: "ok", want: "good until 2026-05-31"},
		{name: "with a port", now: made.Add(day), advertise: "pbx.example.com:5061", status: "ok"},
		{name: "ended", now: made.Add(91 * day), advertise: "pbx.example.com", status: "fail", want: "ended on 2026-05-31"},
		{name: "ends soon", now: made.Add(80 * day), advertise: "pbx.example.com", status: "warn", want: "good until"},
		{name: "not yet good", now: made.Add(-day), advertise: "pbx.example.com", status: "fail", want: "not yet good"},
		{name: "for another name", now: made.Add(day), advertise: "sip.example.com", status: "warn", want: "is not for sip.example.com, which peers are told"},
		{name: "for no address", now: made.Add(day), listen: "tls:10.0.0.5:5061", status: "warn", want: "is not for 10.0.0.5"},
		{name: "not there", now: made.Add(day), cert: "none.pem", status: "fail", want: "none.pem"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config.Default()
			cfg.SIP.Listen, cfg.SIP.TLSCert, cfg.SIP.TLSKey, cfg.SIP.Advertise = []string{"udp:0.0.0.0:5060", "tls:0.0.0.0:5061"}, cert, key, c.advertise
			if c.listen != "" {
				cfg.SIP.Listen[1] = c.listen
			}
			if c.cert != "" {
				cfg.SIP.TLSCert = c.cert
			}
			found := certificates(cfg, c.now)
			if len(found) != 1 || found[0].Check != "SIP TLS" || found[0].Status != c.status || (found[0].Cure == "") != (c.status == "ok") || !strings.Contains(found[0].Detail, c.want) {
				t.Errorf("%+v", found)
			}
		})
	}

	t.Run("each interface by its own name, HTTPS, and authorities that are none", func(t *testing.T) {
		cfg := config.Default()
		cfg.SIP.Interfaces = []config.Interface{
			{Listen: "tls:10.0.0.5:5061", Advertise: "pbx.example.com", TLSCert: cert, TLSKey: key},
			{Listen: "tls:10.0.0.6:5061", Advertise: "lan.example.com", TLSCert: cert, TLSKey: key},
		}
		cfg.HTTP.TLSListen, cfg.HTTP.TLSCert, cfg.HTTP.TLSKey = "0.0.0.0:8443", cert, key
		cfg.SIP.TrustCA = write(t, "ca.pem", "")
		var got []string
		for _, f := range certificates(cfg, made.Add(day)) {
			got = append(got, f.Check+" "+f.Status)
		}
		if want := "SIP TLS ok, SIP TLS warn, HTTPS ok, authorities fail"; strings.Join(got, ", ") != want {
			t.Errorf("%v, want %s", got, want)
		}
	})
}
