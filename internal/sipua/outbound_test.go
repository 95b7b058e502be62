package sipua_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/routing"
)

// phone is a registered phone of rep1.
func (h *hub) phone(t *testing.T, user, password string) *peer {
	t.Helper()
	p := udpPeer(t, h.udp)
	p.register(user, password, "300")
	return p
}

// register goes through the challenge with the first algorithm offered.
func (p *peer) register(user, password, expires string, params ...string) msg {
	p.t.Helper()
	k := p.talk(user, user)
	k.target = "sip:" + p.hubAddr()
	contact := fmt.Sprintf("Contact: <sip:%s@%s>%s", user, p.addr, strings.Join(params, ""))
	k.do("REGISTER", "", "Expires: "+expires, contact)
	res := p.status("REGISTER", 401)
	k.do("REGISTER", "", "Expires: "+expires, contact, authorization(res, "REGISTER", k.target, user, password, "SHA-256", 1))
	return p.status("REGISTER", 200)
}

func (h *hub) dial(to callctl.Target, inv callctl.Invitation) []*party {
	h.t.Helper()
	legs, err := h.Dial(to, inv)
	if err != nil {
		h.t.Fatal(err)
	}
	var ps []*party
	for _, l := range legs {
		ps = append(ps, h.watch(l))
	}
	return ps
}

