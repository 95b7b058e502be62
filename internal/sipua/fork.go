package sipua

import (
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
)

// fork is one early dialog that an INVITE of ours has made: a proxy may ring
// several phones, and each answers with a tag of its own (RFC 3261 §12.1.2).
type fork struct {
	dialog  Dialog // while it is not the leg's
	rseq    uint32 // of the last reliable response, 0: none yet
	answer  []byte // its description
	settled bool   // and that came reliably
}

// mostForks bounds what one INVITE may make us remember.
const mostForks = 16

// fork finds or makes the early dialog of a provisional response and makes it
// the leg's. Nil when the response has no tag, or there are too many.
func (l *Leg) fork(res *sip.Response) *fork {
	tag, _ := res.To().Params.Get("tag")
	if tag == "" {
		return nil
	}
	f := l.forks[tag]
	if f == nil {
		if len(l.forks) >= mostForks {
			return nil
		}
		f = &fork{dialog: l.dialog}
		f.dialog.LocalSeq = l.dialog.InviteSeq // each dialog counts by itself
		f.dialog.asUAC(res)
		if l.forks == nil {
			l.forks = map[string]*fork{}
		}
		l.forks[tag] = f
	}
	l.turnTo(tag)
	l.dialog.refresh(&res.MessageData)
	return f
}

// turnTo makes the early dialog of a tag the leg's; false if there is none.
func (l *Leg) turnTo(tag string) bool {
	f := l.forks[tag]
	if f == nil || l.inbound || l.state >= accepted {
		return false
	}
	if l.dialog.RemoteTag == tag {
		return true
	}
	if now := l.forks[l.dialog.RemoteTag]; now != nil {
		now.dialog = l.dialog
	}
	l.dialog = f.dialog
	return true
}

// progressed handles a provisional response to our INVITE.
func (l *Leg) progressed(res *sip.Response) {
	l.provision = true
	if l.cancelled {
		l.sendCancel()
		return
	}
	if l.state == over || res.StatusCode == 100 {
		return
	}
	f := l.fork(res)
	reliably := false
	if f != nil && slices.Contains(tokens(&res.MessageData, "require"), "100rel") {
		n, err := strconv.ParseUint(strings.TrimSpace(header(&res.MessageData, "RSeq")), 10, 32)
		if err != nil || (f.rseq != 0 && uint32(n) != f.rseq+1) {
			return // repeated, or one before it is missing and will come again (RFC 3262 §4)
		}
		f.rseq, reliably = uint32(n), true
		l.prack(f.rseq)
	}
	l.state = ringing
	l.named()
	early := l.early
	if body := sdpOf(&res.MessageData); f != nil && body != nil {
		if !l.preview(f, body, reliably) {
			return
		}
	}
	if !l.rang || early != l.early {
		l.rang = true
		l.emit(l.rings())
	}
}

// preview takes the answer in a provisional response. One that came reliably and
// cannot be used leaves nothing to wait for: false.
func (l *Leg) preview(f *fork, body []byte, reliably bool) bool {
	if f.answer == nil {
		switch err := l.accept(body); {
		case err == nil:
			f.answer, l.early = body, true
		case reliably:
			l.hangup(call.NotAcceptable, "")
			return false
		}
	}
	f.settled = f.settled || (reliably && f.answer != nil)
	return true
}

// agreed says whether the first INVITE's offer and answer were exchanged
// reliably, in the early dialog that is the leg's now.
func (l *Leg) agreed() bool {
	if l.inbound {
		return l.settled
	}
	f := l.forks[l.dialog.RemoteTag]
	return f != nil && f.settled
}

// prack acknowledges a reliable provisional response.
func (l *Leg) prack(rseq uint32) {
	req := l.request(sip.PRACK)
	req.AppendHeader(sip.NewHeader("RAck", strconv.FormatUint(uint64(rseq), 10)+" "+strconv.FormatUint(uint64(l.dialog.InviteSeq), 10)+" INVITE"))
	_, _ = l.send(req, func(*sip.Response, error) {})
}
