package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// source is where a request came from.
type source struct {
	ip     netip.Addr
	secure bool // over TLS, to us or to a proxy of ours
}

// sourceOf reads the source of a request. Headers are believed of proxies only,
// and of X-Forwarded-For the last address that is none of theirs: those before it
// are what the client wrote.
func sourceOf(r *http.Request, proxies []netip.Prefix) source {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, _ := netip.ParseAddr(host)
	s := source{ip.Unmap().WithZone(""), r.TLS != nil}
	trusted := func(ip netip.Addr) bool {
		return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(ip) })
	}
	if !trusted(s.ip) {
		return s
	}
	s.secure = s.secure || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		ip, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		s.ip = ip.Unmap().WithZone("")
		if !trusted(s.ip) {
			break
		}
	}
	return s
}

// name is what limits count by: an address, of IPv6 the network, which one host
// has whole.
func (s source) name() string {
	if s.ip.Is6() {
		p, err := s.ip.Prefix(64)
		if err == nil {
			return p.String()
		}
	}
	return s.ip.String()
}

// loopback: what is sent does not leave the machine.
func (s source) loopback() bool { return s.ip.IsLoopback() }
