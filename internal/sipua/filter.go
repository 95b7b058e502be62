package sipua

import (
	"bytes"
	"net/netip"
	"sync"
	"time"
)

// maxKeys bounds how many sources are counted apart: beyond it, as when source
// addresses are forged, newcomers share one bucket.
const maxKeys = 1 << 16

// bucket is a token bucket: rate tokens a second, at most burst saved up.
type bucket struct {
	tokens float64
	last   time.Time
}

func (b *bucket) take(now time.Time, rate, burst float64) bool {
	if b.last.IsZero() {
		b.tokens = burst
	} else {
		b.tokens = min(burst, b.tokens+now.Sub(b.last).Seconds()*rate)
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// buckets keeps a token bucket per key, and forgets those that are full again.
type buckets[K comparable] struct {
	rate, burst float64
	now         func() time.Time

	mu   sync.Mutex
	m    map[K]*bucket
	rest bucket    // of those there is no room for
	next time.Time // when to forget
}

func newBuckets[K comparable](rate, burst float64, now func() time.Time) *buckets[K] {
	return &buckets[K]{rate: rate, burst: burst, now: now, m: map[K]*bucket{}}
}

func (b *buckets[K]) take(k K) bool { return b.takeAt(k, b.rate, b.burst) }

// takeAt is take with a rate of the key's own.
func (b *buckets[K]) takeAt(k K, rate, burst float64) bool {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.After(b.next) {
		b.next = now.Add(10 * time.Second)
		for k, x := range b.m {
			if now.Sub(x.last).Seconds()*rate >= burst {
				delete(b.m, k)
			}
		}
	}
	x := b.m[k]
	switch {
	case x == nil && len(b.m) >= maxKeys:
		x = &b.rest
	case x == nil:
		x = &bucket{}
		b.m[k] = x
	}
	return x.take(now, rate, burst)
}

// empty says whether a key has nothing left, without taking.
func (b *buckets[K]) empty(k K) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.m[k]
	return x != nil && min(b.burst, x.tokens+b.now().Sub(x.last).Seconds()*b.rate) < 1
}

// passes says whether what a source sent may be parsed: not too much of it,
// and something that may be SIP.
func (s *Server) passes(source netip.Addr, data []byte) bool {
	return s.sources.take(network(source)) && plausible(data)
}

// network is what a source is counted as: for IPv6 its /64, of which one host
// may use every address.
func network(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

var scanners = [][]byte{[]byte("friendly-scanner"), []byte("sipvicious"), []byte("sip-scan"), []byte("sipcli/")}

// plausible says whether data may be SIP: keep-alives, responses, and requests
// whose first line has a SIP version.
func plausible(data []byte) bool {
	if len(data) <= 4 {
		return len(bytes.Trim(data, "\r\n")) == 0
	}
	if len(data) < 40 || data[0] <= ' ' || data[0] > '~' {
		return false
	}
	line, _, ok := bytes.Cut(data, []byte("\r\n"))
	if !ok || !bytes.Contains(line, []byte("SIP/")) {
		return false
	}
	head := data[:min(len(data), 2048)]
	for _, s := range scanners {
		if bytes.Contains(head, s) {
			return false
		}
	}
	return true
}

// ipOf is the address part of "ip:port".
func ipOf(hostport string) netip.Addr {
	ap, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
