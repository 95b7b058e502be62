package sipua_test

import (
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
)

// called1 is rep1's phone with the hub's INVITE.
func called1(t *testing.T) (*hub, *peer, *party, msg) {
	t.Helper()
	h := start(t)
	p := h.phone(t, "rep1", "pw1")
	leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
	return h, p, leg, p.request("INVITE")
}

// Each early dialog counts its requests by itself, in both directions (RFC 3261
// §12.2.1.1): a BYE with a number that was used is answered 500, and the call stays up.
func TestSequenceOfForks(t *testing.T) {
	t.Run("a 200 that crosses the CANCEL after a PRACK: the BYE comes after it", func(t *testing.T) {
		_, p, leg, inv := called1(t)
		p.reply(inv, 183, "x", offer(), "Require: 100rel", "RSeq: 7")
		prack := p.request("PRACK")
		p.reply(prack, 200, "", "")
		event[callctl.LegRang](leg)
		leg.leg.Hangup(call.NoAnswer, "")
		p.request("CANCEL")
		p.reply(inv, 200, "x", offer())
		if a := p.request("ACK"); a.hdr("CSeq") != "1 ACK" {
			t.Errorf("%s", a.raw)
		}
		if b := p.request("BYE"); b.hdr("CSeq") == strings.ReplaceAll(prack.hdr("CSeq"), "PRACK", "BYE") {
			t.Errorf("PRACK and BYE have one number: %s", b.hdr("CSeq"))
		}
	})

	t.Run("the other branch answers: its numbers begin anew", func(t *testing.T) {
		for _, early := range []bool{true, false} {
			_, p, leg, inv := called1(t)
			p.reply(inv, 183, "one", offer(), "Require: 100rel", "RSeq: 1")
			p.reply(p.request("PRACK"), 200, "", "")
			event[callctl.LegRang](leg)
			one := p.called(inv, "one")
			one.seq = 100
			one.do("UPDATE", offer())
			p.status("UPDATE", 200)
			if early {
				p.reply(inv, 180, "two", "")
			}
			p.reply(inv, 200, "two", offer())
			event[callctl.LegAnswered](leg)
			two := p.called(inv, "two")
			two.seq = 0
			two.do("BYE", "")
			p.status("BYE", 200)
			event[callctl.LegEnded](leg)
		}
	})

	t.Run("after a redirection too", func(t *testing.T) {
		_, p, leg, inv := carrier(t)
		p.reply(inv, 183, "one", offer(), "Require: 100rel", "RSeq: 1")
		p.reply(p.request("PRACK"), 200, "", "")
		event[callctl.LegRang](leg)
		one := p.called(inv, "one")
		one.seq = 100
		one.do("UPDATE", "")
		p.status("UPDATE", 200)
		p.reply(inv, 302, "one", "")
		again := p.request("INVITE")
		p.reply(again, 200, "two", offer())
		event[callctl.LegAnswered](leg)
		two := p.called(again, "two")
		two.seq = 0
		two.do("BYE", "")
		p.status("BYE", 200)
	})
}

// RFC 3261 §12.2.1.2: a 2xx to a re-INVITE refreshes the target, and the ACK goes
// to where the peer is now.
func TestAckGoesToTheNewTarget(t *testing.T) {
	h := start(t)
	p, moved := udpPeer(t, h.udp), udpPeer(t, h.udp)
	_, leg := h.answeredCall(p)
	done := leg.reoffer("PCMU")
	re := p.request("INVITE")
	p.send(strings.ReplaceAll(p.answer(re, 200, "", offer()), "<sip:phone@"+p.addr+">", "<sip:phone@"+moved.addr+">"))
	if a := moved.request("ACK"); !strings.HasPrefix(a.first(), "ACK sip:phone@"+moved.addr) {
		t.Errorf("%s", a.raw)
	}
	if err := came(t, done); err != nil {
		t.Error(err)
	}
}

// A callee that says BYE before it answers (RFC 3261 §15 forbids it) may never
// answer the INVITE, which would be kept for ever.
func TestEarlyByeOfACallee(t *testing.T) {
	h, p, leg, inv := called1(t)
	p.reply(inv, 180, "x", "")
	event[callctl.LegRang](leg)
	p.called(inv, "x").do("BYE", "")
	p.status("BYE", 200)
	event[callctl.LegEnded](leg)
	p.request("CANCEL")
	until(t, func() bool { return h.Stats().Dialogs == 0 })
}

// The BYE that crosses our hanging up stands for the ACK.
func TestByeInPlaceOfTheAckWhenWeHungUp(t *testing.T) {
	h := start(t, func(c *sipua.Config) { c.Timers.GiveUp = time.Minute })
	p := udpPeer(t, h.udp)
	k := p.talk("a", "700")
	k.do("INVITE", offer())
	leg, _ := h.incoming()
	leg.leg.Answer(callctl.Party{})
	k.up(p.status("INVITE", 200))
	leg.leg.Hangup(call.Normal, "")
	event[callctl.LegEnded](leg)
	k.do("BYE", "")
	p.status("BYE", 200)
	until(t, func() bool { return h.Stats().Dialogs == 0 })
}
