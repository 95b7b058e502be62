package sipua

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/routing"
)

// anonymous is the From of RFC 3323 §4.1.1.3.
const anonymous = `"Anonymous" <sip:anonymous@anonymous.invalid>`

// presented is whom a call through a trunk shows: the number as we write it,
// "" if there is none, and whether the caller wants to stay unknown.
func presented(t routing.Trunk, p callctl.Party) (n call.Number, hidden bool) {
	if t.Show == "own" {
		return t.CallerNumber, false
	}
	hidden = p.Number == "" && p.Agent == ""
	if !public(p.Number) {
		return t.CallerNumber, hidden
	}
	return p.Number, hidden
}

// public says whether a number means something to a carrier: an extension or a
// name does not.
func public(n call.Number) bool {
	digits := strings.TrimPrefix(string(n), "+")
	return len(digits) > 6 && strings.Trim(digits, "0123456789") == ""
}

// shownFrom is the From of a call to a carrier.
func shownFrom(t routing.Trunk, inv callctl.Invitation, host string) string {
	n, hidden := presented(t, inv.Shown)
	if hidden {
		return anonymous
	}
	p := callctl.Party{Number: call.Number(first(t.Write(n), t.Username)), Name: first(inv.Display, inv.Shown.Name), Agent: string(inv.Shown.Number)}
	if p.Agent == "" {
		p.Agent = inv.Shown.Agent
	}
	return nameAddr(p, first(t.Domain, host))
}

// identity is what a carrier is told of the caller besides From, by the trunk's
// policy: P-Asserted-Identity (RFC 3325), Remote-Party-ID, Diversion (RFC 5806),
// History-Info (RFC 7044), Privacy (RFC 3323).
func identity(t routing.Trunk, inv callctl.Invitation, host, target string) []sip.Header {
	send := t.Send
	if len(send) == 0 {
		send = []string{"pai", "diversion"}
	}
	n, hidden := presented(t, inv.Shown)
	domain := first(t.Domain, host)
	own := callctl.Party{Number: call.Number(t.Write(n))}
	if !hidden {
		own.Name = inv.Shown.Name
	}
	diverted := call.Number(inv.Diverted)
	if diverted != "" && t.CallerNumber != "" {
		diverted = call.Number(t.Write(t.CallerNumber)) // a slot means nothing out there
	}
	var hs []sip.Header
	add := func(name, format string, args ...any) {
		hs = append(hs, sip.NewHeader(name, fmt.Sprintf(format, args...)))
	}
	for _, what := range send {
		switch {
		case what == "pai" && n != "":
			add("P-Asserted-Identity", "%s", nameAddr(own, domain))
		case what == "rpid" && n != "":
			privacy := "off"
			if hidden {
				privacy = "full"
			}
			add("Remote-Party-ID", "%s;party=calling;screen=yes;privacy=%s", nameAddr(own, domain), privacy)
		case what == "diversion" && diverted != "":
			add("Diversion", "<sip:%s@%s>;reason=%s;counter=1", escapeUser(string(diverted)), domain, reasonOf(inv))
		case what == "history-info" && diverted != "":
			// RFC 7044 §5.1: from whom it comes, why, and where it goes.
			cause := 408
			if inv.Deflected {
				cause = 302
			}
			add("History-Info", "<sip:%s@%s?Reason=SIP%%3Bcause%%3D%d>;index=1, <%s>;index=1.1;mp=1", escapeUser(string(diverted)), domain, cause, target)
		}
	}
	if hidden {
		add("Privacy", "id")
	}
	return hs
}

// reasonOf is why a call was diverted (RFC 5806 §4).
func reasonOf(inv callctl.Invitation) string {
	if inv.Deflected {
		return "deflection"
	}
	return "no-answer"
}

// outside is what a trunk's carrier is told of whom its party talks to now: the
// number that a call of ours would show, without a name, and nothing where there
// is none or the trunk sends no P-Asserted-Identity.
func (s *Server) outside(trunk string, shown callctl.Party, host string) []sip.Header {
	for _, t := range s.cfg.Trunks() {
		if t.Name != trunk || (len(t.Send) > 0 && !slices.Contains(t.Send, "pai")) || (shown.Number == "" && shown.Agent == "") {
			continue
		}
		t.Send, shown.Name = []string{"pai"}, ""
		return identity(t, callctl.Invitation{Shown: shown}, host, "")
	}
	return nil
}

// caller is who a trunk says is calling, by what the trunk's policy trusts.
func caller(req *sip.Request, t routing.Trunk) callctl.Party {
	trust := slices.DeleteFunc(slices.Clone(t.Trust), func(what string) bool { return what == routing.TrustReferredBy })
	if len(trust) == 0 {
		trust = []string{"pai", "from"}
	}
	p := callctl.Party{Device: device(req)}
	from := req.From()
	for _, what := range trust {
		switch what {
		case "pai":
			p.Number, p.Name = named(req.GetHeaders("p-asserted-identity"))
		case "rpid":
			p.Number, p.Name = named(calling(req.GetHeaders("remote-party-id")))
		case "from":
			p.Number, p.Name = numberOf(userOf(&from.Address)), unquote(from.DisplayName)
		}
		if p.Number != "" {
			break
		}
	}
	if p.Name == "" && p.Number != "" {
		p.Name = unquote(from.DisplayName)
	}
	if p.Number = t.Read(p.Number); hides(req) {
		p.Number, p.Name = "", ""
	}
	return p
}

// named is the first header's number and name.
func named(hs []sip.Header) (call.Number, string) {
	for _, h := range hs {
		if u, name, ok := uriOf(h.Value()); ok && userOf(&u) != "" {
			return numberOf(userOf(&u)), unquote(name)
		}
	}
	return "", ""
}

// calling leaves out the Remote-Party-IDs of others than the caller.
func calling(hs []sip.Header) (out []sip.Header) {
	for _, h := range hs {
		v := strings.ToLower(h.Value())
		if !strings.Contains(v, "party=called") {
			out = append(out, h)
		}
	}
	return out
}

// hides says whether the caller wants to stay unknown (RFC 3323, RFC 3325 §7;
// Remote-Party-ID says it by itself).
func hides(req *sip.Request) bool {
	for _, line := range tokens(&req.MessageData, "privacy") {
		for v := range strings.SplitSeq(line, ";") {
			switch strings.TrimSpace(v) {
			case "id", "user":
				return true
			}
		}
	}
	for _, h := range calling(req.GetHeaders("remote-party-id")) {
		v := strings.ToLower(strings.ReplaceAll(h.Value(), " ", ""))
		if strings.Contains(v, "privacy=full") || strings.Contains(v, "privacy=uri") {
			return true
		}
	}
	return false
}
