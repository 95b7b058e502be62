package httpapi

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

func TestSources(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		name, remote, forwarded, proto string
		ip                             string
		secure                         bool
	}{
		{"a stranger's headers are not believed", "192.0.2.7:1", "127.0.0.1", "https", "192.0.2.7", false},
		{"a proxy's are", "10.0.0.1:1", "192.0.2.7", "https", "192.0.2.7", true},
		{"but not what the client wrote before it", "10.0.0.1:1", "127.0.0.1, 192.0.2.7, 10.0.0.2", "http", "192.0.2.7", false},
		{"a proxy that says nothing is the source", "10.0.0.1:1", "", "", "10.0.0.1", false},
		{"nonsense ends it", "10.0.0.1:1", "127.0.0.1, nonsense", "", "10.0.0.1", false},
		{"IPv4 in IPv6 is IPv4", "[::ffff:192.0.2.7]:1", "", "", "192.0.2.7", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
			r.Header.Set("X-Forwarded-For", c.forwarded)
			r.Header.Set("X-Forwarded-Proto", c.proto)
			if s := sourceOf(r, proxies); s.ip.String() != c.ip || s.secure != c.secure {
				t.Errorf("%+v", s)
			}
		})
	}
	a, b := source{ip: netip.MustParseAddr("2001:db8::1")}, source{ip: netip.MustParseAddr("2001:db8::ffff:1")}
	if a.name() != b.name() {
		t.Error("a host with a network of its own is many sources")
	}
}

func TestBucketsAreBounded(t *testing.T) {
	b := newBuckets(1, 1)
	now := time.Now()
	for i := range 3 * b.most {
		b.take(fmt.Sprint(i), now)
	}
	if len(b.byName) != b.most || b.recent.Len() != b.most {
		t.Errorf("%d names are kept", len(b.byName))
	}
	if last := fmt.Sprint(3*b.most - 1); b.take(last, now).ok {
		t.Error("the one used last was forgotten")
	}
}
