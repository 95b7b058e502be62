package sipua_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/routing"
)

// carrier is a peer that a trunk leads to, with a leg that calls it.
func carrier(t *testing.T) (*hub, *peer, *party, msg) {
	t.Helper()
	p := udpPeer(t, "127.0.0.1:9")
	h := start(t, func(c *sipua.Config) {
		c.Trunks = func() []routing.Trunk {
			return []routing.Trunk{{Name: "out", Host: p.addr, Sources: []string{"127.0.0.1"}}}
		}
	})
	_, _ = fmt.Sscanf(h.udp, "127.0.0.1:%d", &p.hub.Port)
	leg := h.dial(callctl.Target{Number: "+34600000009", Trunk: "out"}, callctl.Invitation{})[0]
	return h, p, leg, p.request("INVITE")
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	t.Run("a carrier's Contacts are tried, the best first, and the last refusal counts", func(t *testing.T) {
		h, p, leg, inv := carrier(t)
		q := udpPeer(t, h.udp)
		p.reply(inv, 300, "x", "", "Contact: <sip:second@"+q.addr+">;q=0.3", "Contact: <sip:first@"+p.addr+">;q=0.7, <tel:+1>, <sips:x@"+p.addr+">")
		p.request("ACK")
		// The reply's own Contact is <sip:phone@…> without q: the best of all.
		for i, to := range []string{"sip:phone@" + p.addr, "sip:first@" + p.addr} {
			again := p.request("INVITE")
			if again.first() != "INVITE "+to+" SIP/2.0" || again.hdr("Call-ID") != inv.hdr("Call-ID") || again.hdr("CSeq") != fmt.Sprintf("%d INVITE", i+2) || strings.Contains(again.hdr("To"), "tag=") {
				t.Errorf("%s", again.raw)
			}
			p.reply(again, 404, "x", "")
			p.request("ACK")
		}
		last := q.request("INVITE")
		q.reply(last, 486, "x", "")
		q.request("ACK")
		if e := event[callctl.LegEnded](leg); e.Cause != call.Busy || e.Status != 486 {
			t.Errorf("%+v", e)
		}
	})

	t.Run("to a stranger's host: as a number through the trunk", func(t *testing.T) {
		_, p, leg, inv := carrier(t)
		p.reply(inv, 302, "x", "", "Contact: <sip:+34911@192.0.2.77;maddr=192.0.2.78?Route=%3Csip:evil%3E>;q=1")
		first := p.request("INVITE") // the reply's own
		p.reply(first, 480, "x", "")
		again := p.request("INVITE")
		if again.first() != "INVITE sip:+34911@"+p.addr+" SIP/2.0" {
			t.Errorf("%s", again.raw)
		}
		p.reply(again, 200, "x", offer())
		event[callctl.LegAnswered](leg)
		if a := p.request("ACK"); a.hdr("CSeq") != strings.Replace(again.hdr("CSeq"), "INVITE", "ACK", 1) {
			t.Errorf("%s", a.raw)
		}
	})

	t.Run("two redirections and five targets are enough", func(t *testing.T) {
		_, p, leg, inv := carrier(t)
		var many []string
		for i := range 9 {
			many = append(many, fmt.Sprintf("Contact: <sip:%d@%s>", i, p.addr))
		}
		p.reply(inv, 302, "x", "", many...)
		n := 0
		for ; n < 20; n++ {
			var m msg
			for m = p.next(); m.method() == "ACK"; m = p.next() {
			}
			if m.method() != "INVITE" {
				t.Fatalf("%s", m.raw)
			}
			p.reply(m, 503, "x", "")
			if n == 4 {
				break
			}
		}
		leg.ends(call.Overloaded)
		_, p, leg, inv = carrier(t)
		for i := range 3 {
			p.reply(inv, 302, "x", "", fmt.Sprintf("Contact: <sip:hop%d@%s>;q=1", i, p.addr), "X: y")
			if i < 2 {
				inv = p.request("INVITE")
			}
		}
		if e := event[callctl.LegEnded](leg); e.Status != 302 {
			t.Errorf("%+v", e)
		}
		p.quiet(30*time.Millisecond, func(m msg) bool { return m.method() == "INVITE" })
	})

	t.Run("a phone names another phone of the rep, which is rung", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		q := h.phone(t, "rep1", "pw1")
		inv := p.request("INVITE")
		p.reply(inv, 302, "x", "", "Contact: <sip:rep1@"+q.addr+">;q=0.5")
		again := q.request("INVITE")
		q.reply(again, 200, "x", offer())
		event[callctl.LegAnswered](leg)
	})

	t.Run("a phone names a number outside: the call is told where to", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		p.send(strings.Replace(p.answer(inv, 302, "x", ""), "<sip:phone@"+p.addr+">", "<sip:+34611000000@hub.example>", 1))
		p.request("ACK")
		if e := event[callctl.LegEnded](leg); e.Cause != call.Unavailable || e.Status != 302 || e.Redirect != "+34611000000" || !e.Remote {
			t.Errorf("%+v", e)
		}
	})

	t.Run("hung up while it is redirected", func(t *testing.T) {
		h, p, leg, inv := carrier(t)
		p.reply(inv, 180, "x", "")
		event[callctl.LegRang](leg)
		leg.leg.Hangup(call.NoAnswer, "")
		p.request("CANCEL")
		p.reply(inv, 302, "x", "")
		p.request("ACK")
		leg.ends(call.NoAnswer)
		p.quiet(30*time.Millisecond, func(m msg) bool { return m.method() == "INVITE" })
		until(t, func() bool { return h.Stats().Dialogs == 0 })
	})
}
