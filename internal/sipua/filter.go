package sipua

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

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
	if x == nil {
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

// filter drops what need not be parsed, per source address, before sipgo keeps
// anything about the sender. It never returns an error: that would end the
// listener.
func (s *Server) filter(p sip.TransportReadProps, data []byte) ([]byte, error) {
	if p.Transport != "UDP" {
		// A stream is cut anywhere, so no message is dropped; what cannot be read
		// ends the connection.
		s.refuseLine(p, data)
		return mend(data), nil
	}
	if !s.sources.take(addrOf(p.RemoteAddr)) || !plausible(data) {
		s.stats.filtered.Add(1)
		return nil, nil
	}
	if s.refuseLine(p, data) {
		return nil, nil
	}
	return data, nil
}

var scanners = [][]byte{[]byte("friendly-scanner"), []byte("sipvicious"), []byte("sip-scan"), []byte("sipcli/")}

// plausible says whether a datagram may be SIP: keep-alives, responses, and
// requests whose first line ends in a SIP version.
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

func addrOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.UDPAddr:
		ip, _ := netip.AddrFromSlice(a.IP)
		return ip.Unmap()
	case *net.TCPAddr:
		ip, _ := netip.AddrFromSlice(a.IP)
		return ip.Unmap()
	}
	return netip.Addr{}
}

// ipOf is the address part of "ip:port".
func ipOf(hostport string) netip.Addr {
	ap, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
