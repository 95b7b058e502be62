package sipua

import (
	"errors"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua/sdp"
	"github.com/callyard/callyard/routing"
)

// invited decides who may place a new call. A rep's name in From needs the rep's
// password wherever the call comes from; else it must be a trunk's: by its source
// address, by the registration that we hold, or by the trunk's password. Anybody
// else is refused and learns nothing.
func (s *Server) invited(req *sip.Request, tx *serverTx) {
	select {
	case <-s.stopping:
		tx.status(503, retryAfter(5, 20))
		return
	default:
	}
	from := userOf(&req.From().Address)
	claimed := from
	cr, signed := credentials(&req.MessageData)
	if signed {
		claimed = cr.User
	}
	trunk, how := s.carriers.of(req, cr.User)
	if how == byPassword && signed && claimed == trunk.Username {
		if s.trunkAuthenticated(req, tx, trunk) {
			s.fromTrunk(req, tx, trunk)
		}
		return
	}
	if acc, ok := s.account(claimed, from); ok {
		if !s.authenticated(req, tx, acc.Agent) {
			return
		}
		l := &Leg{agent: acc.Agent, srtp: acc.SRTP, remote: callctl.Party{
			Number: call.Number(acc.Extension), Name: first(acc.Display, req.From().DisplayName), Agent: acc.Agent, Device: device(req),
		}}
		if s.pickUp(req, tx, l) {
			s.take(req, tx, l, userOf(&req.Recipient), 0)
		}
		return
	}
	if tx.flow.Transport == "ws" && how != byPassword {
		how = unknown // browsers may all come by way of one proxy
	}
	switch how {
	case byAddress, byRegistration:
		s.fromTrunk(req, tx, trunk)
	case byPassword:
		// Whoever it is, a password is asked for; this one has none of ours.
		s.trunkAuthenticated(req, tx, routing.Trunk{Username: claimed})
	case unknown:
		s.stats.refused.Add(1)
		if s.refusals.take(struct{}{}) {
			s.cfg.Log.Warn("INVITE from a stranger refused", "source", req.Source())
		}
		tx.status(403)
	}
}

// fromTrunk takes a call from a carrier, as far as its trunk may carry it.
func (s *Server) fromTrunk(req *sip.Request, tx *serverTx, t routing.Trunk) {
	if !s.carriers.admits(t) {
		s.stats.shed.Add(1)
		tx.status(503, retryAfter(1, 5))
		return
	}
	if _, present, _ := replacesOf(req); present {
		tx.status(403) // only among the hub's own
		return
	}
	s.take(req, tx, &Leg{trunk: t.Name, srtp: t.SRTP, codecs: s.codecs(t.Codecs), remote: caller(req, t)}, dialled(req, t), t.MaxCalls)
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
func (s *Server) take(req *sip.Request, tx *serverTx, l *Leg, to string, limit int) {
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
		s.carriers.count(l.trunk, func(n *trunkCounts) { n.shed++ })
		tx.status(503, retryAfter(5, 20))
		return
	}
	if l.trunk != "" {
		s.carriers.count(l.trunk, func(n *trunkCounts) { n.in++ })
	}
	tx.owned = true
	tx.status(100)
	s.stats.calls.Add(1)
	in := callctl.Incoming{Leg: l, Trunk: l.trunk, Agent: l.agent, From: l.remote, To: to, At: now}
	if l.place != nil {
		in.Replaces = l.place
	}
	s.cfg.OnCall(in)
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
