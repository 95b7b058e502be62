package sipua

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
)

// provisional is a provisional response of ours.
type provisional struct {
	res       *sip.Response
	described bool // holds a description
	offers    bool // it is our offer; the PRACK holds the answer

	seq   uint32
	pause time.Duration
	until time.Time
}

// reliable sends provisional responses to one INVITE so that they arrive (RFC
// 3262 §3): each again and again until its PRACK, one at a time. Lane only. A
// nil *reliable is a caller that knows nothing of it.
type reliable struct {
	began bool         // one was sent
	must  bool         // Require: 100rel: none is sent otherwise
	seq   uint32       // RSeq of the last
	last  *provisional // waits for its PRACK
	queue []*provisional
	alarm alarm
}

// reliability is what the INVITE asks for.
func reliability(req *sip.Request) *reliable {
	must := slices.Contains(tokens(&req.MessageData, "require"), "100rel")
	if !must && !slices.Contains(tokens(&req.MessageData, "supported"), "100rel") {
		return nil
	}
	return &reliable{must: must, seq: rand.Uint32N(1 << 30)}
}

func (r *reliable) always() bool { return r != nil && r.must }

// holds says whether a 2xx has to wait.
func (r *reliable) holds() bool { return r != nil && r.last != nil && r.last.described }

// reliably sends p, or lines it up behind the one that is not acknowledged yet.
func (l *Leg) reliably(p *provisional) {
	r := l.reliable
	if r.last != nil {
		r.queue = append(r.queue, p)
		return
	}
	r.seq++
	r.last, r.began = p, true
	p.seq, p.pause, p.until = r.seq, l.srv.timers.T1, l.srv.cfg.Now().Add(l.srv.timers.GiveUp)
	p.res.AppendHeader(sip.NewHeader("Require", "100rel"))
	p.res.AppendHeader(sip.NewHeader("RSeq", strconv.FormatUint(uint64(p.seq), 10)))
	_ = l.in.respond(p.res)
	r.alarm.set(l, p.pause, func() { l.reliablyAgain(p) })
}

func (l *Leg) reliablyAgain(p *provisional) {
	left := p.until.Sub(l.srv.cfg.Now())
	if left <= 0 {
		// RFC 3262 §3: a caller that acknowledges nothing is refused.
		l.final(500, call.Failed, "no PRACK")
		return
	}
	_ = l.in.respond(p.res)
	p.pause *= 2
	l.reliable.alarm.set(l, min(p.pause, left), func() { l.reliablyAgain(p) })
}

// unreliable stops repeating and sends no more of them; the PRACK of a
// last one before a 2xx is still taken (RFC 3262 §3).
func (l *Leg) unreliable() {
	l.later = nil
	if l.reliable != nil {
		l.reliable.queue = nil
		l.reliable.alarm.stop()
	}
}

// pracked serves a PRACK (RFC 3262 §3 and §5).
func (l *Leg) pracked(req *sip.Request, tx *serverTx) {
	if !l.inbound || l.reliable == nil || l.reliable.last == nil || !l.reliable.last.ackedBy(req, l.in.req) {
		tx.status(481)
		return
	}
	r := l.reliable
	p := r.last
	r.last = nil
	r.alarm.stop()
	body := sdpOf(&req.MessageData)
	switch {
	case p.offers:
		_ = tx.respond(l.okay(tx))
		if err := l.accept(body); err != nil {
			l.refuse(err)
			return
		}
		l.settled = true
	case body != nil && !p.described && !l.settled:
		tx.status(491) // the INVITE's own offer is not answered yet
	default:
		l.settled = l.settled || p.described
		l.prackOffer(body, tx)
	}
	if next := l.later; next != nil {
		l.later, r.queue = nil, nil
		next()
		return
	}
	if len(r.queue) > 0 {
		p, r.queue = r.queue[0], r.queue[1:]
		l.reliably(p)
	}
}

// prackOffer answers a PRACK, and the offer in it if there is one.
func (l *Leg) prackOffer(offer []byte, tx *serverTx) {
	res := l.okay(tx)
	if offer != nil {
		body, err := l.answer(offer)
		if err != nil {
			tx.status(offerStatus(err))
			return
		}
		describe(&res.MessageData, body)
	}
	_ = tx.respond(res)
}

// ackedBy says whether a PRACK means this response: RAck names its RSeq, and the
// CSeq of the INVITE (RFC 3262 §7.2).
func (p *provisional) ackedBy(prack, invite *sip.Request) bool {
	f := strings.Fields(header(&prack.MessageData, "RAck"))
	if len(f) != 3 || !strings.EqualFold(f[2], "INVITE") {
		return false
	}
	rseq, err1 := strconv.ParseUint(f[0], 10, 32)
	cseq, err2 := strconv.ParseUint(f[1], 10, 32)
	return err1 == nil && err2 == nil && uint32(rseq) == p.seq && uint32(cseq) == invite.CSeq().SeqNo
}
