package sipua

import (
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/sipua/dialoginfo"
)

// replaces names a dialog of ours whose place something else is to take (RFC
// 3891 §3). The tags are as we see them: to-tag is ours, from-tag the peer's.
type replaces struct {
	callID, local, remote string
	earlyOnly             bool // not if it is answered already
}

// parseReplaces reads the value of a Replaces header.
func parseReplaces(text string) (r replaces, ok bool) {
	parts := strings.Split(text, ";")
	r.callID = strings.TrimSpace(parts[0])
	for _, p := range parts[1:] {
		k, v, _ := strings.Cut(p, "=")
		into := (*string)(nil)
		switch strings.ToLower(strings.TrimSpace(k)) {
		case "to-tag":
			into = &r.local
		case "from-tag":
			into = &r.remote
		case "early-only":
			r.earlyOnly = true
		}
		if into != nil {
			if *into != "" {
				return r, false // RFC 3891 §6.1: each once
			}
			*into = strings.TrimSpace(v)
		}
	}
	return r, r.callID != "" && r.local != "" && r.remote != ""
}

// replacesOf reads the Replaces header of a request; present tells whether there
// is one, ok whether it can be understood.
func replacesOf(req *sip.Request) (r replaces, present, ok bool) {
	hs := req.GetHeaders("replaces")
	if len(hs) == 0 {
		return r, false, true
	}
	// RFC 3891 §3: more than one, or one beside a Join, is a bad request.
	if len(hs) > 1 || req.GetHeader("join") != nil {
		return r, true, false
	}
	r, ok = parseReplaces(hs[0].Value())
	return r, true, ok
}

// replacesIn reads the Replaces inside a Refer-To, where it is escaped as any
// header in a URI (RFC 3261 §19.1.1).
func replacesIn(u *sip.Uri) (r replaces, present, ok bool) {
	for _, h := range u.Headers {
		if !strings.EqualFold(h.K, "replaces") {
			continue
		}
		if present {
			return r, true, false
		}
		present = true
		text, err := url.PathUnescape(h.V)
		if err != nil {
			return r, true, false
		}
		if r, ok = parseReplaces(text); !ok {
			return r, true, false
		}
	}
	return r, present, ok || !present
}

// pickUp is an INVITE of a rep's phone that is to take the place of another leg
// (RFC 3891 §3); false when it is refused, and has been answered so.
func (s *Server) pickUp(req *sip.Request, tx *serverTx, l *Leg) bool {
	r, present, ok := replacesOf(req)
	switch {
	case !present:
		return true
	case !ok:
		tx.status(400)
		return false
	}
	other, status := s.names.find(r, false)
	if other == nil {
		tx.status(status)
		return false
	}
	l.place = other
	return true
}

// names finds dialogs by what others call them, also from outside their lane.
type names struct {
	mu    sync.Mutex
	byTag map[string]name // by our tag
	tags  map[*Leg]string // ours, of those that have not ended
}

// name is a dialog as of the last change that matters here.
type name struct {
	leg            *Leg // nil once it has ended
	callID, remote string
	inbound        bool
	state          state
	ended          time.Time
}

// remembered is how long an ended dialog is known for one: as long as a
// transaction may last (RFC 3261, 64·T1).
const remembered = 32 * time.Second

func newNames() *names { return &names{byTag: map[string]name{}, tags: map[*Leg]string{}} }

// named notes who the leg's peer is and how far its call has come. Lane only.
func (l *Leg) named() {
	n := name{leg: l, callID: l.dialog.CallID, remote: l.dialog.RemoteTag, inbound: l.inbound, state: l.state}
	if l.state == over {
		n.leg, n.ended = nil, l.srv.cfg.Now()
	}
	g := l.srv.names
	g.mu.Lock()
	g.byTag[l.dialog.LocalTag] = n
	if n.leg == nil {
		delete(g.tags, l)
	} else {
		g.tags[l] = l.dialog.LocalTag
	}
	g.mu.Unlock()
	if l.agent != "" && !l.inbound {
		l.srv.watches.soon() // a lamp may name it now; the ledger knows nothing of 180s
	}
}

// of names a leg's dialog for a Replaces from the side of the party that is
// watched (RFC 4235 §4.1.2): local is that party's tag, remote ours. Who picks up
// sends the INVITE to the remote side, whose own tag is the to-tag (RFC 3891 §3);
// so it comes to us with what find looks for. ok is false while there is no
// dialog, or one that could not be replaced.
func (g *names) of(l *Leg) (ids dialoginfo.IDs, inbound, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	tag, known := g.tags[l]
	n := g.byTag[tag]
	if !known || n.remote == "" || n.state < accepted && n.inbound {
		return ids, false, false
	}
	return dialoginfo.IDs{CallID: n.callID, LocalTag: n.remote, RemoteTag: tag}, n.inbound, true
}

// find is the leg that a Replaces means, or the status that says why there is
// none. In a REFER to us it may be the call that the phone has just placed and
// that still rings (RFC 5589 §7.3): we do not replace it, we know who is called.
func (g *names) find(r replaces, refer bool) (l *Leg, status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, ok := g.byTag[r.local]
	switch {
	case !ok || n.callID != r.callID || n.remote != r.remote:
		return nil, 481
	case n.leg == nil:
		return nil, 603
	case n.state >= accepted && r.earlyOnly:
		return nil, 486
	case n.state < accepted && n.inbound && !refer:
		return nil, 481 // RFC 3891 §3: an early dialog only if we began it
	}
	return n.leg, 0
}

// forget drops those that ended long ago.
func (g *names) forget(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for tag, n := range g.byTag {
		if n.leg == nil && now.Sub(n.ended) > remembered {
			delete(g.byTag, tag)
		}
	}
}