func TestDialPhone(t *testing.T) {
	t.Parallel()
	t.Run("rings, answers, is hung up", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		other, _ := h.answeredCall(udpPeer(t, h.udp))
		_ = other
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{
			Shown: callctl.Party{Number: "+34600000001", Name: "Ana"}, Display: "701 0:45 Ana", Subject: "wants\r\nEvil: yes", Diverted: "701", Ring: 20 * time.Second, AutoAnswer: true,
		})[0]
		inv := p.request("INVITE")
		for name, want := range map[string]string{
			"From": `"701 0:45 Ana" <sip:+34600000001@127.0.0.1`, "P-Asserted-Identity": `"Ana" <sip:+34600000001@`, "Diversion": "<sip:701@",
			"Subject": "wants  Evil: yes", "Expires": "20", "Call-Info": "answer-after=0", "Alert-Info": "info=alert-autoanswer", "Contact": "<sip:+34600000001@127.0.0.1",
		} {
			if !strings.Contains(inv.hdr(name), want) {
				t.Errorf("%s: %q, want %q", name, inv.hdr(name), want)
			}
		}
		if !strings.Contains(inv.body(), "RTP/AVP 0 8 9 101") {
			t.Errorf("offer\n%s", inv.body())
		}
		p.reply(inv, 180, "x", "")
		if e := event[callctl.LegRang](leg); e.Early {
			t.Errorf("%+v", e)
		}
		p.reply(inv, 200, "x", offer())
		ack := p.request("ACK")
		if !strings.HasPrefix(ack.first(), "ACK sip:phone@"+p.addr) || !strings.HasPrefix(ack.hdr("CSeq"), strings.Fields(inv.hdr("CSeq"))[0]+" ") {
			t.Errorf("%s", ack.raw)
		}
		event[callctl.LegAnswered](leg)
		if r := leg.leg.Remote(); r.Agent != "rep1" || r.Name != "Rep rep1" {
			t.Errorf("%+v", r)
		}
		p.reply(inv, 200, "x", offer()) // the ACK was lost
		p.request("ACK")
		leg.leg.Hangup(call.Normal, "")
		p.reply(p.request("BYE"), 200, "", "")
		event[callctl.LegEnded](leg)
	})

	t.Run("180 and 200 back to back are told in order", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		for range 100 {
			leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
			inv := p.request("INVITE")
			p.reply(inv, 180, "x", "")
			p.reply(inv, 200, "x", offer())
			event[callctl.LegRang](leg)
			event[callctl.LegAnswered](leg)
			p.request("ACK")
			k := p.called(inv, "x")
			k.do("BYE", "")
			p.status("BYE", 200)
			if e := event[callctl.LegEnded](leg); !e.Remote {
				t.Fatalf("%+v", e)
			}
		}
	})

	t.Run("every phone of the agent rings", func(t *testing.T) {
		h := start(t)
		p, q := h.phone(t, "rep1", "pw1"), h.phone(t, "rep1", "pw1")
		legs := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})
		if len(legs) != 2 {
			t.Fatalf("%d legs", len(legs))
		}
		pi, qi := p.request("INVITE"), q.request("INVITE")
		p.reply(pi, 180, "x", "")
		q.reply(qi, 180, "y", "")
		event[callctl.LegRang](legs[0])
		event[callctl.LegRang](legs[1])
	})

	t.Run("nobody to ring", func(t *testing.T) {
		h := start(t)
		for _, to := range []callctl.Target{{Agent: "rep1"}, {Agent: "nobody"}, {Number: "+34600000009", Trunk: "none"}, {Number: "+34600000009", Trunk: "carrier"}} {
			if _, err := h.Dial(to, callctl.Invitation{}); !errors.Is(err, callctl.ErrUnreachable) {
				t.Errorf("%+v: %v", to, err)
			}
		}
	})

	t.Run("what a refusal means", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		for code, cause := range map[int]call.Cause{486: call.Busy, 603: call.Rejected, 480: call.Unavailable, 404: call.NotFound, 488: call.NotAcceptable, 302: call.Unavailable, 500: call.Failed} {
			leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
			inv := p.request("INVITE")
			p.reply(inv, code, "x", "")
			p.request("ACK")
			if e := event[callctl.LegEnded](leg); e.Cause != cause || e.Status != code || !e.Remote {
				t.Errorf("%d: %+v", code, e)
			}
		}
	})

	t.Run("the codec of the other leg is offered first", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		q := udpPeer(t, h.udp)
		k := q.talk("a", "700")
		k.do("INVITE", strings.ReplaceAll(offer(), "0 8 101", "8 101"))
		in, _ := h.incoming()
		in.leg.Answer(callctl.Party{})
		k.up(q.status("INVITE", 200))
		h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{Beside: in.leg})
		if inv := p.request("INVITE"); !strings.Contains(inv.body(), "RTP/AVP 8 0 9 101") {
			t.Errorf("%s", inv.body())
		}
	})

	t.Run("through a trunk, and early media", func(t *testing.T) {
		p := udpPeer(t, "127.0.0.1:9")
		h := start(t, func(c *sipua.Config) {
			c.Trunks = func() []routing.Trunk { return []routing.Trunk{{Name: "out", Host: p.addr, MaxCalls: 1}} }
		})
		leg := h.dial(callctl.Target{Number: "+34600000009", Trunk: "out"}, callctl.Invitation{})[0]
		p.hub.Port = 0
		inv := p.request("INVITE")
		if !strings.HasPrefix(inv.first(), "INVITE sip:+34600000009@"+p.addr) {
			t.Errorf("%s", inv.first())
		}
		if _, err := h.Dial(callctl.Target{Number: "+34600000009", Trunk: "out"}, callctl.Invitation{}); err == nil {
			t.Error("more calls than the trunk may carry")
		}
		_, _ = fmt.Sscanf(h.udp, "127.0.0.1:%d", &p.hub.Port)
		p.reply(inv, 183, "x", offer())
		if e := event[callctl.LegRang](leg); !e.Early || leg.leg.Media() == nil {
			t.Errorf("%+v", e)
		}
		p.reply(inv, 200, "x", offer())
		event[callctl.LegAnswered](leg)
	})

	t.Run("a text to the agent's phones", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		h.Message("rep1", "parked on 701")
		if m := p.request("MESSAGE"); m.body() != "parked on 701" {
			t.Errorf("%s", m.raw)
		} else {
			p.reply(m, 405, "x", "")
		}
	})
}

