package sipua

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua/sdp"
	"github.com/callyard/callyard/routing"
)

// invited decides who may place a new call. A rep's name in From needs the rep's
// password wherever the call comes from; else the source address must be a
// trunk's; anybody else is refused and learns nothing.
func (s *Server) invited(req *sip.Request, tx *serverTx) {
	select {
	case <-s.stopping:
		tx.status(503, retryAfter(5, 20))
		return
	default:
	}
	from := userOf(&req.From().Address)
	claimed := from
	if cr, ok := credentials(&req.MessageData); ok {
		claimed = cr.user
	}
	if acc, ok := s.account(claimed, from); ok {
		if !s.authenticated(req, tx, acc.Agent) {
			return
		}
		l := &Leg{agent: acc.Agent, srtp: acc.SRTP, remote: callctl.Party{
			Number: call.Number(acc.Extension), Name: first(acc.Display, req.From().DisplayName), Agent: acc.Agent, Device: device(req),
		}}
		if s.pickUp(req, tx, l) {
			s.take(req, tx, l, 0)
		}
		return
	}
	trunk, ok := trunkOf(s.cfg.Trunks(), ipOf(req.Source()))
	if !ok || tx.flow.Transport == "ws" { // browsers may all come by way of one proxy

		s.stats.refused.Add(1)
		if s.refusals.take(struct{}{}) {
			s.cfg.Log.Warn("INVITE from a stranger refused", "source", req.Source())
		}
		tx.status(403)
		return
	}
	if trunk.CallsPerS > 0 && !s.trunkRate.takeAt(trunk.Name, trunk.CallsPerS, max(1, trunk.CallsPerS)) {
		s.stats.shed.Add(1)
		tx.status(503, retryAfter(1, 5))
		return
	}
	if _, present, _ := replacesOf(req); present {
		tx.status(403) // only among the hub's own
		return
	}
	s.take(req, tx, &Leg{trunk: trunk.Name, srtp: trunk.SRTP, codecs: s.codecs(trunk.Codecs), remote: caller(req)}, trunk.MaxCalls)
}

// account is the account a call claims to come from: by its credentials, or by
// its From alone.
func (s *Server) account(claimed, from string) (Account, bool) {
	if s.cfg.Accounts == nil {
		return Account{}, false
	}
	if a, ok := s.cfg.Accounts.Account(claimed); ok {
		return a, true
	}
	if claimed == from {
		return Account{}, false
	}
	return s.cfg.Accounts.Account(from)
}

// take makes the leg of an admitted INVITE and hands it over.
func (s *Server) take(req *sip.Request, tx *serverTx, l *Leg, limit int) {
	m := &req.MessageData
	if h := s.tooBrief(m); h != nil {
		tx.status(422, h) // RFC 4028 §6
		return
	}
	iface := s.local(tx.flow)
	l.secure = s.security(l, tx.flow.Transport)
	if body := sdpOf(m); body != nil {
		d, err := sdp.Parse(body)
		if err == nil {
			loc := sdp.Local{Addr: iface.media, Codecs: l.codecs}
			l.secure.into(&loc)
			_, _, err = sdp.Answer(d, loc)
		}
		switch {
		case errors.Is(err, sdp.ErrMalformed):
			tx.status(400)
			return
		case err != nil:
			tx.status(488)
			return
		}
		l.offered = body
	}
	now := s.cfg.Now()
	l.id, l.srv, l.inbound, l.in, l.iface = call.LegID(call.NewID("leg", now)), s, true, tx, iface
	l.dialog = Dialog{SDPID: uint64(now.UnixMicro()), Agent: l.agent != "", Contact: contactUser(userOf(&req.Recipient))}
	l.dialog.asUAS(req, tx.tag, tx.flow)
	l.key, l.reliable = l.dialog.CallID, reliability(req)
	if !s.legs.add(l, limit) {
		s.stats.shed.Add(1)
		tx.status(503, retryAfter(5, 20))
		return
	}
	tx.owned = true
	tx.status(100)
	s.stats.calls.Add(1)
	in := callctl.Incoming{Leg: l, Trunk: l.trunk, Agent: l.agent, From: l.remote, To: userOf(&req.Recipient), At: now}
	if l.place != nil {
		in.Replaces = l.place
	}
	s.cfg.OnCall(in)
}

// trunkOf is the trunk a source address belongs to: the one with the longest
// matching prefix.
func trunkOf(ts []routing.Trunk, ip netip.Addr) (best routing.Trunk, found bool) {
	bits := -1
	for _, t := range ts {
		for _, src := range t.Sources {
			p, err := netip.ParsePrefix(src)
			if err != nil {
				a, err := netip.ParseAddr(src)
				if err != nil {
					continue
				}
				p = netip.PrefixFrom(a, a.BitLen())
			}
			if p.Contains(ip) && p.Bits() > bits {
				best, found, bits = t, true, p.Bits()
			}
		}
	}
	return best, found
}

// caller is who a trunk says is calling: the asserted identity (RFC 3325, the
// trunk is trusted), else From.
func caller(req *sip.Request) callctl.Party {
	p := callctl.Party{Device: device(req)}
	from := req.From()
	p.Number, p.Name = numberOf(userOf(&from.Address)), unquote(from.DisplayName)
	for _, h := range req.GetHeaders("p-asserted-identity") {
		if u, name, ok := uriOf(h.Value()); ok && userOf(&u) != "" {
			p.Number = numberOf(userOf(&u))
			p.Name = first(unquote(name), p.Name)
			break
		}
	}
	for _, t := range tokens(&req.MessageData, "privacy") {
		if strings.Contains(t, "id") || strings.Contains(t, "user") {
			p.Number, p.Name = "", "" // RFC 3323: not to be shown
		}
	}
	return p
}

// device is what the phone calls itself, else where it is.
func device(req *sip.Request) string {
	if ua := header(&req.MessageData, "User-Agent"); ua != "" {
		return plain(ua)
	}
	if c := req.Contact(); c != nil {
		return legible(c.Address.String())
	}
	return req.Source()
}

// unquote takes the escapes out of a display name.
func unquote(s string) string { return strings.TrimSpace(strings.ReplaceAll(legible(s), `\`, "")) }

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// contactUser is the user part of our Contact: what was dialled, if it is short
// and simple, so that phones show it.
func contactUser(dialled string) string {
	if dialled == "" || len(dialled) > 40 || escapeUser(dialled) != dialled {
		return "callyard"
	}
	return dialled
}
