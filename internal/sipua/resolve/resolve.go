// Package resolve finds the machines behind a SIP domain (RFC 3263): SRV records
// with their weights, addresses, kept for as long as DNS says.
package resolve

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Target is an address a request may be sent to.
type Target struct {
	Addr netip.AddrPort
	Name string // the host it belongs to, as SRV or the configuration names it
}

// ErrNone: DNS answered, and there is nothing.
var ErrNone = errors.New("no such name")

// Config is what a Resolver needs.
type Config struct {
	// Servers are DNS servers, ip:port; none: those of /etc/resolv.conf.
	Servers []string
	// System looks names up in other ways, where DNS knows none: /etc/hosts, for
	// one. nil: only DNS is asked.
	System  func(ctx context.Context, host string) ([]netip.Addr, error)
	Timeout time.Duration // of one question to one server; 0: 1 s
	Now     func() time.Time
}

// Resolver asks and remembers. It may be used by many goroutines at once.
type Resolver struct {
	cfg   Config
	group singleflight.Group

	mu    sync.Mutex
	known map[question]*answer
}

type question struct {
	name string
	kind uint16
}

// answer is what DNS said; of its three lists one is used, by kind.
type answer struct {
	srv   []srv
	addrs []netip.Addr
	err   error
	until time.Time
	from  time.Time
}

// Bounds of how long an answer is believed: whatever DNS says, not for less than
// a second, for then every call would wait, nor for more than an hour.
const (
	shortest = time.Second
	longest  = time.Hour
	nothing  = 30 * time.Second // that there is no such name
	trouble  = 5 * time.Second  // that nobody answered
	usable   = 24 * time.Hour   // an old answer, while DNS does not answer
	room     = 1000             // answers remembered
)

// New makes a resolver.
func New(cfg Config) *Resolver {
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Resolver{cfg: cfg, known: map[question]*answer{}}
}

// Targets are where requests to host go over a transport ("udp", "tcp", "tls"),
// best first; the order among equals differs from call to call by weight. A
// literal address, or a name with a port, is not looked up as a service.
func (r *Resolver) Targets(ctx context.Context, host string, port int, transport string) ([]Target, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []Target{{Addr: netip.AddrPortFrom(a.Unmap(), uint16(or(port, transport))), Name: host}}, nil
	}
	if port == 0 {
		ts, err := r.services(ctx, host, transport)
		if err == nil && len(ts) > 0 {
			return ts, nil
		}
		if err != nil && !errors.Is(err, ErrNone) && ctx.Err() != nil {
			return nil, err
		}
	}
	return r.addresses(ctx, host, or(port, transport))
}

// or is a port, or the transport's own.
func or(port int, transport string) int {
	switch {
	case port != 0:
		return port
	case transport == "tls":
		return 5061
	}
	return 5060
}

// services follows SRV (RFC 3263 §4.2, RFC 2782).
func (r *Resolver) services(ctx context.Context, host, transport string) ([]Target, error) {
	prefix := map[string]string{"udp": "_sip._udp.", "tcp": "_sip._tcp.", "tls": "_sips._tcp."}[transport]
	if prefix == "" {
		return nil, fmt.Errorf("resolve %s: no services over %q", host, transport)
	}
	a := r.ask(ctx, question{prefix + host, typeSRV})
	if a.err != nil {
		return nil, a.err
	}
	var ts []Target
	var first error
	for _, s := range draw(a.srv, rand.IntN) {
		some, err := r.addresses(ctx, s.target, s.port)
		if err != nil && first == nil {
			first = err
		}
		ts = append(ts, some...)
	}
	if len(ts) == 0 && first != nil {
		return nil, first
	}
	return ts, nil
}

// addresses are a host's, of both kinds.
func (r *Resolver) addresses(ctx context.Context, host string, port int) ([]Target, error) {
	var wg sync.WaitGroup
	var v4, v6 *answer
	wg.Go(func() { v6 = r.ask(ctx, question{host, typeAAAA}) })
	v4 = r.ask(ctx, question{host, typeA})
	wg.Wait()
	var ts []Target
	for _, a := range append(append([]netip.Addr{}, v4.addrs...), v6.addrs...) {
		ts = append(ts, Target{Addr: netip.AddrPortFrom(a.Unmap(), uint16(port)), Name: host})
	}
	switch {
	case len(ts) > 0:
		return ts, nil
	case v4.err != nil:
		return nil, fmt.Errorf("resolve %s: %w", host, v4.err)
	}
	return nil, fmt.Errorf("resolve %s: %w", host, ErrNone)
}

// ask answers from memory, or asks; of many that want the same, one asks.
func (r *Resolver) ask(ctx context.Context, q question) *answer {
	r.mu.Lock()
	old := r.known[q]
	r.mu.Unlock()
	if old != nil && r.cfg.Now().Before(old.until) {
		return old
	}
	got, _, _ := r.group.Do(fmt.Sprint(q), func() (any, error) { return r.learn(ctx, q, old), nil })
	return got.(*answer) //nolint:forcetypeassert // what the function above returns
}

// learn asks DNS. While nobody answers, an old answer is better than none.
func (r *Resolver) learn(ctx context.Context, q question, old *answer) *answer {
	a := r.query(ctx, q)
	now := r.cfg.Now()
	a.from = now
	switch {
	case errors.Is(a.err, ErrNone):
		a.until = now.Add(nothing)
	case a.err != nil && old != nil && old.err == nil && now.Sub(old.from) < usable:
		a = &answer{srv: old.srv, addrs: old.addrs, from: old.from, until: now.Add(trouble)}
	case a.err != nil:
		if ctx.Err() != nil {
			return a // the asker had no time: that says nothing about the name
		}
		a.until = now.Add(trouble)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= room {
		clear(r.known)
	}
	r.known[q] = a
	return a
}
