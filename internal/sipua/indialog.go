package sipua

import (
	"errors"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua/sdp"
)

// receive serves a request within the leg's dialog.
func (l *Leg) receive(req *sip.Request, tx *serverTx) {
	if l.state == over {
		if req.Method == sip.BYE {
			tx.status(200) // it crossed ours, or spares us the one that waits
			l.stopRepeat()
			l.byeLater = nil
			if l.farewell != nil {
				l.dropBye()
				l.lingering = false
			}
			l.forget()
			return
		}
		tx.status(481)
		return
	}
	if !l.dialog.inOrder(req) {
		tx.status(500) // RFC 3261 §12.2.2: older than one already served
		return
	}
	switch req.Method {
	case sip.BYE:
		l.byed(tx)
	case sip.INVITE:
		l.reinvited(req, tx)
	case sip.UPDATE:
		l.updated(req, tx)
	case sip.PRACK:
		l.pracked(req, tx)
	case sip.INFO:
		l.informed(req, tx)
	case sip.OPTIONS:
		tx.status(200, l.srv.capabilities()...)
	case sip.REFER:
		l.referred(req, tx)
	default:
		tx.status(405, allowHeader())
	}
}

// byed ends the leg. A BYE before the ACK counts as one: whoever ends a call has
// heard that it was answered.
func (l *Leg) byed(tx *serverTx) {
	tx.status(200)
	l.stopRepeat()
	l.byeLater = nil
	if l.inbound && l.state < accepted {
		// RFC 3261 §15.1.2: an INVITE still unanswered ends with 487.
		_ = l.in.respond(l.response(487))
	}
	if !l.inbound && l.state < accepted {
		l.cancel(call.Normal, "") // RFC 3261 §15: not theirs to send; their final response may never come
	}
	l.end(callctl.LegEnded{Leg: l, Cause: call.Normal, Remote: true})
}

// reinvited serves an INVITE within the dialog (RFC 3261 §14.2).
func (l *Leg) reinvited(req *sip.Request, tx *serverTx) {
	switch {
	case l.inbound && l.state < accepted:
		// RFC 3261 §14.2: the first INVITE is still unanswered.
		tx.status(500, retryAfter(0, 10))
		return
	case l.state != confirmed || l.repeat != nil || l.contested():
		// An INVITE of ours is pending, or our 2xx waits for its ACK: glare.
		tx.status(491)
		return
	}
	if h := l.srv.tooBrief(&req.MessageData); h != nil {
		tx.status(422, h)
		return
	}
	offers := false
	var body []byte
	var err error
	if offer := sdpOf(&req.MessageData); offer != nil {
		body, err = l.answer(offer)
	} else {
		offers = true
		var p MediaPort
		if p, err = l.openMedia(); err == nil {
			body = l.offer(p)
		}
	}
	if err != nil {
		tx.status(offerStatus(err))
		return
	}
	l.dialog.refresh(&req.MessageData)
	l.dialog.Flow.Remote = tx.flow.Remote
	res := l.okay(tx)
	l.timed(req, res)
	describe(&res.MessageData, body)
	if tx.respond(res) == nil {
		l.repeatUntilAcked(tx, res, offers)
	}
}

// updated serves an UPDATE (RFC 3311 §5.2).
func (l *Leg) updated(req *sip.Request, tx *serverTx) {
	offer := sdpOf(&req.MessageData)
	early := l.state < accepted
	switch {
	case !early && l.srv.tooBrief(&req.MessageData) != nil:
		tx.status(422, l.srv.tooBrief(&req.MessageData))
		return
	case offer == nil:
	case early && l.inbound && l.offered != nil && !l.agreed():
		tx.status(500, retryAfter(0, 10)) // their offer in the INVITE is not answered yet
		return
	case early && !l.agreed(), l.contested(), l.repeat != nil && l.repeat.offers:
		tx.status(491) // an offer of ours is not answered yet
		return
	}
	res := l.okay(tx)
	if offer != nil {
		body, err := l.answer(offer)
		if err != nil {
			tx.status(offerStatus(err))
			return
		}
		describe(&res.MessageData, body)
	}
	l.dialog.refresh(&req.MessageData)
	if !early {
		l.timed(req, res)
	}
	_ = tx.respond(res)
}

// informed serves an INFO: keys from phones without telephone-event.
func (l *Leg) informed(req *sip.Request, tx *serverTx) {
	body := strings.TrimSpace(string(req.Body()))
	digit := ""
	switch mediaType(&req.MessageData) {
	case "application/dtmf-relay":
		for line := range strings.SplitSeq(body, "\n") {
			if k, v, ok := strings.Cut(line, "="); ok && strings.EqualFold(strings.TrimSpace(k), "signal") {
				digit = strings.TrimSpace(v)
			}
		}
	case "application/dtmf":
		digit = body
	case "":
		if body == "" {
			tx.status(200)
			return
		}
		fallthrough
	default:
		tx.status(415, sip.NewHeader("Accept", "application/dtmf-relay, application/dtmf"))
		return
	}
	d, ok := key(digit)
	if !ok {
		tx.status(400)
		return
	}
	tx.status(200)
	l.emit(callctl.LegDigit{Leg: l, Digit: d})
}

// key is the key a digit text stands for; 10 and 11 are * and # in old phones.
func key(s string) (rune, bool) {
	switch s {
	case "10":
		return '*', true
	case "11":
		return '#', true
	}
	if len(s) == 1 && strings.Contains("0123456789*#ABCDabcd", s) {
		return rune(strings.ToUpper(s)[0]), true
	}
	return 0, false
}

// okay is a 200 that refreshes the target on the other side.
func (l *Leg) okay(tx *serverTx) *sip.Response {
	res := newResponse(tx.req, 200, "", l.dialog.LocalTag)
	res.AppendHeader(l.iface.contact(l.dialog.Contact))
	res.AppendHeader(allowHeader())
	res.AppendHeader(supportedHeader())
	return res
}

// offerStatus is how an offer is refused that leaves the session as it was.
func offerStatus(err error) int {
	switch {
	case errors.Is(err, sdp.ErrMalformed):
		return 400
	case errors.Is(err, sdp.ErrNoAudio), errors.Is(err, sdp.ErrNoCodec):
		return 488
	}
	return 500
}
