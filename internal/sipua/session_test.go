package sipua_test

import (
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
)

// shortSession lets a test live through a session's interval.
func shortSession(c *sipua.Config) { c.Timers.MinSE, c.Timers.Session = time.Second, time.Second }

// timed is an inbound call that is up, asked for with headers.
func (h *hub) timed(p *peer, headers ...string) (*talk, *party, msg) {
	h.t.Helper()
	k := p.talk("a", "700")
	k.do("INVITE", offer(), headers...)
	leg, _ := h.incoming()
	leg.leg.Answer(callctl.Party{})
	res := p.status("INVITE", 200)
	k.up(res)
	k.ack("")
	event[callctl.LegAnswered](leg)
	return k, leg, res
}

// rep1Talks is a call to rep1's phone that is up; answer are headers of its 200.
func (h *hub) rep1Talks(p *peer, answer ...string) (inv msg, k *talk, leg *party) {
	h.t.Helper()
	leg = h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{Shown: callctl.Party{Number: "+34600000001"}})[0]
	inv = p.request("INVITE")
	p.reply(inv, 200, "x", offer(), answer...)
	event[callctl.LegAnswered](leg)
	p.request("ACK")
	return inv, p.called(inv, "x"), leg
}

// ends waits for the leg's end.
func (p *party) ends(cause call.Cause) {
	p.t.Helper()
	if e := event[callctl.LegEnded](p); e.Cause != cause {
		p.t.Errorf("ended by %+v, want %s", e, cause)
	}
}

