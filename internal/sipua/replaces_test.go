package sipua_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
)

// replaces names a dialog as whoever is to replace its peer must: by our tag,
// then the peer's.
func (k *talk) replaces(more string) string {
	return fmt.Sprintf("%s;to-tag=%s;from-tag=%s%s", k.callID, k.toTag, k.fromTag, more)
}

// dialled is a call of ours to rep1's phone that is up.
func (h *hub) dialled(p *peer) (*talk, *party) {
	h.t.Helper()
	leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
	inv := p.request("INVITE")
	p.reply(inv, 200, "t"+unique(), offer())
	event[callctl.LegAnswered](leg)
	ack := p.request("ACK")
	k := p.called(inv, "")
	_, k.fromTag, _ = strings.Cut(ack.hdr("To"), ";tag=")
	return k, leg
}

func TestReferWithReplaces(t *testing.T) {
	t.Parallel()
	// asked sends the REFER and is told what came of it at once, if anything did.
	refer := func(k *talk, replaces string) {
		k.do("REFER", "", "Refer-To: <sip:202@hub;user=phone?Subject=x&Replaces="+url.PathEscape(replaces)+">")
	}
	final := func(p *peer) string {
		for {
			n := p.request("NOTIFY")
			p.reply(n, 200, "", "")
			if !strings.HasPrefix(n.body(), "SIP/2.0 100") {
				return n.body()[8:11]
			}
		}
	}
	t.Run("names the other leg, whatever is escaped", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		k, leg := h.dialled(p)
		q, other := h.dialled(p)
		k.do("REFER", "", "Refer-To: <sip:202@hub?Replaces="+strings.NewReplacer(";", "%3b", "=", "%3D").Replace(q.replaces(""))+">")
		p.status("REFER", 202)
		e := event[callctl.LegReferred](leg)
		if e.Replaces != other.leg || e.To != "202" {
			t.Errorf("%+v", e)
		}
		e.Result(200, "")
		if s := final(p); s != "200" {
			t.Error("told", s)
		}
	})
	t.Run("names a call that the phone has placed and that still rings", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		k, leg := h.dialled(p)
		q := p.talk("rep1", "202")
		q.do("INVITE", offer())
		ch := p.status("INVITE", 401)
		q.ackFailure(ch)
		q.do("INVITE", offer(), authorization(ch, "INVITE", q.target, "rep1", "pw1", "SHA-256", 1))
		ask, _ := h.incoming()
		ask.leg.Ring()
		q.up(p.status("INVITE", 180))
		refer(k, q.replaces(""))
		p.status("REFER", 202)
		if e := event[callctl.LegReferred](leg); e.Replaces != ask.leg {
			t.Errorf("%+v", e)
		} else {
			e.Result(200, "")
		}
		if s := final(p); s != "200" {
			t.Error("told", s)
		}
		ask.leg.Hangup(call.Cancelled, "")
		q.ackFailure(p.status("INVITE", 487))
	})
	t.Run("481 when there is no such dialog, 603 when it has ended", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		k, leg := h.dialled(p)
		q, other := h.dialled(p)
		for _, wrong := range []string{"x" + q.replaces(""), q.replaces("x"), strings.Replace(q.replaces(""), "to-tag=", "to-tag=x", 1)} {
			refer(k, wrong)
			p.status("REFER", 202)
			if s := final(p); s != "481" {
				t.Errorf("%s: told %s", wrong, s)
			}
		}
		other.leg.Hangup(call.Normal, "")
		p.reply(p.request("BYE"), 200, "", "")
		event[callctl.LegEnded](other)
		refer(k, q.replaces(""))
		p.status("REFER", 202)
		if s := final(p); s != "603" {
			t.Errorf("told %s", s)
		}
		leg.silent(20 * time.Millisecond)
	})
	t.Run("400 when it cannot be read", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		k, leg := h.dialled(p)
		for _, bad := range []string{"a;to-tag=b", "a;from-tag=b", ";to-tag=a;from-tag=b", "a;to-tag=b;to-tag=c;from-tag=d", "%"} {
			if bad == "%" {
				k.do("REFER", "", "Refer-To: <sip:202@hub?Replaces=%zz>")
			} else {
				refer(k, bad)
			}
			p.status("REFER", 400)
		}
		leg.silent(20 * time.Millisecond)
	})
}

func TestInviteWithReplaces(t *testing.T) {
	t.Parallel()
	// picks sends the INVITE as rep2, with an answer to the challenge.
	picks := func(h *hub, headers ...string) (*peer, *talk) {
		h.t.Helper()
		p := udpPeer(h.t, h.udp)
		k := p.talk("rep2", "x")
		k.do("INVITE", offer(), headers...)
		ch := p.status("INVITE", 401)
		k.ackFailure(ch)
		k.do("INVITE", offer(), append(headers, authorization(ch, "INVITE", k.target, "rep2", "pw2", "SHA-256", 1))...)
		return p, k
	}
	t.Run("hands over the leg it names", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		k, other := h.dialled(p)
		q, _ := picks(h, "Replaces: "+k.replaces(""), "Require: replaces")
		_, in := h.incoming()
		if in.Replaces != other.leg || in.Agent != "rep2" {
			t.Errorf("%+v", in)
		}
		in.Leg.Answer(callctl.Party{})
		if res := q.status("INVITE", 200); !strings.Contains(res.hdr("Supported"), "replaces") {
			t.Errorf("%s", res.raw)
		}
	})
	t.Run("a phone that rings", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		p.reply(inv, 180, "early", "")
		event[callctl.LegRang](leg)
		k := p.called(inv, "early")
		picks(h, "Replaces: "+k.replaces(";early-only"))
		if _, in := h.incoming(); in.Replaces != leg.leg {
			t.Errorf("%+v", in)
		}
	})
	t.Run("refused", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		k, leg := h.dialled(p)
		waits := udpPeer(t, h.udp) // a caller of ours who is not answered: we did not begin it
		w := waits.talk("+34600000001", "700")
		w.do("INVITE", offer())
		caller, _ := h.incoming()
		caller.leg.Ring()
		w.up(waits.status("INVITE", 180))
		for _, c := range []struct {
			code    int
			headers []string
		}{
			{481, []string{"Replaces: x" + k.replaces("")}},
			{481, []string{"Replaces: " + w.replaces("")}},
			{486, []string{"Replaces: " + k.replaces(";early-only")}},
			{400, []string{"Replaces: " + k.callID}},
			{400, []string{"Replaces: " + k.replaces(""), "Replaces: " + k.replaces("")}},
			{400, []string{"Replaces: " + k.replaces(""), "Join: " + k.replaces("")}},
		} {
			q, t2 := picks(h, c.headers...)
			t2.ackFailure(q.status("INVITE", c.code))
		}
		trunk := udpPeer(t, h.udp)
		s := trunk.talk("+34600000002", "700")
		s.do("INVITE", offer(), "Replaces: "+k.replaces(""))
		s.ackFailure(trunk.status("INVITE", 403))
		leg.leg.Hangup(call.Normal, "")
		p.reply(p.request("BYE"), 200, "", "")
		event[callctl.LegEnded](leg)
		q, t3 := picks(h, "Replaces: "+k.replaces(""))
		t3.ackFailure(q.status("INVITE", 603))
		caller.leg.Hangup(call.Busy, "")
		w.ackFailure(waits.status("INVITE", 486))
	})
}
