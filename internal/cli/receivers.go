package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/config"
)

// receiverTime is how long receivers may take to be connected to.
const receiverTime = 5 * time.Second

// receivers tries to connect to those that the configuration has us post to: the
// webhook and the chats. Nothing is posted. roots is nil for the system's
// authorities.
func receivers(ctx context.Context, cfg config.Config, roots *x509.CertPool) []finding {
	type receiver struct{ check, key, address string }
	var all []receiver
	if cfg.Webhook.URL != "" {
		all = append(all, receiver{"webhook", "webhook.url", cfg.Webhook.URL})
	}
	for _, c := range cfg.Chats {
		all = append(all, receiver{"chat " + c.Name, "the url of chat " + c.Name, c.URL})
	}
	ctx, cancel := context.WithTimeout(ctx, receiverTime)
	defer cancel()
	out := make([]finding, len(all))
	var wg sync.WaitGroup
	for i, r := range all {
		wg.Go(func() { out[i] = connect(ctx, r.check, r.key, r.address, roots) })
	}
	wg.Wait()
	return out
}

// connect reaches the host of an address. Of the address only the host is
// shown: the rest of a chat's is its password.
func connect(ctx context.Context, check, key, address string, roots *x509.CertPool) finding {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return finding{check, "fail", key + " is no address", "write it as https://host/path"}
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	at := net.JoinHostPort(u.Hostname(), port)
	var c net.Conn
	if u.Scheme == "https" {
		c, err = (&tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}}).DialContext(ctx, "tcp", at)
	} else {
		c, err = (&net.Dialer{}).DialContext(ctx, "tcp", at)
	}
	if err == nil {
		_ = c.Close()
		return finding{Check: check, Status: "ok", Detail: at + " can be reached"}
	}
	f := finding{check, "fail", at + ": " + err.Error(), "is it running, and does a firewall let us out? a proxy of the environment is not used"}
	var name *net.DNSError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &name):
		f.Cure = "correct the host in " + key + ", or this machine's DNS"
	case errors.As(err, &cert):
		f.Cure = "renew its certificate, or add who certified it to this machine's authorities (SSL_CERT_FILE names others)"
	}
	return f
}
