package sipua

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua/sdp"
)

// repeater sends a 2xx again until its ACK comes (RFC 3261 §13.3.1.4): after T1,
// 2·T1 … up to T2, on every transport, and gives up after 64·T1.
type repeater struct {
	tx     *serverTx
	res    *sip.Response
	seq    uint32 // CSeq of the INVITE
	pause  time.Duration
	until  time.Time
	alarm  alarm
	offers bool // the 2xx holds our offer, the ACK the answer
}

// repeatUntilAcked starts repeating a 2xx of the leg; onLate is what to do when
// the ACK never comes.
func (l *Leg) repeatUntilAcked(tx *serverTx, res *sip.Response, offers bool) {
	l.stopRepeat()
	r := &repeater{tx: tx, res: res, seq: tx.req.CSeq().SeqNo, pause: l.srv.timers.T1, until: l.srv.cfg.Now().Add(l.srv.timers.GiveUp), offers: offers}
	l.repeat = r
	r.alarm.set(l, r.pause, func() { l.again(r) })
}

func (l *Leg) again(r *repeater) {
	left := r.until.Sub(l.srv.cfg.Now())
	if left <= 0 {
		l.unacked()
		return
	}
	_ = r.tx.respond(r.res)
	r.pause = min(2*r.pause, l.srv.timers.T2)
	r.alarm.set(l, min(r.pause, left), func() { l.again(r) })
}

// unacked ends a dialog whose 2xx was never acknowledged (RFC 3261 §13.3.1.4).
func (l *Leg) unacked() {
	l.stopRepeat()
	l.srv.stats.noAck.Add(1)
	if f := l.byeLater; f != nil {
		l.byeLater = nil
		f()
		return
	}
	l.bye(call.Failed, "no ACK")
	l.end(callctl.LegEnded{Leg: l, Cause: call.Failed, Status: 408})
}

func (l *Leg) stopRepeat() {
	if l.repeat != nil {
		l.repeat.alarm.stop()
		l.repeat = nil
	}
}

// ring sends a 180, and again every minute so that proxies do not give up.
func (l *Leg) ring() {
	if !l.inbound || l.state > ringing || l.early {
		return
	}
	if l.reliable.always() && l.offered == nil {
		// RFC 3261 §13.2.1: the first reliable response has to hold the offer.
		l.progress()
		return
	}
	l.state = ringing
	l.named()
	l.provisional(&provisional{res: l.response(180)})
}

// progress sends a 183 with our answer, or our offer if the caller made none
// and will answer it in a PRACK. Where neither is possible it only rings.
func (l *Leg) progress() {
	if !l.inbound || l.state > ringing || l.early {
		return
	}
	p := &provisional{described: true}
	var body []byte
	var err error
	switch {
	case l.offered != nil:
		body, err = l.answer(l.offered)
	case l.reliable != nil:
		var port MediaPort
		p.offers = true
		if port, err = l.openMedia(); err == nil {
			body = l.offer(port)
		}
	default:
		l.ring()
		return
	}
	if err != nil {
		l.refuse(err)
		return
	}
	l.state, l.early = ringing, true
	l.named()
	p.res = l.response(183)
	describe(&p.res.MessageData, body)
	l.provisional(p)
}

// provisional sends a provisional response, reliably where the caller demands
// it, or knows how and it matters; and another each minute.
func (l *Leg) provisional(p *provisional) {
	again := p
	if l.reliable != nil && (p.described || l.reliable.must) {
		l.reliably(p)
		again = &provisional{res: l.response(p.res.StatusCode)} // said and heard: only a sign of life
	} else {
		_ = l.in.respond(p.res)
	}
	l.fresh.set(l, l.srv.timers.Refresh, func() {
		if l.state == ringing {
			l.provisional(again)
		}
	})
}

