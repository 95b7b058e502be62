package sipua

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/lamps"
	"github.com/callyard/callyard/internal/sipua/dialoginfo"
	"github.com/callyard/callyard/internal/sipua/messagesummary"
)

// Lamps are what phones subscribe to. All but Fresh are asked often and must
// answer from memory.
type Lamps interface {
	Lamp(code string) (lamps.Lamp, bool)
	Box(watcher, code string) (_ lamps.Box, allowed bool)
	// Fresh calls then, soon, when what the others say is up to date.
	Fresh(then func())
}

// The event packages, and what they speak (RFC 4235, RFC 3842).
var packages = map[string]string{
	"dialog":          dialoginfo.Type,
	"message-summary": messagesummary.Type,
}

// The bounds of a subscription.
const (
	longestWatch   = time.Hour // also what one is given that asks for nothing
	watchesOfAgent = 200       // a phone with three side cars has 120 keys
	watchesInAll   = 10000     // unless Config.Watches says otherwise
)

func allowEvents() sip.Header {
	return sip.NewHeader("Allow-Events", "dialog, message-summary, refer")
}

// subscribe serves a SUBSCRIBE that begins a subscription (RFC 6665 §4.2.1).
func (s *Server) subscribe(req *sip.Request, tx *serverTx) {
	event, kind := eventOf(req)
	if packages[kind] == "" || s.cfg.Lamps == nil {
		tx.status(489, allowEvents())
		return
	}
	select {
	case <-s.stopping:
		tx.status(503, retryAfter(5, 20))
		return
	default:
	}
	agent, ok := s.subscriber(req, tx)
	if !ok {
		return
	}
	life, bad := s.lifeOf(req)
	code := userOf(&req.Recipient)
	if bad == nil {
		bad = s.watchable(req, agent, kind, code)
	}
	if bad != nil {
		_ = tx.respond(bad.response(req))
		return
	}
	w := &watch{srv: s, agent: agent, event: event, kind: kind, code: code, iface: s.local(tx.flow)}
	w.dialog = Dialog{Agent: true, Contact: contactUser(code)}
	w.dialog.asUAS(req, tx.tag, tx.flow)
	w.entity = "sip:" + escapeUser(code) + "@" + req.Recipient.Host
	if code, reason := s.watches.add(w); code != 0 {
		bad := refuse(code, reason)
		if code == 503 {
			bad.headers = []sip.Header{retryAfter(30, 90)}
		}
		_ = tx.respond(bad.response(req))
		return
	}
	if w.accept(tx, life) != nil {
		s.watches.remove(w)
		return
	}
	// Not at once if nobody has looked until now: the first NOTIFY must be right.
	s.cfg.Lamps.Fresh(func() {
		s.lanes.do(w.dialog.CallID, func() {
			switch {
			case w.over: // ended or refreshed meanwhile, and told so
			case life == 0: // RFC 6665 §4.4.3: it was only asked for
				w.end("timeout")
			default:
				w.notify()
			}
		})
	})
}

// resubscribe serves a SUBSCRIBE within a subscription (RFC 6665 §4.2.1.2). One of
// an earlier process is unknown: by 481 the phone knows that it has to begin anew.
func (s *Server) resubscribe(req *sip.Request, tx *serverTx, tag string) {
	w := s.watches.find(req, tag)
	if w == nil && s.legs.find(req, tag) != nil {
		tx.status(489, allowEvents()) // a call's dialog carries no lamps
		return
	}
	if w == nil || w.over {
		tx.status(481)
		return
	}
	if event, _ := eventOf(req); event != w.event {
		tx.status(481)
		return
	}
	if !w.dialog.inOrder(req) {
		tx.status(500) // RFC 3261 §12.2.2
		return
	}
	// The tags prove who it is to whom they were given; from elsewhere, the
	// password does.
	if ipOf(tx.flow.Remote) != ipOf(w.dialog.Flow.Remote) {
		if _, ok := s.subscriber(req, tx); !ok {
			return
		}
	}
	if _, ok := s.cfg.Accounts.Account(w.agent); !ok {
		tx.status(403) // deleted since
		w.end("rejected")
		return
	}
	life, bad := s.lifeOf(req)
	if bad != nil {
		_ = tx.respond(bad.response(req))
		return
	}
	w.dialog.refresh(&req.MessageData)
	w.dialog.Flow = tx.flow
	w.iface = s.local(tx.flow)
	if w.accept(tx, life) != nil {
		return
	}
	if life == 0 {
		w.end("timeout")
		return
	}
	w.notify() // RFC 6665 §4.2.1.2: at every refresh, changed or not
}

// subscriber is the rep whose phone asks; false if that has been answered.
func (s *Server) subscriber(req *sip.Request, tx *serverTx) (agent string, ok bool) {
	from := userOf(&req.From().Address)
	claimed := from
	if cr, ok := credentials(&req.MessageData); ok {
		claimed = cr.User
	}
	agent = from
	if acc, ok := s.account(claimed, from); ok {
		agent = acc.Agent
	}
	// Who is unknown is challenged like anybody else.
	return agent, s.authenticated(req, tx, agent)
}

// watchable refuses what cannot be watched, or not by this rep.
func (s *Server) watchable(req *sip.Request, agent, kind, code string) *refusal {
	if as := tokens(&req.MessageData, "accept"); len(as) > 0 && !slices.ContainsFunc(as, func(a string) bool {
		a, _, _ = strings.Cut(a, ";")
		a = strings.TrimSpace(a)
		return a == packages[kind] || a == "*/*" || a == "application/*"
	}) {
		return refuse(406, "", sip.NewHeader("Accept", packages[kind]))
	}
	if kind == "message-summary" {
		if _, allowed := s.cfg.Lamps.Box(agent, code); !allowed {
			return refuse(403, "")
		}
	}
	return nil
}

// eventOf is a request's Event, as it is to be repeated, and its package.
func eventOf(req *sip.Request) (event, kind string) {
	event = legible(header(&req.MessageData, "Event"))
	kind, _, _ = strings.Cut(event, ";")
	return event, strings.ToLower(strings.TrimSpace(kind))
}

// lifeOf is how long a subscription is to last; 0 ends it, or only asks.
func (s *Server) lifeOf(req *sip.Request) (time.Duration, *refusal) {
	d, ok := seconds(header(&req.MessageData, "Expires"))
	switch {
	case !ok:
		return longestWatch, nil
	case d > 0 && d < s.timers.MinWatch: // RFC 6665 §4.2.1.1
		return 0, refuse(423, "", sip.NewHeader("Min-Expires", strconv.Itoa(int(s.timers.MinWatch.Seconds()))))
	}
	return min(d, longestWatch), nil
}
