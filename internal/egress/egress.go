// Package egress makes HTTP requests to addresses that people have entered:
// webhooks, and what call flows ask other systems. It reaches no network that it
// was not allowed, follows no redirect, and does not crowd a host.
package egress

import (
	"cmp"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Config of a client. The zero value reaches public addresses only.
type Config struct {
	Allow   []netip.Prefix // private, loopback and link-local networks that may be reached; see Everywhere
	Timeout time.Duration  // of a whole request, the reading of the answer included; 15 s unless set
	PerHost int            // requests under way to one host at a time; more are ErrCrowded. 0: no bound
	Total   int            // the same for all hosts together
}

// ErrCrowded says that the host, or the client, has as many requests under way
// as it may have.
var ErrCrowded = errors.New("too many requests are under way")

// Everywhere allows all networks: for addresses that whoever runs the hub has
// written into its configuration.
func Everywhere() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
}

// New makes a client. It gives a redirect back as it is: following it would
// carry what was signed for one address to another. The size of an answer is
// for the caller to bound. An address that may not be reached is
// *ForbiddenAddressError.
func New(c Config) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: guard(c.Allow).check}
	var t http.RoundTripper = &http.Transport{
		// No proxy from the environment: the check must see the real address.
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxIdleConnsPerHost:    4,
		MaxIdleConns:           100,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 32 << 10,
		DisableCompression:     true, // what is bounded is what comes over the wire
	}
	if c.PerHost > 0 || c.Total > 0 {
		t = &bounded{next: t, per: cmp.Or(c.PerHost, math.MaxInt), total: cmp.Or(c.Total, math.MaxInt), under: map[string]int{}}
	}
	return &http.Client{
		Timeout:       cmp.Or(c.Timeout, 15*time.Second),
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded refuses a request when there are enough of them. A request is under
// way until its answer's body is closed.
type bounded struct {
	next       http.RoundTripper
	per, total int

	mu    sync.Mutex
	all   int
	under map[string]int // by host and port, those with none are not in it
}

// RoundTrip is one request.
func (b *bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	host := req.URL.Host
	b.mu.Lock()
	if b.under[host] >= b.per || b.all >= b.total {
		b.mu.Unlock()
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, ErrCrowded
	}
	b.under[host]++
	b.all++
	b.mu.Unlock()

	over := sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.all--
		if b.under[host]--; b.under[host] == 0 {
			delete(b.under, host)
		}
	})
	res, err := b.next.RoundTrip(req)
	if err != nil {
		over()
		return nil, err
	}
	res.Body = &body{ReadCloser: res.Body, over: over}
	return res, nil
}

type body struct {
	io.ReadCloser
	over func()
}

// Close ends the request.
func (b *body) Close() error {
	defer b.over()
	return b.ReadCloser.Close()
}
