package sipua

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/callctl"
)

// proposal is something we want to tell the far end within the dialog, or to
// renegotiate with it: an UPDATE where that is enough and the peer takes it (RFC
// 3311), else a re-INVITE (RFC 3261 §14.1). One is under way at a time. An empty
// one refreshes the session. Lane only.
type proposal struct {
	headers []sip.Header
	codecs  []string    // to be offered; nil leaves the session as it is
	done    func(error) // told once, may be nil

	tx        *clientTx
	seq       uint32
	invite    bool
	provision bool   // a 1xx has come
	before    string // our description, should it fail
	tries     int
	login     login // a carrier may ask for credentials
	limit     alarm
}

// mostTries bounds how often anything is asked for again, whatever the peer says.
const mostTries = 6

// NotChangedError is why a proposal came to nothing: the
// session is as it was.
type NotChangedError struct{ Status int }

func (e *NotChangedError) Error() string {
	return fmt.Sprintf("propose a change within the call: answered %d", e.Status)
}

// Reoffer offers the session afresh with these codecs, best first. done is told
// from the leg's lane: nil when the far end has taken it, else why the session
// is as it was.
func (l *Leg) Reoffer(codecs []string, done func(error)) {
	l.do(func() { l.want(&proposal{codecs: codecs, done: done}) })
}

// connected tells whom the far end talks to now, if that is news: RFC 3325 in an
// UPDATE or re-INVITE. Who is withheld is told as such. A carrier is told by its
// trunk's policy: the name of a rep and an extension are none of its business.
func (l *Leg) connected(shown callctl.Party) {
	same := shown.Number == l.shownTo.Number && shown.Name == l.shownTo.Name && shown.Agent == l.shownTo.Agent
	if same || l.state == over || (l.inbound && l.state < accepted) {
		return
	}
	l.shownTo = shown
	if l.trunk != "" {
		if hs := l.srv.outside(l.trunk, shown, l.srv.host(l.iface)); len(hs) > 0 {
			l.want(&proposal{headers: hs})
		}
		return
	}
	h := asserted(shown, l.iface.host)
	hs := []sip.Header{h}
	if h == nil {
		hs = []sip.Header{sip.NewHeader("P-Asserted-Identity", anonymous), sip.NewHeader("Privacy", "id")}
	}
	l.want(&proposal{headers: hs})
}

// want puts a proposal in line.
func (l *Leg) want(c *proposal) {
	if l.state == over {
		c.end(errEnded)
		return
	}
	l.proposals = append(l.proposals, c)
	l.proposeNext()
}

// proposeNext begins the next one if the dialog is free for it.
func (l *Leg) proposeNext() {
	if l.state != confirmed || l.proposed != nil || l.repeat != nil || l.glare.on() || len(l.proposals) == 0 {
		return
	}
	l.proposed, l.proposals = l.proposals[0], l.proposals[1:]
	l.propose(l.proposed)
}

func (l *Leg) takesUpdate() bool { return slices.Contains(l.dialog.Allow, "update") }

// propose sends its request.
func (l *Leg) propose(c *proposal) {
	c.tries++
	c.provision = false
	c.invite = c.codecs != nil || !l.takesUpdate()
	method := sip.UPDATE
	if c.invite {
		method = sip.INVITE
	}
	req := l.request(method)
	c.seq = req.CSeq().SeqNo
	req.AppendHeader(allowHeader())
	req.AppendHeader(supportedWithin())
	for _, h := range c.headers {
		req.AppendHeader(h)
	}
	if l.passage != nil {
		c.login.account = l.passage.login.account
	}
	c.login.sign(req)
	l.askAgain(req)
	if c.invite {
		c.before = l.dialog.SDP
		p, err := l.openMedia()
		if err != nil {
			l.proposalOver(c, err)
			return
		}
		describe(&req.MessageData, l.reoffer(p, c.codecs))
	}
	tx, err := l.srv.tx.send(req, func(res *sip.Response, err error) { l.proposalAnswered(c, res, err) })
	if err != nil {
		l.gone(503, "") // no way to the peer is left
		l.proposalOver(c, err)
		return
	}
	c.tx = tx
}

// proposalAnswered handles what comes back.
func (l *Leg) proposalAnswered(c *proposal, res *sip.Response, err error) {
	if res != nil && c.invite && res.StatusCode >= 200 && res.StatusCode < 300 {
		// Whatever has become of us: a 2xx is acknowledged (RFC 3261 §13.2.2.4).
		tag, _ := res.To().Params.Get("tag")
		again := l.acks[ackKey(tag, c.seq)] != nil
		l.dialog.refresh(&res.MessageData) // before the ACK, which goes there (RFC 3261 §12.2.1.2)
		l.ackFor(&l.dialog, tag, c.seq)
		if again {
			return
		}
	}
	switch {
	case l.proposed != c:
	case err != nil:
		l.gone(408, "")
		l.proposalOver(c, err)
	case res.StatusCode < 200:
		l.awaitAnswer(c)
	case res.StatusCode < 300:
		l.proposalTaken(c, res)
	default:
		l.proposalRefused(c, res)
	}
}

