package sipua

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/callyard/callyard/routing"
)

// TrunkStatus is how a trunk is doing on this node; false if there is none of
// that name.
func (s *Server) TrunkStatus(name string) (routing.TrunkStatus, bool) {
	for _, t := range s.cfg.Trunks() {
		if t.Name == name {
			return s.carriers.status(t), true
		}
	}
	return routing.TrunkStatus{}, false
}

// TrunkStatuses are those of all trunks.
func (s *Server) TrunkStatuses() []routing.TrunkStatus {
	var out []routing.TrunkStatus
	for _, t := range s.cfg.Trunks() {
		out = append(out, s.carriers.status(t))
	}
	return out
}

func (c *carriers) status(t routing.Trunk) routing.TrunkStatus {
	st := routing.TrunkStatus{
		Name: t.Name, Calls: c.srv.legs.of(t.Name), MaxCalls: t.MaxCalls, Registration: routing.TrunkRegistration{State: "none"},
		Gateways: []routing.GatewayStatus{},
	}
	if len(t.Gateways()) > 0 {
		st.Down = first(c.srv.unheard(transportOf(t)), c.down(t))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.srv.cfg.Now()
	if t.Register {
		st.Registration.State = "registering"
		if e := c.enrolled[t.Name]; e != nil {
			st.Registration = e.shown()
		}
	}
	for k, g := range c.gateways {
		if k.trunk == t.Name {
			st.Gateways = append(st.Gateways, routing.GatewayStatus{
				Address: k.addr.String(), Name: g.name, Up: !g.avoided(now), Seen: g.seen, RTT: g.rtt, Error: g.failure, ErrorAt: g.failedAt,
			})
		}
	}
	slices.SortFunc(st.Gateways, func(a, b routing.GatewayStatus) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Address, b.Address))
	})
	if n := c.counts[t.Name]; n != nil {
		st.Since = routing.TrunkCounts{In: n.in, Out: n.out, Shed: n.shed, Failovers: n.failovers, Failures: maps.Clone(n.failures)}
	}
	if st.Since.Failures == nil {
		st.Since.Failures = map[string]int64{}
	}
	return st
}

func (e *enrolment) shown() routing.TrunkRegistration {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := routing.TrunkRegistration{State: e.state, Until: e.until, Status: e.status, Error: e.why}
	if r.State == "failed" && e.srv.cfg.Now().Before(e.until) {
		r.State = "registered" // by what was granted before; Error says that it could not be renewed
	}
	return r
}