func TestSessionTimer(t *testing.T) {
	t.Parallel()
	t.Run("who asks for less than we take is told how much that is", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", offer(), "Supported: timer", "x: 30")
		res := p.status("INVITE", 422)
		k.ackFailure(res)
		if res.hdr("Min-SE") != "90" {
			t.Errorf("%s", res.raw)
		}
		k, _, res = h.timed(p, "Require: timer", "x: 90;refresher=uac")
		if res.hdr("Session-Expires") != "90;refresher=uac" || res.hdr("Require") != "timer" || !strings.Contains(res.hdr("Supported"), "timer") {
			t.Errorf("%s", res.raw)
		}
		for _, method := range []string{"INVITE", "UPDATE"} {
			k.do(method, "", "Supported: timer", "x: 60")
			res = p.status(method, 422)
			if method == "INVITE" {
				k.ackFailure(res)
			}
		}
	})

	t.Run("what is agreed to in an answer", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		for _, c := range []struct {
			ask    []string
			agreed string
		}{
			{[]string{"Supported: timer", "Session-Expires: 600"}, "600;refresher=uac"},
			{[]string{"Supported: timer", "Session-Expires: 600;refresher=UAS"}, "600;refresher=uas"},
			{[]string{"Supported: timer", "Session-Expires: 9000"}, "1800;refresher=uac"},
			{[]string{"Supported: timer", "Session-Expires: 9000", "Min-SE: 3600"}, "3600;refresher=uac"},
			{[]string{"Supported: timer"}, "1800;refresher=uas"},
			{[]string{"Session-Expires: 90"}, "90;refresher=uas"}, // a proxy asks for it, the caller knows nothing of it
			{[]string{"Session-Expires: 30"}, ""},
			{nil, ""},
		} {
			if _, _, res := h.timed(p, c.ask...); res.hdr("Session-Expires") != c.agreed {
				t.Errorf("%q agreed to as %q, want %q", c.ask, res.hdr("Session-Expires"), c.agreed)
			}
		}
	})

	t.Run("a caller that does not refresh is gone", func(t *testing.T) {
		h := start(t, shortSession)
		p := udpPeer(t, h.udp)
		k, leg, _ := h.timed(p, "Supported: timer", "Session-Expires: 1;refresher=uac")
		began := time.Now()
		k.do("UPDATE", "", "Supported: timer", "x: 2;refresher=uac", "Min-SE: 2")
		if res := p.status("UPDATE", 200); res.hdr("Session-Expires") != "2;refresher=uac" {
			t.Errorf("%s", res.raw)
		}
		p.reply(p.request("BYE"), 200, "", "")
		if d := time.Since(began); d < 1200*time.Millisecond {
			t.Errorf("ended after %v in spite of the refresh", d)
		}
		leg.ends(call.MediaTimeout)
	})

	t.Run("we refresh at half time: by UPDATE where it is taken, else by re-INVITE", func(t *testing.T) {
		h := start(t, shortSession)
		p := udpPeer(t, h.udp)
		k, leg, res := h.timed(p, "Supported: timer", "Session-Expires: 1;refresher=uas", "Allow: INVITE, UPDATE")
		ours := res.body()
		for range 2 {
			u := p.request("UPDATE")
			if u.hdr("Session-Expires") != "1;refresher=uac" || u.body() != "" || !strings.Contains(u.hdr("Supported"), "timer") {
				t.Fatalf("%s", u.raw)
			}
			p.reply(u, 200, "", "", "Session-Expires: 1;refresher=uac", "Require: timer")
		}
		p.reply(p.request("UPDATE"), 405, "", "")
		re := p.request("INVITE")
		if re.hdr("Session-Expires") != "1;refresher=uac" || re.body() != ours {
			t.Errorf("offers\n%s\nwhere the session is\n%s", re.raw, ours)
		}
		p.reply(re, 200, "", offer()) // says nothing of timers: we go on
		if a := p.request("ACK"); strings.Fields(a.hdr("CSeq"))[0] != strings.Fields(re.hdr("CSeq"))[0] {
			t.Errorf("%s", a.raw)
		}
		re = p.request("INVITE")
		leg.silent(10 * time.Millisecond)
		k.do("BYE", "")
		p.status("BYE", 200)
		leg.ends(call.Normal)
		p.reply(re, 200, "", offer()) // it crossed the BYE
		p.request("ACK")
		until(t, func() bool { return h.Stats().Dialogs == 0 })
	})

	t.Run("we ask for it, and the phone says who refreshes", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		inv, _, _ := h.rep1Talks(p, "Session-Expires: 900;refresher=uac", "Require: timer")
		if inv.hdr("Session-Expires") != "1800" || inv.hdr("Min-SE") != "90" || !strings.Contains(inv.hdr("Supported"), "timer") {
			t.Errorf("%s", inv.raw)
		}
	})

	t.Run("a phone that would refresh and does not is gone; a proxy may have lowered the interval", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		_, _, leg := h.rep1Talks(p, "Session-Expires: 1;refresher=uas", "Require: timer")
		p.reply(p.request("BYE"), 200, "", "")
		leg.ends(call.MediaTimeout)
	})

	t.Run("422 to our INVITE: once more, as long as is wanted", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		p.reply(inv, 422, "a", "", "Min-SE: 3600")
		p.request("ACK")
		again := p.request("INVITE")
		if again.hdr("Session-Expires") != "3600" || again.hdr("Min-SE") != "3600" || again.hdr("Call-ID") != inv.hdr("Call-ID") || again.hdr("CSeq") != "2 INVITE" {
			t.Errorf("%s", again.raw)
		}
		p.reply(again, 200, "b", offer())
		event[callctl.LegAnswered](leg)
		if a := p.request("ACK"); a.hdr("CSeq") != "2 ACK" {
			t.Errorf("%s", a.raw)
		}
		leg = h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		p.reply(p.request("INVITE"), 422, "a", "") // does not say how long
		leg.ends(call.Unavailable)
	})

	t.Run("a refresh answered 481, 408 or not at all ends the call", func(t *testing.T) {
		for _, code := range []int{481, 408} {
			h := start(t, shortSession)
			p := udpPeer(t, h.udp)
			_, leg, _ := h.timed(p, "Supported: timer", "Allow: UPDATE")
			p.reply(p.request("UPDATE"), code, "", "")
			leg.ends(call.MediaTimeout)
			p.reply(p.request("BYE"), 481, "", "")
		}
		h := start(t, shortSession)
		p := udpPeer(t, h.udp)
		_, leg, _ := h.timed(p, "Supported: timer", "Allow: UPDATE")
		p.request("UPDATE")
		leg.ends(call.MediaTimeout)
		p.reply(p.request("BYE"), 481, "", "")
	})

	t.Run("422 to a refresh: once more with its interval", func(t *testing.T) {
		h := start(t, shortSession)
		p := udpPeer(t, h.udp)
		h.timed(p, "Supported: timer", "Allow: UPDATE")
		p.reply(p.request("UPDATE"), 422, "", "", "Min-SE: 7")
		if u := p.request("UPDATE"); u.hdr("Session-Expires") != "7;refresher=uac" || u.hdr("Min-SE") != "7" {
			t.Errorf("%s", u.raw)
		}
	})

	t.Run("is part of the dialog as it is stored", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		_, leg, _ := h.timed(p, "Supported: timer", "Session-Expires: 600;refresher=uas")
		if d, ok := leg.leg.(*sipua.Leg).Dialog(); !ok || d.SessionS != 600 || !d.Refresher {
			t.Errorf("%+v", d)
		}
	})
}
