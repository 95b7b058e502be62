package sipua

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
)

// invite sends the leg's INVITE to dest, for the Request-URI uri. It may be sent
// again, as another one with the same Call-ID and the next CSeq.
func (l *Leg) invite(uri sip.Uri, dest string, inv callctl.Invitation) {
	if l.state == over {
		return // hung up before it began
	}
	p, err := l.openMedia()
	if err != nil {
		l.srv.cfg.Log.Error("no media to dial with", "leg", l.id, "err", err)
		l.end(callctl.LegEnded{Leg: l, Cause: call.Failed})
		return
	}
	uri.Headers = nil
	first := l.wish.tries == 0
	l.wish.uri, l.wish.dest, l.wish.inv = uri, dest, inv
	l.wish.tries++
	l.wish.been = append(l.wish.been, uri.String())
	if !first {
		l.dialog.InviteSeq++
		l.dialog.LocalSeq, l.dialog.RemoteTag, l.dialog.Routes, l.dialog.Target = l.dialog.InviteSeq, "", nil, uri.String()
		l.forks, l.early, l.provision, l.state = nil, false, false, trying
	}
	req := sip.NewRequest(sip.INVITE, uri)
	frame(req, l.iface, dest)
	preload(req, l.wish.routes)
	from, name, _ := uriOf(l.dialog.LocalURI)
	req.AppendHeader(&sip.FromHeader{DisplayName: name, Address: from, Params: sip.HeaderParams{{K: "tag", V: l.dialog.LocalTag}}})
	to, _, _ := uriOf(l.dialog.RemoteURI)
	req.AppendHeader(&sip.ToHeader{Address: to})
	id := sip.CallIDHeader(l.dialog.CallID)
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: l.dialog.InviteSeq, MethodName: sip.INVITE})
	req.AppendHeader(l.iface.contact(l.dialog.Contact))
	req.AppendHeader(allowHeader())
	req.AppendHeader(supportedHeader())
	l.ask(req)
	for _, h := range presentation(inv, l.iface.host, l.passage == nil) {
		req.AppendHeader(h)
	}
	if l.passage != nil {
		l.passage.dress(req)
	}
	l.shownTo = inv.Shown
	describe(&req.MessageData, l.offer(p))
	var out *clientTx
	given := false // a CANCEL, if the answer comes too late
	out, err = l.srv.tx.send(req, func(res *sip.Response, err error) {
		if l.out != out {
			l.late(out, res, &given)
			return
		}
		l.answered(res, err)
	})
	l.out = out
	if err != nil && l.passage != nil {
		l.passage.unsent(err)
		return
	}
	if err != nil {
		l.srv.cfg.Log.Warn("phone or trunk not reached", "leg", l.id, "err", err)
		l.end(callctl.LegEnded{Leg: l, Cause: call.Unavailable, Status: 503})
		return
	}
	if first && inv.Ring > 0 {
		// The phone stops by its Expires; this is for those that do not.
		l.fresh.set(l, inv.Ring+2*time.Second, func() {
			if l.state < accepted {
				l.hangup(call.NoAnswer, "")
			}
		})
	}
}

// presentation is how the call is shown, besides its From; a carrier is shown
// who calls by its trunk's policy, see identity.
func presentation(inv callctl.Invitation, host string, phone bool) []sip.Header {
	var hs []sip.Header
	if h := asserted(inv.Shown, host); h != nil && phone {
		hs = append(hs, h)
	}
	if inv.Diverted != "" && phone {
		hs = append(hs, sip.NewHeader("Diversion", fmt.Sprintf("<sip:%s@%s>;reason=%s;counter=1", escapeUser(inv.Diverted), host, reasonOf(inv))))
	}
	if inv.Subject != "" && phone {
		hs = append(hs, sip.NewHeader("Subject", oneLine(inv.Subject)))
	}
	if inv.AutoAnswer {
		hs = append(hs, sip.NewHeader("Call-Info", "<sip:"+host+">;answer-after=0"),
			sip.NewHeader("Alert-Info", "<http://"+host+">;info=alert-autoanswer;delay=0"))
	}
	if inv.Ring > 0 {
		// Rounded up: the phone's own limit must not come before ours.
		hs = append(hs, sip.NewHeader("Expires", strconv.Itoa(int(math.Ceil(inv.Ring.Seconds())))))
	}
	return hs
}

