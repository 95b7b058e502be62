package sipua

import (
	"net/netip"
	"slices"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// proof is how a call shows whose it is.
type proof int

const (
	unknown        proof = iota
	byAddress            // its source is among the trunk's
	byRegistration       // it comes from where we registered, to whom we registered as
	byPassword           // it must authenticate
)

// of is the trunk a call belongs to; user is whose credentials it carries. The
// longest prefix of an address counts. byPassword without a trunk's name: some
// trunk takes calls from anywhere by its password.
func (c *carriers) of(req *sip.Request, user string) (routing.Trunk, proof) {
	trunks, ip := c.srv.cfg.Trunks(), ipOf(req.Source())
	if user != "" {
		for _, t := range trunks {
			if t.AuthInbound && t.Username == user && (len(t.Sources) == 0 || within(t, ip) >= 0) {
				return t, byPassword
			}
		}
	}
	best, bits := routing.Trunk{}, -1
	for _, t := range trunks {
		if n := within(t, ip); n > bits {
			best, bits = t, n
		}
	}
	switch {
	case bits >= 0 && best.AuthInbound:
		return best, byPassword
	case bits >= 0:
		return best, byAddress
	}
	if t, ok := c.registered(ip, userOf(&req.Recipient)); ok {
		return t, byRegistration
	}
	if slices.ContainsFunc(trunks, func(t routing.Trunk) bool { return t.AuthInbound && len(t.Sources) == 0 }) {
		return routing.Trunk{}, byPassword
	}
	return routing.Trunk{}, unknown
}

// within is how long the prefix of the trunk's is that an address is in; -1: none.
func within(t routing.Trunk, ip netip.Addr) int {
	bits := -1
	for _, src := range t.Sources {
		p, err := netip.ParsePrefix(src)
		if err != nil {
			a, err := netip.ParseAddr(src)
			if err != nil {
				continue
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if p.Contains(ip) {
			bits = max(bits, p.Bits())
		}
	}
	return bits
}

// registered is the trunk whose registration a call comes by.
func (c *carriers) registered(ip netip.Addr, user string) (routing.Trunk, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.enrolled {
		if e.trunk.Username == user && e.from(ip) {
			for _, t := range c.srv.cfg.Trunks() { // as it is configured now
				if t.Name == e.trunk.Name {
					return t, true
				}
			}
		}
	}
	return routing.Trunk{}, false
}

// trunkAuthenticated answers a request that does not prove to know the trunk's
// password; true if it does. Wrong ones are throttled as those of reps are.
func (s *Server) trunkAuthenticated(req *sip.Request, tx *serverTx, t routing.Trunk) bool {
	ip := ipOf(req.Source())
	var ha1 queues.HA1
	if t.Password != "" {
		ha1 = queues.NewHA1(t.Username, s.cfg.Realm, string(t.Password))
	}
	return s.admitted(tx, s.auth.verify(req, t.Username, ha1, ip), ip)
}

// dialled is the number a carrier's call is for. A call that comes by a
// registration names our account in the Request-URI, and the number elsewhere.
func dialled(req *sip.Request, t routing.Trunk) string {
	to := userOf(&req.Recipient)
	if t.Register && to == t.Username {
		if h := req.GetHeader("p-called-party-id"); h != nil { // RFC 7315 §4.2
			if u, _, ok := uriOf(h.Value()); ok && userOf(&u) != "" {
				return string(t.Read(numberOf(userOf(&u))))
			}
		}
		if u := userOf(&req.To().Address); u != "" {
			to = u
		}
	}
	if t.NumberFormat == "" {
		return to
	}
	return string(t.Read(numberOf(to)))
}
