package sipua

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/callyard/callyard/internal/sipua/resolve"
	"github.com/callyard/callyard/routing"
)

type gatewayKey struct {
	trunk string
	addr  netip.AddrPort
}

// gateway is what is known of one address of a carrier's.
type gateway struct {
	name     string
	badUntil time.Time // tried last until then
	down     bool      // OPTIONS are not answered
	failure  string    // why, in words; the last one, also when all is well again
	failedAt time.Time
	rtt      time.Duration // of the last OPTIONS or first answer; 0: none yet
	seen     time.Time     // when it answered last
}

func (g *gateway) avoided(now time.Time) bool { return g.down || now.Before(g.badUntil) }

// way is one address that a trunk's requests may go to.
type way struct {
	host  string // as the trunk names the gateway, without a port
	named int    // the port that goes with it; 0: none
	resolve.Target
}

// known is a gateway's entry. mu is held.
func (c *carriers) known(trunk string, w way) *gateway {
	k := gatewayKey{trunk, w.Addr}
	g := c.gateways[k]
	if g == nil {
		g = &gateway{}
		c.gateways[k] = g
	}
	g.name = w.Name
	return g
}

// failed notes that a gateway did not do its part, and avoids it for a while.
func (c *carriers) failed(trunk string, w way, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g, now := c.known(trunk, w), c.srv.cfg.Now()
	g.failure, g.failedAt, g.badUntil = why, now, now.Add(c.timers.Avoid)
}

// answered notes that a gateway speaks, whatever it says.
func (c *carriers) answered(trunk string, w way, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.known(trunk, w)
	g.seen, g.rtt, g.badUntil = c.srv.cfg.Now(), took, time.Time{}
}

// ways are where a trunk's requests may go, the best first: by priority, within
// one by weight, and those that failed of late at the end. It may wait for DNS.
func (c *carriers) ways(ctx context.Context, t routing.Trunk, gateways []routing.Gateway) ([]way, error) {
	var ws []way
	var first error
	for _, g := range drawn(gateways) {
		host, port, _ := routing.SplitHost(g.Host)
		targets, err := c.dns.Targets(ctx, host, port, cmp.Or(t.Transport, "udp"))
		if err != nil && first == nil {
			first = err
		}
		for _, x := range targets {
			if !slices.ContainsFunc(ws, func(w way) bool { return w.Addr == x.Addr }) {
				ws = append(ws, way{host, port, x})
			}
		}
	}
	if len(ws) == 0 {
		return nil, first
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.srv.cfg.Now()
	rank := func(w way) int {
		if g := c.gateways[gatewayKey{t.Name, w.Addr}]; g != nil && g.avoided(now) {
			return 1
		}
		return 0
	}
	for _, w := range ws {
		c.known(t.Name, w)
	}
	slices.SortStableFunc(ws, func(a, b way) int { return rank(a) - rank(b) })
	return ws, nil
}

// drawn puts gateways in order of priority, those of one priority by a draw in
// which weight is the chance.
func drawn(gateways []routing.Gateway) []routing.Gateway {
	left := slices.Clone(gateways)
	slices.SortStableFunc(left, func(a, b routing.Gateway) int { return a.Priority - b.Priority })
	var out []routing.Gateway
	for len(left) > 0 {
		total, n := 0, 0
		for n < len(left) && left[n].Priority == left[0].Priority {
			total += max(1, left[n].Weight)
			n++
		}
		at, pick := 0, rand.IntN(total)
		for pick >= max(1, left[at].Weight) {
			pick -= max(1, left[at].Weight)
			at++
		}
		out = append(out, left[at])
		left = slices.Delete(left, at, at+1)
	}
	return out
}

// literal says whether nothing of a trunk has to be looked up.
func literal(gateways []routing.Gateway) bool {
	return !slices.ContainsFunc(gateways, func(g routing.Gateway) bool {
		host, _, _ := routing.SplitHost(g.Host)
		_, err := netip.ParseAddr(host)
		return err != nil
	})
}
