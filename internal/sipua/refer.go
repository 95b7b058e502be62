package sipua

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/routing"
)

// referred serves a REFER (RFC 3515): only a rep may send callers elsewhere, or a
// trunk that is trusted to do so.
func (l *Leg) referred(req *sip.Request, tx *serverTx) {
	by := l.remote
	if l.agent == "" {
		var trusted bool
		if by, trusted = l.referrer(req); !trusted {
			tx.status(403)
			return
		}
	}
	if l.state != confirmed && l.state != accepted {
		tx.status(491)
		return
	}
	tos := req.GetHeaders("refer-to")
	if len(tos) != 1 {
		tx.status(400)
		return
	}
	u, _, ok := uriOf(tos[0].Value())
	to := userOf(&u)
	r, attended, understood := replacesIn(&u)
	if !ok || to == "" || !understood {
		tx.status(400)
		return
	}
	l.dialog.refresh(&req.MessageData)
	l.refers++
	silent := strings.EqualFold(header(&req.MessageData, "Refer-Sub"), "false") // RFC 4488
	res := newResponse(req, 202, "", l.dialog.LocalTag)
	res.AppendHeader(l.iface.contact(l.dialog.Contact))
	if silent {
		res.AppendHeader(sip.NewHeader("Refer-Sub", "false"))
	}
	if tx.respond(res) != nil {
		return
	}
	sub := &subscription{leg: l, event: "refer", dead: silent}
	if l.refers > 1 {
		sub.event = fmt.Sprintf("refer;id=%d", req.CSeq().SeqNo) // RFC 3515 §2.4.6
	}
	sub.notify(100, "Trying", "active;expires=60")
	ev := callctl.LegReferred{Leg: l, To: to, By: by, Result: func(code int, reason string) {
		l.do(func() { sub.notify(code, reason, "terminated;reason=noresource") })
	}}
	if attended {
		other, status := l.srv.names.find(r, true)
		if other == nil {
			sub.notify(status, "", "terminated;reason=noresource")
			return
		}
		ev.Replaces = other
	}
	l.emit(ev)
}

// referrer is who a trunk says sends the call on (RFC 3892, else RFC 3325), the
// zero Party if it does not; false when it is not trusted with that. A rep's own
// password says more than either, so theirs are not read.
func (l *Leg) referrer(req *sip.Request) (_ callctl.Party, trusted bool) {
	for _, t := range l.srv.cfg.Trunks() {
		if t.Name != l.trunk || !slices.Contains(t.Trust, routing.TrustReferredBy) {
			continue
		}
		for _, name := range []string{"referred-by", "p-asserted-identity"} {
			if n, display := named(req.GetHeaders(name)); n != "" {
				return callctl.Party{Number: n, Name: display}, true
			}
		}
		return callctl.Party{}, true
	}
	return callctl.Party{}, false
}

// subscription is what a REFER leaves behind: it outlives the call, for it uses
// the dialog and not the INVITE (RFC 5057 §3). Lane only.
type subscription struct {
	leg   *Leg
	event string
	dead  bool // not wanted, ended, or unknown to the peer
}

func (s *subscription) notify(code int, reason, state string) {
	if s.dead {
		return
	}
	if strings.HasPrefix(state, "terminated") {
		s.dead = true
	}
	if reason = plain(reason); reason == "" {
		reason = phrases[code]
	}
	req := s.leg.request(sip.NOTIFY)
	req.AppendHeader(sip.NewHeader("Event", s.event))
	req.AppendHeader(sip.NewHeader("Subscription-State", state))
	req.AppendHeader(sip.NewHeader("Content-Type", "message/sipfrag;version=2.0"))
	req.SetBody(fmt.Appendf(nil, "SIP/2.0 %d %s\r\n", code, reason))
	l, waits := s.leg, true
	_, err := l.srv.tx.send(req, func(res *sip.Response, err error) {
		if err != nil || res.StatusCode == 481 {
			s.dead = true
		}
		if waits && (err != nil || res.StatusCode >= 200) {
			waits = false // a repeated answer counts no more
			l.untold--
			if l.untold == 0 && l.farewell != nil {
				l.farewell()
			}
		}
	})
	if err != nil {
		s.dead = true
		return
	}
	l.untold++
}