// oneLine is a text as a header can carry it: no character of control ends the
// line, or begins another header.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
}

// answered handles what comes back for our INVITE; res is nil when nothing final did.
func (l *Leg) answered(res *sip.Response, err error) {
	if p := l.passage; p != nil {
		switch {
		case err != nil && p.silent(err):
			return
		case err == nil:
			p.hears(res)
			if res.StatusCode >= 300 && p.refused(res) {
				return
			}
		}
	}
	switch {
	case err != nil:
		l.unanswered()
	case res.StatusCode < 200:
		l.progressed(res)
	case res.StatusCode < 300:
		l.taken(res)
	default:
		l.refused(res)
	}
}

// unanswered: no final response within the transaction's time.
func (l *Leg) unanswered() {
	l.giveUp.stop()
	l.end(callctl.LegEnded{Leg: l, Cause: call.Unavailable, Status: 408})
	l.srv.legs.remove(l)
}

func (l *Leg) rings() callctl.LegRang { return callctl.LegRang{Leg: l, Early: l.early} }

// taken handles a 2xx: the first makes the dialog, its repetitions are
// acknowledged again, and those of other branches of a fork, or of a call that
// was given up, are acknowledged and ended (RFC 3261 §13.2.2.4).
func (l *Leg) taken(res *sip.Response) {
	tag, _ := res.To().Params.Get("tag")
	if ack := l.acks[ackKey(tag, res.CSeq().SeqNo)]; ack != nil {
		_ = l.srv.tx.write(ack)
		return
	}
	l.giveUp.stop()
	if l.state == confirmed || l.state == over {
		other := l.dialog
		if f := l.forks[tag]; f != nil && tag != l.dialog.RemoteTag {
			other = f.dialog // of the leg's own the fork holds an old state
		}
		other.InviteSeq = res.CSeq().SeqNo
		other.asUAC(res)
		l.ackFor(&other, tag, other.InviteSeq)
		l.endFork(&other)
		l.forget()
		return
	}
	f := l.forks[tag]
	l.turnTo(tag)
	l.dialog.asUAC(res)
	l.state = confirmed
	l.named()
	l.fresh.stop()
	l.ackFor(&l.dialog, tag, l.dialog.InviteSeq)
	l.timedBy(res)
	if err := l.answeredBy(f, res); err != nil {
		l.bye(call.NotAcceptable, "")
		l.end(callctl.LegEnded{Leg: l, Cause: call.NotAcceptable, Status: 488})
		return
	}
	l.emit(callctl.LegAnswered{Leg: l})
	l.proposeNext()
}

// answeredBy takes the answer that a 2xx completes: its own, unless an early one
// came reliably, after which no other counts (RFC 3261 §13.2.1), or it has none.
func (l *Leg) answeredBy(f *fork, res *sip.Response) error {
	body := sdpOf(&res.MessageData)
	if f != nil && f.answer != nil && (f.settled || body == nil) {
		if l.heard == l.dialog.RemoteTag {
			return nil
		}
		body = f.answer // another branch of the fork was heard last
	}
	return l.accept(body)
}

// ackKey tells the 2xx of one INVITE and one branch from all others.
func ackKey(tag string, seq uint32) string { return strconv.FormatUint(uint64(seq), 10) + " " + tag }

// ackFor acknowledges a 2xx in its dialog and keeps the ACK for repetitions. The
// CSeq is that of the INVITE, whatever was sent since.
func (l *Leg) ackFor(d *Dialog, tag string, seq uint32) {
	key := ackKey(tag, seq)
	ack := l.acks[key]
	if ack == nil {
		ack = d.request(sip.ACK, l.iface, seq)
		l.srv.reroute(ack, d)
		if l.passage != nil {
			l.passage.login.sign(ack) // RFC 3261 §22.1: an ACK cannot be challenged
		}
		if l.acks == nil || len(l.acks) > 2*mostForks {
			l.acks = map[string]*sip.Request{} // long since heard
		}
		l.acks[key] = ack
	}
	_ = l.srv.tx.write(ack)
}

