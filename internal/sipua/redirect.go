package sipua

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua/sdp"
)

// wish is what an outgoing leg was asked to do, for as long as its INVITE may
// have to be sent again.
type wish struct {
	inv    callctl.Invitation
	uri    sip.Uri // the Request-URI of the last INVITE
	dest   string
	routes []string      // the Route that goes with it, see Device.Path
	minSE  time.Duration // from a 422
	tries  int           // INVITEs sent
	hops   int           // redirections followed
	next   []hop         // targets of a redirection that are still to be tried
	been   []string      // Request-URIs that were tried
}

// hop is one target of a redirection.
type hop struct {
	uri    sip.Uri
	dest   string
	routes []string
	q      float64
}

// A redirection is followed so far and no further (RFC 3261 §8.1.3.4 leaves it
// to us): a loop of two servers must end, and one answer must not make us call
// the world.
const (
	mostHops    = 2
	mostTargets = 5
)

// refused handles a final response other than 2xx to our INVITE.
func (l *Leg) refused(res *sip.Response) {
	code := res.StatusCode
	contact := ""
	switch {
	case l.state == over || l.wish.tries > mostTries:
	case code == 422 && minSE(&res.MessageData) > l.wish.minSE:
		l.wish.minSE = minSE(&res.MessageData) // RFC 4028 §7.3
		l.invite(l.wish.uri, l.wish.dest, l.wish.inv)
		return
	case l.secure.relents(code):
		l.secure.offers = sdp.Clear
		l.invite(l.wish.uri, l.wish.dest, l.wish.inv)
		return
	case code >= 300 && code < 400:
		contact = l.redirected(res)
	}
	if l.state != over && code < 600 && len(l.wish.next) > 0 {
		h := l.wish.next[0]
		l.wish.next = l.wish.next[1:]
		l.wish.routes = h.routes
		l.invite(h.uri, h.dest, l.wish.inv)
		return
	}
	l.giveUp.stop()
	l.end(callctl.LegEnded{Leg: l, Cause: causeOf(code, l.rang), Status: code, Remote: true, Redirect: contact})
	l.srv.legs.remove(l)
}

// redirected lines up those Contacts of a 3xx that may be followed, the best
// first, and says where the first was to.
func (l *Leg) redirected(res *sip.Response) (contact string) {
	l.wish.hops++
	var hops []hop
	for _, h := range res.GetHeaders("contact") {
		c, ok := h.(*sip.ContactHeader)
		if !ok || c.Address.Wildcard || c.Address.Host == "" {
			continue
		}
		x := hop{uri: *c.Address.Clone(), q: 1}
		if q, ok := c.Params.Get("q"); ok {
			if v, err := strconv.ParseFloat(q, 64); err == nil && v >= 0 && v <= 1 {
				x.q = v
			}
		}
		hops = append(hops, x)
	}
	slices.SortStableFunc(hops, func(a, b hop) int { return cmp.Compare(b.q, a.q) })
	if len(hops) > 0 {
		contact = userOf(&hops[0].uri)
	}
	if l.wish.hops > mostHops {
		l.wish.next = nil
		return contact
	}
	for _, x := range hops {
		x.uri.Headers = nil
		dest, routes, ok := l.mayFollow(&x.uri)
		if len(l.wish.been)+len(l.wish.next) > mostTargets || !ok || slices.Contains(l.wish.been, x.uri.String()) {
			continue
		}
		x.dest, x.routes = dest, routes
		l.wish.next = append(l.wish.next, x)
	}
	return contact
}

// mayFollow says where a redirection's target is reached, if we go there at
// all. A carrier's redirection stays with the carrier: one that names a host of
// the trunk is followed there, any other goes out through the trunk as a number.
// A phone may only name another phone of the same rep; where else a rep's calls
// go is for the live call to decide.
func (l *Leg) mayFollow(u *sip.Uri) (dest string, routes []string, ok bool) {
	if u.Scheme != "sip" || l.iface == nil {
		return "", nil, false
	}
	if l.trunk == "" {
		for _, d := range l.srv.registrar.devices(l.agent) {
			uri, flow, dest, err := l.srv.way(d)
			if err == nil && flow.Transport == l.iface.Transport && strings.EqualFold(uri.User, u.User) && hostPort(&uri, flow.Transport) == hostPort(u, flow.Transport) {
				return dest, d.Path, true
			}
		}
		return "", nil, false
	}
	if u.User == "" {
		return "", nil, false
	}
	home, _, _ := net.SplitHostPort(l.wish.dest)
	if strings.EqualFold(u.Host, l.wish.uri.Host) || strings.Trim(u.Host, "[]") == home {
		return hostPort(u, l.iface.Transport), nil, true
	}
	for _, t := range l.srv.cfg.Trunks() {
		if t.Name == l.trunk && within(t, ipOf(hostPort(u, l.iface.Transport))) >= 0 {
			return hostPort(u, l.iface.Transport), nil, true
		}
	}
	u.Host, u.Port, u.UriParams = l.wish.uri.Host, l.wish.uri.Port, nil
	return l.wish.dest, nil, true
}