// awaitAnswer: nobody has to think about a re-INVITE of ours, so one that is not
// answered in the time of a transaction is taken back, and a peer that does not
// even answer the CANCEL has gone.
func (l *Leg) awaitAnswer(c *proposal) {
	if c.provision {
		return
	}
	c.provision = true
	c.limit.set(l, l.srv.timers.GiveUp, func() {
		if c.invite {
			_, _ = l.srv.tx.send(cancelOf(c.tx.req, nil), func(*sip.Response, error) {})
		}
		c.limit.set(l, l.srv.timers.GiveUp, c.tx.Terminate)
	})
}

func (l *Leg) proposalTaken(c *proposal, res *sip.Response) {
	if l.state == over {
		l.proposalOver(c, errEnded)
		return
	}
	l.dialog.refresh(&res.MessageData)
	var err error
	if c.invite {
		before := l.codecs
		if c.codecs != nil {
			l.codecs = c.codecs
		}
		if err = l.accept(sdpOf(&res.MessageData)); err != nil {
			l.codecs = before
		}
	}
	l.timedBy(res)
	l.proposalOver(c, err)
}

// proposalRefused asks again where the answer says so; everything else leaves the
// session as it was.
func (l *Leg) proposalRefused(c *proposal, res *sip.Response) {
	code := res.StatusCode
	if l.state == over || c.tries >= mostTries {
		l.proposalOver(c, &NotChangedError{code})
		return
	}
	again, _, _ := strings.Cut(header(&res.MessageData, "Retry-After"), ";")
	wait := lasting(again)
	switch {
	case (code == 401 || code == 407) && c.login.answer(res, c.tx.req.Method, c.tx.req.Recipient):
		l.unask(c)
		l.propose(c)
	case code == 491:
		l.proposeLater(c, l.glarePause())
	case code == 500 && wait > 0 && wait <= 10*time.Second:
		l.proposeLater(c, wait) // RFC 3311 §5.2
	case code == 422 && minSE(&res.MessageData) > time.Duration(l.dialog.SessionS)*time.Second:
		l.wish.minSE = minSE(&res.MessageData)
		l.dialog.SessionS = int(l.wish.minSE.Seconds())
		l.unask(c)
		l.propose(c)
	case (code == 405 || code == 501) && !c.invite:
		l.dialog.Allow = slices.DeleteFunc(slices.Clone(l.dialog.Allow), func(m string) bool { return m == "update" })
		l.propose(c)
	case code == 481 || code == 408:
		l.gone(code, "")
		l.proposalOver(c, &NotChangedError{code})
	default:
		l.proposalOver(c, &NotChangedError{code})
	}
}

// glarePause is how long to wait after a 491 (RFC 3261 §14.1): the owner of the
// Call-ID 2.1–4 s, the other 0–2 s, in steps of 10 ms; in terms of T1, for that
// is what the figures come from.
func (l *Leg) glarePause() time.Duration {
	step := l.srv.timers.T1 / 50
	if l.dialog.Caller {
		return time.Duration(210+rand.IntN(191)) * step
	}
	return time.Duration(rand.IntN(201)) * step
}

// proposeLater puts one back at the head of the line for a while in which
// the peer may have its own way.
func (l *Leg) proposeLater(c *proposal, d time.Duration) {
	l.unask(c)
	l.proposed = nil
	l.proposals = append([]*proposal{c}, l.proposals...)
	l.glare.set(l, d, l.proposeNext)
}

// unask takes our offer back: what was agreed before is what counts (RFC 3261 §14.1).
func (l *Leg) unask(c *proposal) {
	c.limit.stop()
	if c.invite {
		l.dialog.SDP = c.before
	}
}

// proposalOver ends a change and begins the next.
func (l *Leg) proposalOver(c *proposal, err error) {
	c.limit.stop()
	if err != nil {
		l.unask(c)
	}
	l.proposed = nil
	c.end(err)
	l.forget()
	l.proposeNext()
}

func (c *proposal) end(err error) {
	if c.done != nil {
		c.done(err)
		c.done = nil
	}
}

// dropProposals ends those that have not begun; the one under way keeps the
// dialog until it is answered, for its 2xx wants an ACK.
func (l *Leg) dropProposals() {
	l.glare.stop()
	for _, c := range l.proposals {
		c.end(errEnded)
	}
	l.proposals = nil
	if c := l.proposed; c != nil && c.tx != nil {
		c.limit.set(l, l.srv.timers.GiveUp, c.tx.Terminate)
	}
}

// contested says whether an offer of ours is under way, so that one of the peer
// must wait (RFC 3261 §14.2, RFC 3311 §5.2).
func (l *Leg) contested() bool { return l.proposed != nil && l.proposed.invite }