func TestOutboundRaces(t *testing.T) {
	t.Parallel()
	t.Run("cancelled before any response: CANCEL waits for the first", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		leg.leg.Hangup(call.Elsewhere, "")
		if e := event[callctl.LegEnded](leg); e.Cause != call.Elsewhere || e.Remote {
			t.Errorf("%+v", e)
		}
		p.quiet(20*time.Millisecond, func(m msg) bool { return m.method() == "CANCEL" })
		p.reply(inv, 180, "x", "")
		c := p.request("CANCEL")
		if c.hdr("Reason") != `SIP;cause=200;text="Call completed elsewhere"` || c.hdr("Via") != inv.hdr("Via") || strings.Contains(c.hdr("To"), "tag=") {
			t.Errorf("%s", c.raw)
		}
		p.reply(c, 200, "x", "")
		p.reply(inv, 487, "x", "")
		p.request("ACK")
		leg.silent(20 * time.Millisecond)
	})

	t.Run("CANCEL and 200 cross: ACK and BYE, ended once", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		p.reply(inv, 180, "x", "")
		event[callctl.LegRang](leg)
		leg.leg.Hangup(call.NoAnswer, "")
		p.request("CANCEL")
		p.reply(inv, 200, "x", offer())
		p.request("ACK")
		p.reply(p.request("BYE"), 200, "", "")
		event[callctl.LegEnded](leg)
		leg.silent(30 * time.Millisecond)
		if h.ports.left() != 0 {
			t.Error("a port is left open")
		}
	})

	t.Run("a CANCEL nobody answers is given up", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		p.reply(inv, 180, "x", "")
		event[callctl.LegRang](leg)
		leg.leg.Hangup(call.NoAnswer, "")
		p.request("CANCEL")
		event[callctl.LegEnded](leg)
		until(t, func() bool { return h.Stats().ClientTransactions <= 2 }) // the CANCEL's and the REGISTER's none
		// Its 200 comes when all is forgotten.
		p.reply(inv, 200, "x", offer())
		p.request("ACK")
		p.request("BYE")
	})

	t.Run("every extra answer of a fork is acknowledged and ended", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		p.reply(inv, 200, "one", offer())
		if a := p.request("ACK"); !strings.HasSuffix(a.hdr("To"), "tag=one") {
			t.Errorf("%s", a.raw)
		}
		event[callctl.LegAnswered](leg)
		p.reply(inv, 200, "two", offer())
		if a := p.request("ACK"); !strings.HasSuffix(a.hdr("To"), "tag=two") {
			t.Errorf("%s", a.raw)
		}
		if b := p.request("BYE"); !strings.HasSuffix(b.hdr("To"), "tag=two") {
			t.Errorf("%s", b.raw)
		}
		leg.silent(20 * time.Millisecond)
		leg.leg.Hangup(call.Normal, "")
		if b := p.request("BYE"); !strings.HasSuffix(b.hdr("To"), "tag=one") {
			t.Errorf("%s", b.raw)
		}
	})

	t.Run("more than ten provisional responses", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		for range 15 {
			p.reply(inv, 180, "x", "")
		}
		event[callctl.LegRang](leg)
		p.reply(inv, 200, "x", offer())
		event[callctl.LegAnswered](leg)
	})

	t.Run("an answer without a usable description is ended", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		p.reply(inv, 200, "x", strings.ReplaceAll(offer(), "0 8 101", "98"))
		p.request("ACK")
		p.request("BYE")
		if e := event[callctl.LegEnded](leg); e.Cause != call.NotAcceptable {
			t.Errorf("%+v", e)
		}
	})

	t.Run("an INVITE against ours is glare", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		p.reply(inv, 180, "x", "")
		event[callctl.LegRang](leg)
		k := p.called(inv, "x")
		k.do("INVITE", offer())
		k.p.status("INVITE", 491)
	})

	t.Run("a phone that rings longer than its Expires is cancelled", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{Ring: time.Millisecond})[0]
		inv := p.request("INVITE")
		p.reply(inv, 180, "x", "")
		event[callctl.LegRang](leg)
		p.request("CANCEL")
		if e := event[callctl.LegEnded](leg); e.Cause != call.NoAnswer {
			t.Errorf("%+v", e)
		}
	})
}

// until waits for something that becomes true.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it never came true")
		}
	}
}

