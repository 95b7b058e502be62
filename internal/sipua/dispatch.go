package sipua

import (
	"net/netip"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
)

// ipKey is a source address as the filter counts it.
type ipKey = netip.Addr

const causeShutdown = call.Shutdown

// admit keeps an overload from reaching anything that costs: a new INVITE or
// REGISTER beyond the rate gets 503 without a transaction. Called in the
// socket's reader.
func (s *Server) admit(req *sip.Request, over sip.Connection) bool {
	if to := req.To(); to != nil && req.Method != sip.REGISTER {
		if tag, ok := to.Params.Get("tag"); ok {
			return s.inDialog(req, tag, over)
		}
	}
	switch req.Method {
	case sip.INVITE:
		if s.invites.take(struct{}{}) {
			return true
		}
	case sip.ACK, sip.CANCEL, sip.BYE, sip.PRACK:
		return true // they end something, or cost nothing
	default:
		if s.others.take(struct{}{}) {
			return true
		}
	}
	s.stats.shed.Add(1)
	if screen(req) == nil {
		res := newResponse(req, 503, "", newTag())
		res.AppendHeader(retryAfter(2, 10))
		_ = s.tx.reply(over, res)
	}
	return false
}

// inDialog lets requests of our dialogs in. Of any other it answers without a
// transaction, which would be kept for half a minute: such requests cost nothing
// to invent and come in no number that could be called too many.
func (s *Server) inDialog(req *sip.Request, tag string, over sip.Connection) bool {
	switch {
	case s.legs.byTag(tag) != nil || s.watches.has(tag), req.Method == sip.CANCEL:
		return true
	case req.Method == sip.ACK || screen(req) != nil:
		return false
	}
	res := newResponse(req, 481, "", tag)
	if req.Method == sip.OPTIONS {
		res.AppendHeader(allowHeader())
	}
	_ = s.tx.reply(over, res)
	return false
}

// request routes a new, valid request.
func (s *Server) request(req *sip.Request, tx *serverTx) {
	if tag, ok := req.To().Params.Get("tag"); ok && req.Method != sip.REGISTER {
		if req.Method == sip.SUBSCRIBE && !refers(req) {
			s.resubscribe(req, tx, tag)
			return
		}
		if l := s.legs.find(req, tag); l != nil {
			l.dialog.follow(tx.flow)
			l.receive(req, tx)
			return
		}
		if req.Method == sip.OPTIONS {
			tx.status(481, allowHeader())
			return
		}
		tx.status(481)
		return
	}
	switch req.Method {
	case sip.INVITE:
		s.stats.invites.Add(1)
		s.invited(req, tx)
	case sip.REGISTER:
		s.register(req, tx)
	case sip.OPTIONS:
		tx.status(200, s.capabilities()...)
	case sip.SUBSCRIBE:
		s.subscribe(req, tx)
	case sip.REFER:
		tx.status(403) // only within a rep's call
	default:
		tx.status(481) // BYE, INFO, PRACK, UPDATE belong to a dialog
	}
}

// ack passes the ACK of a 2xx to its leg; others end here (RFC 3261 §17: an ACK
// is never answered).
func (s *Server) ack(req *sip.Request) {
	if tag, ok := req.To().Params.Get("tag"); ok {
		if l := s.legs.find(req, tag); l != nil {
			l.acked(req)
		}
	}
}

// cancel passes a CANCEL to the leg of its INVITE.
func (s *Server) cancel(_ *sip.Request, tx *serverTx) {
	if l := s.legs.byTag(tx.tag); l != nil {
		l.cancelledByCaller()
		return
	}
	tx.status(487)
}

func (s *Server) stray(res *sip.Response) { s.endStray(res) }
