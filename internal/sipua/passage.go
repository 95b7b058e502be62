package sipua

import (
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua/digest"
	"github.com/callyard/callyard/routing"
)

// passage is a leg's way to a number: the gateways of a trunk one after the
// other, and then those of the next trunk. Owned by the leg's lane.
type passage struct {
	leg    *Leg
	number call.Number
	inv    callctl.Invitation
	trunks []routing.Trunk // the present one first
	ways   []way           // of the present one, still to be tried
	now    way
	login  login
	sent   time.Time
	timer  *time.Timer // the present gateway's patience
	heard  bool        // it has answered something
	tried  int
	last   callctl.LegEnded // how the last one failed
	told   func(Attempt)    // for a test call; else nil
}

// Attempt is one gateway's part in an outbound call.
type Attempt struct {
	Trunk, Gateway string
	Status         int    // 0: no answer
	Why            string // "" if it took the call
	Err            error  // what Why was made of, if it was an error
	After          time.Duration
}

// mostAttempts bounds how many gateways one call is offered to.
const mostAttempts = 8

// dialTrunk starts a call to a number: through a trunk that is named, else
// through those that carry it. Trunks that are full or fail are passed over.
func (s *Server) dialTrunk(to callctl.Target, inv callctl.Invitation) (*Leg, error) {
	return s.dialVia(to, inv, nil)
}

func (s *Server) dialVia(to callctl.Target, inv callctl.Invitation, told func(Attempt)) (*Leg, error) {
	who := "number"
	if to.Trunk != "" {
		who = "trunk " + to.Trunk
	}
	all := s.cfg.Trunks()
	trunks := routing.Outward(all, to.Number)
	if to.Trunk != "" {
		trunks = nil
		for _, t := range all {
			if t.Name == to.Trunk {
				trunks = []routing.Trunk{t}
			}
		}
	}
	switch {
	case to.Number == "":
		return nil, &UnreachableError{Who: who, Why: "no number"}
	case len(trunks) == 0 && to.Trunk != "":
		return nil, &UnreachableError{Who: who, Why: "there is no such trunk"}
	case len(trunks) == 0:
		return nil, &UnreachableError{Who: who, Why: "no trunk carries calls there"}
	case len(trunks[0].Gateways()) == 0:
		return nil, &UnreachableError{Who: who, Why: "it is for inbound calls only"}
	}
	l := s.outgoing(Flow{Transport: transportOf(trunks[0])}, inv)
	l.remote = callctl.Party{Number: to.Number}
	p := &passage{leg: l, number: to.Number, inv: inv, trunks: s.carriers.order(trunks), told: told}
	l.passage = p
	why := p.enter(func(t routing.Trunk) bool { l.trunk = t.Name; return s.legs.add(l, t.MaxCalls) })
	if why != "" {
		return nil, &UnreachableError{Who: who, Why: why}
	}
	s.stats.dials.Add(1)
	l.do(p.begin)
	return l, nil
}

// enter finds the first of the trunks left that has room; "" if there is one,
// else why there is none.
func (p *passage) enter(room func(routing.Trunk) bool) (why string) {
	s := p.leg.srv
	why = "no trunk is left"
	for ; len(p.trunks) > 0; p.trunks = p.trunks[1:] {
		t := p.trunks[0]
		switch deaf := s.unheard(transportOf(t)); {
		case deaf != "":
			why = deaf
		case !s.carriers.admits(t):
			why = "it takes no more new calls a second"
		case !room(t):
			s.carriers.count(t.Name, func(n *trunkCounts) { n.shed++ })
			why = "it carries as many calls as it may"
		default:
			s.carriers.count(t.Name, func(n *trunkCounts) { n.out++ })
			return ""
		}
	}
	return why
}

// begin looks the present trunk's gateways up and tries the first.
func (p *passage) begin() {
	s, t := p.leg.srv, p.trunks[0]
	try := func(ws []way, err error) {
		if p.leg.state == over {
			return // hung up meanwhile
		}
		if err != nil {
			p.broke(fmt.Sprintf("DNS: %v", err), 0, err)
			return
		}
		p.ways = ws
		p.try()
	}
	if literal(t.Gateways()) {
		ctx, cancel := s.within(s.carriers.timers.Resolve)
		defer cancel()
		try(s.carriers.ways(ctx, t, t.Gateways()))
		return
	}
	// DNS may take its time: the lane goes on without it.
	s.wg.Go(func() {
		ctx, cancel := s.within(s.carriers.timers.Resolve)
		defer cancel()
		ws, err := s.carriers.ways(ctx, t, t.Gateways())
		p.leg.do(func() { try(ws, err) })
	})
}

