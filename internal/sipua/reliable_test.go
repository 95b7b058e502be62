package sipua_test

import (
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
)

// prack acknowledges a reliable provisional response to the last INVITE.
func (k *talk) prack(res msg, body string) {
	k.p.t.Helper()
	k.do("PRACK", body, "RAck: "+res.hdr("RSeq")+" "+res.hdr("CSeq"))
}

func TestReliableProvisional(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T, body string, headers ...string) (*hub, *peer, *talk, *party) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", body, headers...)
		leg, _ := h.incoming()
		return h, p, k, leg
	}

	t.Run("early media until the PRACK; the 200 waits for it and says no more", func(t *testing.T) {
		_, p, k, leg := begin(t, offer(), "Supported: 100rel")
		leg.leg.Early()
		leg.leg.Answer(callctl.Party{})
		res := p.status("INVITE", 183)
		if res.hdr("Require") != "100rel" || res.body() == "" {
			t.Fatalf("%s", res.raw)
		}
		last := res.at
		for i := 1; i <= 3; i++ {
			again := p.next()
			if again.raw != res.raw {
				t.Fatalf("after the 183 came\n%s", again.raw)
			}
			if gap := again.at.Sub(last); gap < quick.T1<<(i-1)*8/10 {
				t.Errorf("repeated %d after %v", i, gap)
			}
			last = again.at
		}
		k.up(res)
		k.prack(res, "")
		p.status("PRACK", 200)
		ok := p.status("INVITE", 200)
		if ok.body() != "" {
			t.Errorf("another description\n%s", ok.raw)
		}
		k.ack("")
		event[callctl.LegAnswered](leg)
		k.prack(res, "")
		p.status("PRACK", 481) // it is acknowledged already
	})

	t.Run("demanded: the 180 too, and a PRACK that means none is 481", func(t *testing.T) {
		_, p, k, leg := begin(t, offer(), "Require: 100rel")
		leg.leg.Ring()
		res := p.status("INVITE", 180)
		if res.hdr("Require") != "100rel" || res.hdr("RSeq") == "" {
			t.Fatalf("%s", res.raw)
		}
		k.up(res)
		for _, rack := range []string{"RAck: 1 1 INVITE", "RAck: " + res.hdr("RSeq") + " 2 INVITE", "RAck: " + res.hdr("RSeq"), "X: y"} {
			k.do("PRACK", "", rack)
			p.status("PRACK", 481)
		}
		leg.leg.Early() // waits for its turn
		k.prack(res, "")
		p.status("PRACK", 200)
		next := p.status("INVITE", 183)
		if a, b := res.hdr("RSeq"), next.hdr("RSeq"); len(b) < len(a) || a == b {
			t.Errorf("RSeq %s after %s", b, a)
		}
		k.prack(next, "")
		p.status("PRACK", 200)
		leg.leg.Answer(callctl.Party{})
		p.status("INVITE", 200)
	})

	t.Run("demanded and answered at once: one all the same", func(t *testing.T) {
		_, p, k, leg := begin(t, offer(), "Require: 100rel")
		leg.leg.Answer(callctl.Party{})
		res := p.status("INVITE", 183)
		k.up(res)
		k.prack(res, "")
		p.status("PRACK", 200)
		p.status("INVITE", 200)
		k.ack("")
		event[callctl.LegAnswered](leg)
	})

	t.Run("a 180 that nobody acknowledged does not hold up the 200", func(t *testing.T) {
		_, p, k, leg := begin(t, offer(), "Require: 100rel")
		leg.leg.Ring()
		res := p.status("INVITE", 180)
		leg.leg.Answer(callctl.Party{})
		k.up(p.status("INVITE", 200))
		k.prack(res, "")
		p.status("PRACK", 200)
		k.ack("")
		event[callctl.LegAnswered](leg)
	})

	t.Run("never acknowledged: refused", func(t *testing.T) {
		h, p, k, leg := begin(t, offer(), "Supported: 100rel")
		leg.leg.Early()
		leg.leg.Answer(callctl.Party{})
		k.ackFailure(p.status("INVITE", 500))
		leg.ends(call.Failed)
		until(t, func() bool { return h.ports.left() == 0 && h.Stats().Dialogs == 0 })
	})

	t.Run("an offer in the PRACK is answered in its 200", func(t *testing.T) {
		h, p, k, leg := begin(t, offer(), "Supported: 100rel")
		leg.leg.Early()
		res := p.status("INVITE", 183)
		k.up(res)
		k.prack(res, offer("a=sendonly"))
		if ok := p.status("PRACK", 200); !strings.Contains(ok.body(), "a=recvonly") {
			t.Errorf("%s", ok.raw)
		}
		event[callctl.LegHeld](leg)
		k.do("UPDATE", offer())
		if ok := p.status("UPDATE", 200); !strings.Contains(ok.body(), "a=sendrecv") {
			t.Errorf("%s", ok.raw)
		}
		leg.leg.Hangup(call.Busy, "")
		k.ackFailure(p.status("INVITE", 486))
		k.prack(res, "")
		p.status("PRACK", 481)
		_ = h
	})

	t.Run("late offer: ours in the 183, theirs in the PRACK", func(t *testing.T) {
		h, p, k, leg := begin(t, "", "Supported: 100rel")
		leg.leg.Early()
		res := p.status("INVITE", 183)
		if !strings.Contains(res.body(), "RTP/AVP 0 8 9 101") {
			t.Fatalf("%s", res.raw)
		}
		k.up(res)
		k.prack(res, strings.ReplaceAll(offer(), "0 8 101", "8 101"))
		p.status("PRACK", 200)
		if st := h.ports.last().stream(t); st.Codec.Name != "PCMA" {
			t.Errorf("%+v", st)
		}
		leg.leg.Answer(callctl.Party{})
		if ok := p.status("INVITE", 200); ok.body() != "" {
			t.Errorf("%s", ok.raw)
		}
		k.ack("")
		event[callctl.LegAnswered](leg)
	})

	t.Run("late offer with a useless answer in the PRACK is refused", func(t *testing.T) {
		_, p, k, leg := begin(t, "", "Require: 100rel")
		leg.leg.Ring() // the first reliable response has to hold the offer
		res := p.status("INVITE", 183)
		k.up(res)
		k.prack(res, strings.ReplaceAll(offer(), "0 8 101", "98"))
		p.status("PRACK", 200)
		k.ackFailure(p.status("INVITE", 488))
		leg.ends(call.NotAcceptable)
	})

	t.Run("CANCEL while the 200 waits for the PRACK", func(t *testing.T) {
		_, p, k, leg := begin(t, offer(), "Supported: 100rel")
		leg.leg.Early()
		res := p.status("INVITE", 183)
		leg.leg.Answer(callctl.Party{})
		k.cancel()
		k.ackFailure(p.status("INVITE", 487))
		leg.ends(call.Cancelled)
		k.up(res)
		p.quiet(50*time.Millisecond, func(m msg) bool { return m.code() == 183 || m.code() == 200 })
	})
}

