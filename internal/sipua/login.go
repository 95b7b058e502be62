package sipua

import (
	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/sipua/digest"
)

// login is our side of digest authentication: the challenges answered last, and
// the headers that answer them.
type login struct {
	account digest.Account
	count   int // challenges answered
	headers []sip.Header
}

// mostChallenges: one for each of a proxy and the server behind it, and once
// more for each because a nonce was stale.
const mostChallenges = 4

// answer prepares the answer to a 401 or 407; false if there is none, or if what
// we said is not accepted. RFC 3261 §22.2, RFC 8760 §2.4: the strongest
// algorithm of each realm.
func (g *login) answer(res *sip.Response, method sip.RequestMethod, uri sip.Uri) bool {
	if g.account.User == "" || g.count >= mostChallenges {
		return false
	}
	asked, reply := "www-authenticate", "Authorization"
	if res.StatusCode == 407 {
		asked, reply = "proxy-authenticate", "Proxy-Authorization"
	}
	var chs []digest.Challenge
	fresh := false
	for _, h := range res.GetHeaders(asked) {
		if ch, ok := digest.ParseChallenge(h.Value()); ok {
			chs = append(chs, ch)
			fresh = fresh || ch.Stale
		}
	}
	if g.has(reply) && !fresh {
		return false // the same again would be refused again
	}
	uri.Headers = nil
	var hs []sip.Header
	for _, h := range g.headers {
		if h.Name() != reply {
			hs = append(hs, h)
		}
	}
	cs := g.account.Answer(chs, string(method), uri.String(), randomHex(8), 1)
	for _, c := range cs {
		hs = append(hs, sip.NewHeader(reply, c.String()))
	}
	if len(cs) == 0 {
		return false
	}
	g.headers = hs
	g.count++
	return true
}

func (g *login) has(name string) bool {
	for _, h := range g.headers {
		if h.Name() == name {
			return true
		}
	}
	return false
}

// sign adds the credentials to a request.
func (g *login) sign(req *sip.Request) {
	for _, h := range g.headers {
		req.AppendHeader(sip.NewHeader(h.Name(), h.Value()))
	}
}

// send sends a request in the leg's dialog. A carrier that asks for credentials
// gets them, with the next CSeq, and handle hears only what comes of that.
func (l *Leg) send(req *sip.Request, handle func(*sip.Response, error)) (*clientTx, error) {
	if l.passage == nil {
		return l.srv.tx.send(req, handle)
	}
	return l.sendSigned(req, &login{account: l.passage.login.account}, handle)
}

func (l *Leg) sendSigned(req *sip.Request, g *login, handle func(*sip.Response, error)) (*clientTx, error) {
	return l.srv.tx.send(req, func(res *sip.Response, err error) {
		if err == nil && (res.StatusCode == 401 || res.StatusCode == 407) && g.answer(res, req.Method, req.Recipient) {
			l.dialog.LocalSeq++
			if _, err := l.sendSigned(g.again(req, l.dialog.LocalSeq), g, handle); err == nil {
				return
			}
		}
		handle(res, err)
	})
}

// again is a request with credentials: another transaction, the next CSeq.
func (g *login) again(req *sip.Request, seq uint32) *sip.Request {
	next := req.Clone()
	next.SetBody(req.Body())
	next.SetTransport(req.Transport())
	next.SetDestination(req.Destination())
	next.Laddr = req.Laddr
	for _, h := range []string{"Authorization", "Proxy-Authorization"} {
		for next.RemoveHeader(h) {
		}
	}
	via := next.Via()
	via.Params = sip.HeaderParams{{K: "branch", V: sip.RFC3261BranchMagicCookie + randomHex(8)}, {K: "rport"}}
	next.CSeq().SeqNo = seq
	g.sign(next)
	return next
}
