package cli

import (
	"context"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/config"
)

func TestReceivers(t *testing.T) {
	silent := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) })
	plain, secure := httptest.NewServer(silent), httptest.NewUnstartedServer(silent)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // who breaks off the handshake
	secure.StartTLS()
	defer plain.Close()
	defer secure.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	_ = l.Close()

	for _, c := range []struct {
		name, address string
		roots         *x509.CertPool
		status, cure  string
	}{
		{name: "one that is there", address: plain.URL, status: "ok"},
		{name: "with TLS", address: secure.URL, roots: roots, status: "ok"},
		{name: "nobody listens", address: nobody, status: "fail", cure: "is it running"},
		{name: "certified by nobody we know", address: secure.URL, roots: x509.NewCertPool(), status: "fail", cure: "certificate"},
		{name: "for another name", address: strings.Replace(secure.URL, "127.0.0.1", "localhost", 1), roots: roots, status: "fail", cure: "certificate"},
		{name: "TLS with one that has none", address: strings.Replace(plain.URL, "http:", "https:", 1), status: "fail", cure: "is it running"},
		{name: "a host that is no name", address: "http://a..b", status: "fail", cure: "correct the host"},
		{name: "no address", address: "https:///x", status: "fail", cure: "https://host/path"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config.Default()
			cfg.Webhook.URL = c.address
			cfg.Chats = []config.Chat{{Name: "floor", URL: c.address + "/sesame?key=sesame"}}
			found := receivers(t.Context(), cfg, c.roots)
			if len(found) != 2 || found[0].Check != "webhook" || found[1].Check != "chat floor" {
				t.Fatalf("%+v", found)
			}
			for _, f := range found {
				if f.Status != c.status || (f.Cure == "") != (c.status == "ok") || !strings.Contains(f.Cure, c.cure) {
					t.Errorf("%+v", f)
				}
				if strings.Contains(f.Detail+f.Cure, "sesame") {
					t.Errorf("more than the host is shown: %+v", f)
				}
			}
		})
	}

	t.Run("one that takes the connection and says nothing is not waited for", func(t *testing.T) {
		mute, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer mute.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		cfg := config.Default()
		cfg.Webhook.URL = "https://" + mute.Addr().String()
		if found := receivers(ctx, cfg, nil); len(found) != 1 || found[0].Status != "fail" || found[0].Cure == "" {
			t.Errorf("%+v", found)
		}
	})

	if found := receivers(t.Context(), config.Default(), nil); len(found) != 0 {
		t.Errorf("nobody is configured, yet %+v", found)
	}
}
