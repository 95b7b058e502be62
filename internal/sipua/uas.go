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

// Timers are the times of RFC 3261 that this package keeps itself. The zero
// value is the RFC's.
type Timers struct {
	T1       time.Duration // 500 ms
	T2       time.Duration // 4 s
	GiveUp   time.Duration // 64·T1: no ACK, no answer to a CANCEL
	Refresh  time.Duration // 1 min: a provisional response again (§13.3.1.1)
	MinSE    time.Duration // 90 s: the shortest session timer taken (RFC 4028 §4)
	MinWatch time.Duration // 1 min: the shortest subscription (RFC 6665 §4.2.1.1)
}

func (t Timers) orDefault() Timers {
	if t.T1 == 0 {
		t.T1 = 500 * time.Millisecond
	}
	if t.T2 == 0 {
		t.T2 = 4 * time.Second
	}
	if t.GiveUp == 0 {
		t.GiveUp = 64 * t.T1
	}
	if t.Refresh == 0 {
		t.Refresh = time.Minute
	}
	if t.MinSE == 0 {
		t.MinSE = 90 * time.Second
	}
	if t.MinWatch == 0 {
		t.MinWatch = time.Minute
	}
	return t
}

// repeater sends a 2xx again until its ACK comes (RFC 3261 §13.3.1.4): after T1,
// 2·T1 … up to T2, on every transport, and gives up after 64·T1.
type repeater struct {
	tx     *serverTx
	res    *sip.Response
	seq    uint32 // CSeq of the INVITE
	pause  time.Duration
	until  time.Time
	timer  *time.Timer
	offers bool // the 2xx holds our offer, the ACK the answer
}

// repeatUntilAcked starts repeating a 2xx of the leg; onLate is what to do when
// the ACK never comes.
func (l *Leg) repeatUntilAcked(tx *serverTx, res *sip.Response, offers bool) {
	l.stopRepeat()
	r := &repeater{tx: tx, res: res, seq: tx.req.CSeq().SeqNo, pause: l.srv.timers.T1, until: l.srv.cfg.Now().Add(l.srv.timers.GiveUp), offers: offers}
	l.repeat = r
	r.timer = time.AfterFunc(r.pause, func() { l.do(func() { l.again(r) }) })
}

func (l *Leg) again(r *repeater) {
	if l.repeat != r {
		return // acknowledged meanwhile
	}
	left := r.until.Sub(l.srv.cfg.Now())
	if left <= 0 {
		l.unacked()
		return
	}
	_ = r.tx.respond(r.res)
	r.pause = min(2*r.pause, l.srv.timers.T2)
	r.timer.Reset(min(r.pause, left))
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
		l.repeat.timer.Stop()
		l.repeat = nil
	}
}

// ring sends a 180, and again every minute so that proxies do not give up.
func (l *Leg) ring() {
	if !l.inbound || l.state > ringing || l.early {
		return
	}
	l.state = ringing
	l.provisional(l.response(180))
}

// progress sends a 183 with our answer. Without an offer there is nothing to
// answer yet, so it only rings.
func (l *Leg) progress() {
	if !l.inbound || l.state > ringing || l.early {
		return
	}
	if l.offered == nil {
		l.ring()
		return
	}
	body, err := l.answer(l.offered)
	if err != nil {
		l.refuse(err)
		return
	}
	l.state, l.early = ringing, true
	res := l.response(183)
	describe(&res.MessageData, body)
	l.provisional(res)
}

func (l *Leg) provisional(res *sip.Response) {
	_ = l.in.respond(res)
	if l.fresh != nil {
		l.fresh.Stop()
	}
	l.fresh = time.AfterFunc(l.srv.timers.Refresh, func() {
		l.do(func() {
			if l.state == ringing {
				l.provisional(res)
			}
		})
	})
}

// pickUp sends the 200.
func (l *Leg) pickUp(shown callctl.Party) {
	if !l.inbound || l.state > ringing {
		return
	}
	var body []byte
	var err error
	switch {
	case l.early:
		body = []byte(l.dialog.SDP)
	case l.offered != nil:
		body, err = l.answer(l.offered)
	default:
		var p MediaPort
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
	describe(&res.MessageData, body)
	l.state = accepted
	l.named()
	if err := l.in.respond(res); err != nil {
		l.bye(call.Failed, "")
		l.end(callctl.LegEnded{Leg: l, Cause: call.Failed})
		return
	}
	l.repeatUntilAcked(l.in, res, l.offered == nil)
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
		if l.fresh != nil {
			l.fresh.Stop()
		}
		l.emit(callctl.LegAnswered{Leg: l})
	}
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