// try sends the INVITE to the next gateway.
func (p *passage) try() {
	l, t := p.leg, p.trunks[0]
	if len(p.ways) == 0 || p.tried >= mostAttempts {
		p.overflow()
		return
	}
	p.now, p.ways = p.ways[0], p.ways[1:]
	p.tried++
	p.login, p.heard, p.sent = login{account: digest.Account{User: t.Username, Password: string(t.Password)}}, false, l.srv.cfg.Now()
	flow := Flow{Transport: transportOf(t), Remote: p.now.Addr.String()}
	l.iface = l.srv.local(flow)
	flow.Local = l.iface.addr
	l.dialog.Flow = flow
	l.codecs = beside(p.inv.Beside, l.srv.codecs(t.Codecs))
	l.srtp = t.SRTP
	l.secure = l.srv.security(l, flow.Transport)
	var uri sip.Uri
	host := first(t.Domain, p.now.host)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	text := "sip:" + escapeUser(t.Write(p.number)) + "@" + host
	if t.Domain == "" && p.now.named != 0 {
		text += fmt.Sprintf(":%d", p.now.named)
	}
	if transportOf(t) != "udp" {
		text += ";transport=" + transportOf(t)
	}
	if err := sip.ParseUri(text, &uri); err != nil {
		p.fail("the number cannot be dialled: "+err.Error(), 0)
		return
	}
	l.dialog.RemoteURI, l.dialog.LocalURI = address("", &uri), shownFrom(t, p.inv, l.srv.host(l.iface))
	l.dialog.Target = uri.String()
	l.wish.hops, l.wish.next, l.wish.been, l.wish.tries = 0, nil, nil, min(l.wish.tries, 1) // another gateway may redirect anew
	p.invite(uri, p.dest())
}

// invite sends the INVITE, or sends it again with credentials.
func (p *passage) invite(uri sip.Uri, dest string) {
	l := p.leg
	l.provision, l.out = false, nil
	l.invite(uri, dest, p.inv)
	if l.state == over || l.out == nil {
		return
	}
	p.stop()
	sent := l.out
	p.timer = time.AfterFunc(l.srv.carriers.patience(p.trunks[0]), func() {
		l.do(func() {
			if l.out == sent && !p.heard && l.state != over {
				p.fail("no answer", 408) // its transaction goes on by itself, see late
			}
		})
	})
}

// dest is where the INVITE goes: to the first of the routes that the registrar
// has given us (RFC 3608), else to the gateway.
func (p *passage) dest() string {
	if rs := p.routes(); len(rs) > 0 {
		if u, _, ok := uriOf(rs[0]); ok && u.Host != "" {
			return hostPort(&u, transportOf(p.trunks[0]))
		}
	}
	return p.now.Addr.String()
}

func (p *passage) routes() []string { return p.leg.srv.carriers.routes(p.trunks[0].Name) }

// dress adds to the INVITE what the carrier is to see.
func (p *passage) dress(req *sip.Request) {
	for _, r := range p.routes() {
		req.AppendHeader(sip.NewHeader("Route", r))
	}
	for _, h := range identity(p.trunks[0], p.inv, p.leg.srv.host(p.leg.iface), req.Recipient.String()) {
		req.AppendHeader(h)
	}
	p.login.sign(req)
}

// hears is called with every response to the present INVITE.
func (p *passage) hears(res *sip.Response) {
	if !p.heard {
		p.heard = true
		p.stop()
		p.leg.srv.carriers.answered(p.trunks[0].Name, p.now, p.leg.srv.cfg.Now().Sub(p.sent))
	}
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		p.tell(res.StatusCode, "", nil)
	}
}

// refused decides about a final response of 300 and more: whether the call goes
// on somewhere else, or with credentials. What a person or the number caused
// does not get better at another gateway.
func (p *passage) refused(res *sip.Response) bool {
	l := p.leg
	if l.state == over || l.cancelled {
		return false
	}
	code := res.StatusCode
	if code == 401 || code == 407 {
		if p.login.answer(res, sip.INVITE, l.out.req.Recipient) {
			p.invite(l.wish.uri, l.wish.dest)
			return true
		}
		why := "it wants credentials and the trunk has none"
		if p.login.account.User != "" {
			why = "it does not accept the trunk's credentials"
		}
		l.srv.cfg.Log.Warn("carrier refuses our credentials", "trunk", p.trunks[0].Name, "gateway", p.now.Addr.String(), "status", code)
		p.fail(why, code)
		return true
	}
	switch {
	case code < 400, code == 422, len(l.wish.next) > 0, l.secure.relents(code):
		return false // it says how to go on
	case !elsewhere(code, l.rang):
		p.tell(code, fmt.Sprintf("%d %s", code, plain(res.Reason)), nil)
		l.srv.carriers.count(p.trunks[0].Name, func(n *trunkCounts) { n.fail(code) })
		return false
	}
	p.fail(fmt.Sprintf("%d %s", code, plain(res.Reason)), code)
	return true
}

