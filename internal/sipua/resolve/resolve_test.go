package resolve_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/callyard/callyard/internal/sipua/resolve"
)

// zone is a small DNS server on loopback.
type zone struct {
	addr string

	mu      sync.Mutex
	records []string
	asked   map[string]int
	down    bool
}

func serve(t *testing.T, records ...string) *zone {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{addr: c.LocalAddr().String(), records: records, asked: map[string]int{}}
	s := &dns.Server{PacketConn: c, Handler: dns.HandlerFunc(z.answer)}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.ActivateAndServe() }()
	t.Cleanup(func() { _ = c.Close(); <-done })
	return z
}

func (z *zone) answer(w dns.ResponseWriter, m *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	q := m.Question[0]
	z.asked[q.Name+dns.TypeToString[q.Qtype]]++
	if z.down {
		return
	}
	res := new(dns.Msg)
	res.SetReply(m)
	exists := false
	for _, r := range z.records {
		rr, _ := dns.NewRR(r)
		if rr.Header().Name != q.Name {
			continue
		}
		exists = true
		if rr.Header().Rrtype == q.Qtype {
			res.Answer = append(res.Answer, rr)
		}
	}
	if !exists {
		res.Rcode = dns.RcodeNameError
	}
	_ = w.WriteMsg(res)
}

func (z *zone) count(q string) int { z.mu.Lock(); defer z.mu.Unlock(); return z.asked[q] }

func (z *zone) change(down bool, records ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.down, z.records = down, records
}

// clock is a time that stands until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func resolver(z *zone) (*resolve.Resolver, *clock) {
	c := &clock{t: time.Unix(1e9, 0)}
	return resolve.New(resolve.Config{Servers: []string{z.addr}, Timeout: 300 * time.Millisecond, Now: c.now}), c
}

func targets(t *testing.T, r *resolve.Resolver, host string, port int, transport string) (out []string) {
	t.Helper()
	ts, err := r.Targets(t.Context(), host, port, transport)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range ts {
		out = append(out, x.Addr.String())
	}
	return out
}

func is(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}

func TestTargets(t *testing.T) {
	z := serve(t,
		"_sip._udp.carrier.example. 60 IN SRV 20 0 5070 b.carrier.example.", "_sip._udp.carrier.example. 60 IN SRV 10 0 5080 a.carrier.example.",
		"_sips._tcp.carrier.example. 60 IN SRV 10 0 5061 a.carrier.example.",
		"a.carrier.example. 60 IN A 192.0.2.1", "a.carrier.example. 60 IN AAAA 2001:db8::1", "b.carrier.example. 60 IN A 192.0.2.2",
		"_sip._udp.closed.example. 60 IN SRV 0 0 0 .", "closed.example. 60 IN A 192.0.2.9")
	r, _ := resolver(z)
	is(t, targets(t, r, "192.0.2.5", 0, "tls"), "192.0.2.5:5061")
	is(t, targets(t, r, "::1", 5070, "udp"), "[::1]:5070")
	is(t, targets(t, r, "carrier.example", 0, "udp"), "192.0.2.1:5080", "[2001:db8::1]:5080", "192.0.2.2:5070")
	is(t, targets(t, r, "carrier.example", 0, "tls"), "192.0.2.1:5061", "[2001:db8::1]:5061")
	is(t, targets(t, r, "b.carrier.example", 0, "tcp"), "192.0.2.2:5060")        // no SRV
	is(t, targets(t, r, "a.carrier.example", 5099, "udp")[:1], "192.0.2.1:5099") // a port: no SRV
	if z.count("_sip._udp.a.carrier.example.SRV") != 0 {
		t.Error("asked for services of a host with a port")
	}
	if _, err := r.Targets(t.Context(), "nobody.example", 0, "udp"); !errors.Is(err, resolve.ErrNone) {
		t.Error(err)
	}
	is(t, targets(t, r, "closed.example", 0, "udp"), "192.0.2.9:5060")
}

func TestMemory(t *testing.T) {
	z := serve(t, "a.example. 60 IN A 192.0.2.1")
	r, c := resolver(z)
	for range 5 {
		is(t, targets(t, r, "a.example", 5060, "udp"), "192.0.2.1:5060")
	}
	if n := z.count("a.example.A"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	z.change(false, "a.example. 60 IN A 192.0.2.2")
	c.pass(61 * time.Second)
	is(t, targets(t, r, "a.example", 5060, "udp"), "192.0.2.2:5060")
	t.Run("an old answer while nobody answers", func(t *testing.T) {
		z.change(true)
		c.pass(61 * time.Second)
		is(t, targets(t, r, "a.example", 5060, "udp"), "192.0.2.2:5060")
		asked := z.count("a.example.A")
		is(t, targets(t, r, "a.example", 5060, "udp"), "192.0.2.2:5060")
		if n := z.count("a.example.A"); n != asked {
			t.Error("asked again at once")
		}
		c.pass(25 * time.Hour)
		if _, err := r.Targets(t.Context(), "a.example", 5060, "udp"); err == nil || errors.Is(err, resolve.ErrNone) {
			t.Error(err)
		}
	})
	t.Run("the next server when one is silent", func(t *testing.T) {
		other := serve(t, "b.example. 60 IN A 192.0.2.3")
		r := resolve.New(resolve.Config{Servers: []string{z.addr, other.addr}, Timeout: 100 * time.Millisecond})
		is(t, targets(t, r, "b.example", 5060, "udp"), "192.0.2.3:5060")
	})
	t.Run("the system's names where DNS has none", func(t *testing.T) {
		other := serve(t)
		r := resolve.New(resolve.Config{Servers: []string{other.addr}, System: func(_ context.Context, host string) ([]netip.Addr, error) {
			if host != "pbx" {
				t.Error(host)
			}
			return []netip.Addr{netip.MustParseAddr("192.0.2.4")}, nil
		}})
		is(t, targets(t, r, "pbx", 5060, "udp"), "192.0.2.4:5060")
	})
}

// TestWeights: of 1,000 draws with weights 3 and 1, three quarters.
func TestWeights(t *testing.T) {
	z := serve(t, "_sip._udp.c.example. 60 IN SRV 1 30 5060 a.example.", "_sip._udp.c.example. 60 IN SRV 1 10 5060 b.example.",
		"a.example. 60 IN A 192.0.2.1", "b.example. 60 IN A 192.0.2.2")
	r, _ := resolver(z)
	n := 0
	for range 1000 {
		if targets(t, r, "c.example", 0, "udp")[0] == "192.0.2.1:5060" {
			n++
		}
	}
	if n < 650 || n > 850 {
		t.Errorf("%d of 1000 to the one with three quarters of the weight", n)
	}
}