// endFork says BYE in a dialog that is not wanted.
func (l *Leg) endFork(d *Dialog) {
	bye := d.request(sip.BYE, l.iface, 0)
	l.srv.reroute(bye, d)
	_, _ = l.srv.tx.send(bye, func(*sip.Response, error) {})
}

// cancel gives the INVITE up. Without a 1xx no CANCEL may be sent yet (RFC 3261
// §9.1): it is remembered. The transaction stays: a 200 may be on its way.
func (l *Leg) cancel(cause call.Cause, note string) {
	if l.out == nil {
		return // not sent yet; invite finds the leg over
	}
	l.cancelled = true
	l.cancelWhy = reasonHeader(cause, note)
	out := l.out
	l.giveUp.set(l, l.srv.timers.GiveUp, out.Terminate)
	if l.provision {
		l.sendCancel()
	}
}

// sendCancel sends the CANCEL, once.
func (l *Leg) sendCancel() {
	l.cancelled = false
	_, _ = l.srv.tx.send(cancelOf(l.out.req, l.cancelWhy), func(*sip.Response, error) {})
}

// cancelOf is the CANCEL of an INVITE: same branch, same CSeq, same To (RFC 3261
// §9.1).
func cancelOf(inv *sip.Request, why sip.Header) *sip.Request {
	req := sip.NewRequest(sip.CANCEL, inv.Recipient)
	req.AppendHeader(sip.HeaderClone(inv.Via()))
	mf := sip.MaxForwardsHeader(70)
	req.AppendHeader(&mf)
	for _, h := range inv.GetHeaders("route") {
		req.AppendHeader(sip.HeaderClone(h))
	}
	req.AppendHeader(sip.HeaderClone(inv.From()))
	req.AppendHeader(sip.HeaderClone(inv.To()))
	req.AppendHeader(sip.HeaderClone(inv.CallID()))
	req.AppendHeader(&sip.CSeqHeader{SeqNo: inv.CSeq().SeqNo, MethodName: sip.CANCEL})
	if why != nil {
		req.AppendHeader(why)
	}
	req.SetBody(nil)
	req.SetTransport(inv.Transport())
	req.SetDestination(inv.Destination())
	req.Laddr = inv.Laddr
	return req
}

// endStray acknowledges and ends a 2xx that no transaction waits for: a late
// fork, or the answer to an INVITE we have forgotten. Only if its Via is ours.
func (s *Server) endStray(res *sip.Response) {
	if res.StatusCode < 200 || res.StatusCode > 299 || res.CSeq().MethodName != sip.INVITE {
		return
	}
	via := res.Via()
	flow := Flow{Transport: sip.NetworkToLower(res.Transport()), Remote: res.Source()}
	iface := s.local(flow)
	if iface == nil || via.Host != iface.host || via.Port != iface.port {
		return
	}
	if !s.strays.take(struct{}{}) {
		return // whoever means it repeats it; for each, a BYE is repeated to an address that may be forged
	}
	s.stats.strays.Add(1)
	d := Dialog{
		CallID: res.CallID().Value(), LocalURI: address("", &res.From().Address), RemoteURI: address("", &res.To().Address),
		InviteSeq: res.CSeq().SeqNo, LocalSeq: res.CSeq().SeqNo, Flow: flow,
	}
	d.LocalTag, _ = res.From().Params.Get("tag")
	d.asUAC(res)
	if d.Target == "" || d.LocalTag == "" {
		return
	}
	ack := d.request(sip.ACK, iface, d.InviteSeq)
	ack.SetDestination(res.Source()) // nobody can make us send elsewhere
	_ = s.tx.write(ack)
	bye := d.request(sip.BYE, iface, 0)
	bye.SetDestination(res.Source())
	_, _ = s.tx.send(bye, func(*sip.Response, error) {})
}