// elsewhere says whether another gateway may do better (RFC 3263 §4.3: 503 and
// timeouts; also what a broken machine says, but never once a phone rang).
func elsewhere(code int, rang bool) bool {
	if rang {
		return false
	}
	switch code {
	case 408, 500, 502, 503, 504:
		return true
	}
	return false
}

// silent: the transaction ended without a final response.
func (p *passage) silent(err error) bool {
	if p.leg.state == over || p.leg.rang {
		return false
	}
	p.broke("no answer: "+err.Error(), 408, err)
	return true
}

// unsent: the INVITE could not even be sent.
func (p *passage) unsent(err error) {
	p.broke("cannot be reached: "+err.Error(), 503, err)
}

// fail notes a gateway's failure and tries the next.
func (p *passage) fail(why string, status int) { p.broke(why, status, nil) }

// broke is fail for what an error brought about.
func (p *passage) broke(why string, status int, err error) {
	p.stop()
	l, t := p.leg, p.trunks[0]
	l.out = nil
	if p.now.Addr.IsValid() {
		l.srv.carriers.failed(t.Name, p.now, why)
		l.srv.cfg.Log.Warn("gateway failed", "trunk", t.Name, "gateway", p.now.Addr.String(), "leg", l.id, "why", why)
	} else {
		l.srv.cfg.Log.Warn("trunk failed", "trunk", t.Name, "leg", l.id, "why", why)
	}
	l.srv.carriers.count(t.Name, func(n *trunkCounts) { n.fail(status) })
	p.tell(status, why, err)
	p.last = callctl.LegEnded{Leg: l, Cause: causeOf(status, false), Status: status, Remote: true}
	if status == 0 {
		p.last.Cause, p.last.Remote = call.Unavailable, false
	}
	if status == 401 || status == 403 || status == 407 {
		p.ways = nil // it is the trunk's account, not this gateway
	}
	if len(p.ways) > 0 {
		l.srv.carriers.count(t.Name, func(n *trunkCounts) { n.failovers++ })
	}
	p.try()
}

// overflow goes on with the next trunk that has room, or ends the leg.
func (p *passage) overflow() {
	l := p.leg
	if p.tried < mostAttempts && len(p.trunks) > 1 {
		p.trunks = p.trunks[1:]
		p.now, p.ways = way{}, nil
		if p.enter(func(t routing.Trunk) bool { return l.srv.legs.move(l, t.Name, t.MaxCalls) }) == "" {
			p.begin()
			return
		}
	}
	l.end(p.last)
	l.srv.legs.remove(l)
}

func (p *passage) tell(status int, why string, err error) {
	if p.told == nil {
		return
	}
	a := Attempt{Trunk: p.trunks[0].Name, Status: status, Why: why, Err: err, After: p.leg.srv.cfg.Now().Sub(p.sent)}
	if p.now.Addr.IsValid() {
		a.Gateway = p.now.Addr.String()
	}
	p.told(a)
}

func (p *passage) stop() {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}

// late ends what a gateway says that was given up: a 1xx is answered by CANCEL,
// a 2xx by ACK and BYE.
func (l *Leg) late(out *clientTx, res *sip.Response, cancelled *bool) {
	if res == nil {
		return
	}
	switch {
	case res.StatusCode < 200:
		if !*cancelled {
			*cancelled = true
			_, _ = l.srv.tx.send(cancelOf(out.req, nil), func(*sip.Response, error) {})
			new(alarm).set(l, l.srv.timers.GiveUp, out.Terminate) // one that says nothing more is not waited for
		}
	case res.StatusCode < 300:
		d := l.dialog
		d.InviteSeq, d.LocalSeq = out.req.CSeq().SeqNo, out.req.CSeq().SeqNo
		d.Flow.Remote = out.req.Destination()
		d.asUAC(res)
		iface := l.srv.local(d.Flow)
		_ = l.srv.tx.write(d.request(sip.ACK, iface, d.InviteSeq))
		_, _ = l.srv.tx.send(d.request(sip.BYE, iface, 0), func(*sip.Response, error) {})
	}
}

// unheard is why nothing can be sent over a transport, "" if it can.
func (s *Server) unheard(transport string) string {
	if l := s.local(Flow{Transport: transport}); l == nil || l.Transport != transport {
		return "nothing listens on " + transport
	}
	return ""
}

func transportOf(t routing.Trunk) string { return strings.ToLower(first(t.Transport, "udp")) }