// pickUp sends the 200. It waits for the PRACK of a response with a description
// (RFC 3262 §3).
func (l *Leg) pickUp(shown callctl.Party) {
	if !l.inbound || l.state > ringing {
		return
	}
	if l.reliable.always() && !l.reliable.began {
		// Who demands reliable responses gets one: some wait for it.
		if l.progress(); l.state == over {
			return
		}
	}
	if l.reliable.holds() {
		l.later = func() { l.pickUp(shown) }
		return
	}
	var body []byte
	var err error
	offers := false
	switch {
	case l.settled:
		// RFC 3261 §13.2.1: offer and answer are done; another description would be a new offer.
	case l.early:
		body, offers = []byte(l.dialog.SDP), l.offered == nil
	case l.offered != nil:
		body, err = l.answer(l.offered)
	default:
		var p MediaPort
		offers = true
		if p, err = l.openMedia(); err == nil {
			body = l.offer(p)
		}
	}
	if err != nil {
		l.refuse(err)
		return
	}
	res := l.response(200)
	if h := asserted(shown, l.iface.host); h != nil {
		res.AppendHeader(h)
	}
	l.timed(l.in.req, res)
	if body != nil {
		describe(&res.MessageData, body)
	}
	l.state, l.shownTo = accepted, shown
	l.named()
	l.fresh.stop()
	l.unreliable()
	if err := l.in.respond(res); err != nil {
		l.bye(call.Failed, "")
		l.end(callctl.LegEnded{Leg: l, Cause: call.Failed})
		return
	}
	l.repeatUntilAcked(l.in, res, offers)
}

// refuse answers an offer that cannot be used, or a port that cannot be had.
func (l *Leg) refuse(err error) {
	switch {
	case errors.Is(err, errEnded):
	case errors.Is(err, sdp.ErrMalformed):
		l.final(400, call.NotAcceptable, "")
	case errors.Is(err, sdp.ErrNoAudio), errors.Is(err, sdp.ErrNoCodec):
		l.final(488, call.NotAcceptable, "")
	default:
		l.srv.cfg.Log.Error("no media for a call", "leg", l.id, "err", err)
		l.final(500, call.Failed, "")
	}
}

// reject answers an INVITE finally without taking the call.
func (l *Leg) reject(cause call.Cause, note string) { l.final(statusOf(cause).code, cause, note) }

func (l *Leg) final(code int, cause call.Cause, note string) {
	res := l.response(code)
	if code == 503 {
		res.AppendHeader(retryAfter(2, 10))
	}
	if n := plain(note); n != "" {
		// RFC 3261 §20.43: 399 is a text to be shown.
		res.AppendHeader(sip.NewHeader("Warning", `399 `+l.iface.host+` "`+n+`"`))
	}
	_ = l.in.respond(res)
	l.end(callctl.LegEnded{Leg: l, Cause: cause, Status: code})
}

// cancelled: the caller gave up before we answered.
func (l *Leg) cancelledByCaller() {
	if l.state > ringing {
		return // our final response was first; the caller will send BYE
	}
	_ = l.in.respond(l.response(487))
	l.end(callctl.LegEnded{Leg: l, Cause: call.Cancelled, Status: 487, Remote: true})
}

// acked: the ACK of a 2xx has come.
func (l *Leg) acked(req *sip.Request) {
	r := l.repeat
	if r == nil || req.CSeq().SeqNo != r.seq {
		return
	}
	l.stopRepeat()
	if f := l.byeLater; f != nil {
		l.byeLater = nil
		f()
		return
	}
	if l.state == over {
		return
	}
	if r.offers {
		if err := l.accept(sdpOf(&req.MessageData)); err != nil {
			l.bye(call.NotAcceptable, "")
			l.end(callctl.LegEnded{Leg: l, Cause: call.NotAcceptable, Status: 488})
			return
		}
	}
	if l.state == accepted {
		l.state = confirmed
		l.emit(callctl.LegAnswered{Leg: l})
	}
	l.proposeNext()
}

// response answers the leg's INVITE.
func (l *Leg) response(code int) *sip.Response {
	res := newResponse(l.in.req, code, "", l.dialog.LocalTag)
	if code > 100 && code < 300 {
		res.AppendHeader(l.iface.contact(l.dialog.Contact))
		res.AppendHeader(allowHeader())
		if code >= 200 {
			res.AppendHeader(supportedHeader())
		}
	}
	return res
}

// describe puts a session description into a message.
func describe(m *sip.MessageData, body []byte) {
	m.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	m.SetBody(body)
}

// asserted is who a peer talks to (RFC 3325), nil if nobody is to be shown.
func asserted(p callctl.Party, host string) sip.Header {
	if p.Number == "" && p.Name == "" && p.Agent == "" {
		return nil
	}
	return sip.NewHeader("P-Asserted-Identity", nameAddr(p, host))
}

// retryAfter asks to come back between two numbers of seconds from now, spread
// so that not all come back at once.
func retryAfter(from, to int) sip.Header {
	return sip.NewHeader("Retry-After", strconv.Itoa(from+rand.IntN(to-from+1)))
}