func TestRefer(t *testing.T) {
	// talking is a call of rep1's phone, with the peer's side of it.
	talking := func(t *testing.T, change ...func(*sipua.Config)) (*hub, *peer, *talk, *party) {
		h := start(t, change...)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		p.reply(inv, 200, "x", offer())
		event[callctl.LegAnswered](leg)
		p.request("ACK")
		return h, p, p.called(inv, "x"), leg
	}

	t.Run("202, then how far it is, then what came of it", func(t *testing.T) {
		_, p, k, leg := talking(t)
		k.do("REFER", "", "r: <sip:7%300@hub>")
		p.status("REFER", 202)
		n := p.request("NOTIFY")
		p.reply(n, 200, "", "")
		if !strings.HasPrefix(n.body(), "SIP/2.0 100") || n.hdr("Event") != "refer" || !strings.HasPrefix(n.hdr("Subscription-State"), "active") || !strings.HasPrefix(n.hdr("Content-Type"), "message/sipfrag") {
			t.Errorf("%s", n.raw)
		}
		e := event[callctl.LegReferred](leg)
		if e.To != "700" || e.By.Agent != "rep1" {
			t.Errorf("%+v", e)
		}
		e.Result(200, "")
		n = p.request("NOTIFY")
		p.reply(n, 200, "", "")
		if !strings.HasPrefix(n.body(), "SIP/2.0 200 OK") || !strings.HasPrefix(n.hdr("Subscription-State"), "terminated") {
			t.Errorf("%s", n.raw)
		}
		e.Result(500, "")
		p.quiet(30*time.Millisecond, func(m msg) bool { return m.method() == "NOTIFY" })
		k.do("REFER", "", "Refer-To: <sip:701@hub>")
		p.status("REFER", 202)
		if n = p.request("NOTIFY"); !strings.Contains(n.hdr("Event"), ";id=") {
			t.Errorf("%s", n.raw)
		}
	})

	t.Run("the subscription outlives the call", func(t *testing.T) {
		_, p, k, leg := talking(t)
		k.do("REFER", "", "Refer-To: <sip:700@hub>")
		p.status("REFER", 202)
		p.reply(p.request("NOTIFY"), 200, "", "")
		e := event[callctl.LegReferred](leg)
		k.do("BYE", "")
		p.status("BYE", 200)
		event[callctl.LegEnded](leg)
		e.Result(486, "no slot is free")
		n := p.request("NOTIFY")
		p.reply(n, 200, "", "")
		if !strings.HasPrefix(n.body(), "SIP/2.0 486 no slot is free") {
			t.Errorf("%s", n.raw)
		}
	})

	t.Run("our BYE lets the NOTIFY arrive first", func(t *testing.T) {
		// told is a call in which the last NOTIFY is not answered yet and we have hung up.
		told := func(t *testing.T, change ...func(*sipua.Config)) (*peer, *talk, msg) {
			_, p, k, leg := talking(t, change...)
			k.do("REFER", "", "Refer-To: <sip:700@hub>")
			p.status("REFER", 202)
			p.reply(p.request("NOTIFY"), 200, "", "")
			event[callctl.LegReferred](leg).Result(200, "")
			n := p.request("NOTIFY")
			leg.leg.Hangup("normal", "")
			event[callctl.LegEnded](leg) // for the call it is over at once
			p.quiet(30*time.Millisecond, func(m msg) bool { return m.method() == "BYE" })
			return p, k, n
		}
		t.Run("when it is answered", func(t *testing.T) {
			p, _, n := told(t, func(c *sipua.Config) { c.Timers.Told = time.Hour })
			p.reply(n, 200, "", "")
			p.reply(p.request("BYE"), 200, "", "")
		})
		t.Run("when it has waited long enough", func(t *testing.T) {
			p, _, _ := told(t, func(c *sipua.Config) { c.Timers.Told = 60 * time.Millisecond })
			p.reply(p.request("BYE"), 200, "", "")
		})
		t.Run("not at all if the phone hangs up meanwhile", func(t *testing.T) {
			p, k, n := told(t, func(c *sipua.Config) { c.Timers.Told = 100 * time.Millisecond })
			k.do("BYE", "")
			p.status("BYE", 200)
			p.reply(n, 200, "", "")
			p.quiet(200*time.Millisecond, func(m msg) bool { return m.method() == "BYE" })
		})
	})

	t.Run("without a subscription if none is wanted", func(t *testing.T) {
		_, p, k, leg := talking(t)
		k.do("REFER", "", "Refer-To: <sip:700@hub>", "Refer-Sub: false", "Require: norefersub")
		if res := p.status("REFER", 202); res.hdr("Refer-Sub") != "false" {
			t.Errorf("%s", res.raw)
		}
		event[callctl.LegReferred](leg).Result(200, "")
		p.quiet(30*time.Millisecond, func(m msg) bool { return m.method() == "NOTIFY" })
	})

	t.Run("refused when it makes no sense", func(t *testing.T) {
		h, p, k, leg := talking(t)
		k.do("REFER", "")
		p.status("REFER", 400)
		k.do("REFER", "", "Refer-To: <sip:1@a>", "Refer-To: <sip:2@a>")
		p.status("REFER", 400)
		leg.silent(20 * time.Millisecond)
		q := udpPeer(t, h.udp)
		q.talk("a", "700").do("REFER", "", "Refer-To: <sip:700@hub>")
		q.status("REFER", 403)
	})
}