func TestPrack(t *testing.T) {
	t.Parallel()
	rung := func(t *testing.T) (*hub, *peer, *party, msg) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		if !strings.Contains(inv.hdr("Supported"), "100rel") {
			t.Errorf("%s", inv.raw)
		}
		return h, p, leg, inv
	}

	t.Run("in order, once each, and the ACK keeps the INVITE's CSeq", func(t *testing.T) {
		h, p, leg, inv := rung(t)
		p.reply(inv, 180, "x", "", "Require: 100rel", "RSeq: 7")
		a := p.request("PRACK")
		if a.hdr("RAck") != "7 1 INVITE" || a.hdr("CSeq") != "2 PRACK" || !strings.HasSuffix(a.hdr("To"), "tag=x") || !strings.HasPrefix(a.first(), "PRACK sip:phone@"+p.addr) {
			t.Errorf("%s", a.raw)
		}
		p.reply(a, 200, "", "")
		event[callctl.LegRang](leg)
		p.reply(inv, 180, "x", "", "Require: 100rel", "RSeq: 7")      // repeated
		p.reply(inv, 183, "x", offer(), "Require: 100rel", "RSeq: 9") // 8 is missing
		p.quiet(30*time.Millisecond, func(m msg) bool { return m.method() == "PRACK" })
		p.reply(inv, 183, "x", offer(), "Require: 100rel", "RSeq: 8")
		a = p.request("PRACK")
		if a.hdr("RAck") != "8 1 INVITE" || a.hdr("CSeq") != "3 PRACK" {
			t.Errorf("%s", a.raw)
		}
		p.reply(a, 200, "", "")
		if e := event[callctl.LegRang](leg); !e.Early {
			t.Errorf("%+v", e)
		}
		h.ports.last().stream(t)
		p.reply(inv, 200, "x", strings.ReplaceAll(offer(), "0 8 101", "8 101")) // not an answer any more
		event[callctl.LegAnswered](leg)
		if a := p.request("ACK"); a.hdr("CSeq") != "1 ACK" {
			t.Errorf("%s", a.raw)
		}
		if c := leg.leg.(interface{ Codec() string }).Codec(); c != "PCMU" {
			t.Errorf("codec %s", c)
		}
		leg.leg.Hangup(call.Normal, "")
		if b := p.request("BYE"); b.hdr("CSeq") != "4 BYE" {
			t.Errorf("%s", b.raw)
		}
	})

	t.Run("each branch of a fork is a dialog by itself; the one that answers is heard", func(t *testing.T) {
		h, p, leg, inv := rung(t)
		p.reply(inv, 183, "one", strings.ReplaceAll(offer(), "40000", "40010"), "Require: 100rel", "RSeq: 100")
		a := p.request("PRACK")
		p.reply(a, 200, "", "")
		p.reply(inv, 183, "two", strings.ReplaceAll(offer(), "40000", "40020"), "Require: 100rel", "RSeq: 5")
		b := p.request("PRACK")
		p.reply(b, 200, "", "")
		if !strings.HasSuffix(a.hdr("To"), "tag=one") || !strings.HasSuffix(b.hdr("To"), "tag=two") || b.hdr("RAck") != "5 1 INVITE" || b.hdr("CSeq") != "2 PRACK" {
			t.Errorf("%s\n%s", a.raw, b.raw)
		}
		// An offer in the first one's dialog finds it.
		k := p.called(inv, "one")
		k.do("UPDATE", strings.ReplaceAll(offer(), "40000", "40012"))
		p.status("UPDATE", 200)
		p.reply(inv, 200, "two", "")
		event[callctl.LegRang](leg)
		event[callctl.LegAnswered](leg)
		var last uint16
		for range 4 {
			last = h.ports.last().stream(t).Remote.Port()
		}
		if last != 40020 {
			t.Errorf("audio goes to %d", last)
		}
	})

	t.Run("an early answer that cannot be used ends the attempt", func(t *testing.T) {
		_, p, leg, inv := rung(t)
		p.reply(inv, 183, "x", strings.ReplaceAll(offer(), "0 8 101", "98"), "Require: 100rel", "RSeq: 7")
		p.request("PRACK")
		p.request("CANCEL")
		leg.ends(call.NotAcceptable)
	})
}

func TestEarlyUpdate(t *testing.T) {
	t.Run("before their offer is answered 500, without an offer 200", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		leg, _ := h.incoming()
		leg.leg.Ring()
		k.up(p.status("INVITE", 180))
		k.do("UPDATE", offer())
		if res := p.status("UPDATE", 500); res.hdr("Retry-After") == "" {
			t.Errorf("%s", res.raw)
		}
		k.do("UPDATE", "")
		p.status("UPDATE", 200)
	})

	t.Run("before our offer is answered 491, then answered", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		p.reply(inv, 180, "x", "")
		event[callctl.LegRang](leg)
		k := p.called(inv, "x")
		k.do("UPDATE", offer())
		p.status("UPDATE", 491)
		p.reply(inv, 183, "x", offer(), "Require: 100rel", "RSeq: 1")
		p.reply(p.request("PRACK"), 200, "", "")
		k.do("UPDATE", offer("a=sendonly"))
		if res := p.status("UPDATE", 200); !strings.Contains(res.body(), "a=recvonly") {
			t.Errorf("%s", res.raw)
		}
	})
}
