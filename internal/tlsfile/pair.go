// Package tlsfile keeps a certificate and its key that are read again when their
// files change, so that a renewed one serves without a restart.
package tlsfile

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Pair is a certificate with its key, from two PEM files.
type Pair struct {
	cert, key string
	failed    func(error)

	mu   sync.Mutex
	have *tls.Certificate
	seen [2]time.Time // when the files were changed that have been read, or failed to be
	err  error        // of the last try
}

// Load reads the files. failed is told of each later version of them that cannot
// be used; the one before stays. It may be nil.
func Load(cert, key string, failed func(error)) (*Pair, error) {
	p := &Pair{cert: cert, key: key, failed: failed}
	p.seen, _ = p.changed()
	if err := p.read(); err != nil {
		return nil, err
	}
	return p, nil
}

// Certificate has the shape of tls.Config.GetCertificate. It looks at the files'
// times at every handshake, which costs little beside it.
func (p *Pair) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, err := p.changed(); err == nil && at != p.seen {
		p.seen = at
		if p.err = p.read(); p.err != nil && p.failed != nil {
			p.failed(p.err)
		}
	}
	return p.have, nil
}

// Client has the shape of tls.Config.GetClientCertificate.
func (p *Pair) Client(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return p.Certificate(nil)
}

// Err is why the files as they are now are not in use; nil if they are.
func (p *Pair) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Leaf is the certificate in use.
func (p *Pair) Leaf() *x509.Certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.have.Leaf
}

func (p *Pair) changed() (at [2]time.Time, err error) {
	for i, name := range []string{p.cert, p.key} {
		st, err := os.Stat(name)
		if err != nil {
			return at, fmt.Errorf("certificate: %w", err)
		}
		at[i] = st.ModTime()
	}
	return at, nil
}

func (p *Pair) read() error {
	c, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", p.cert, p.key, err)
	}
	p.have = &c
	return nil
}

// Pool reads the authorities that are trusted in a PEM file; the system's for "".
func Pool(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // what crypto/tls takes for the system's
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("authorities %s: %w", file, errNoCertificate)
	}
	return pool, nil
}

var errNoCertificate = errors.New("holds no certificate in PEM form")
