package sipua_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/routing"
)

// reoffer proposes codecs and tells what came of it.
func (p *party) reoffer(codecs ...string) <-chan error {
	done := make(chan error, 1)
	p.leg.(*sipua.Leg).Reoffer(codecs, func(err error) { done <- err })
	return done
}

func came(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatal("nothing came of the proposal")
		return nil
	}
}

func TestReoffer(t *testing.T) {
	t.Parallel()
	t.Run("taken: the audio is what was agreed to", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k, leg := h.answeredCall(p)
		h.ports.last().stream(t)
		done := leg.reoffer("PCMA")
		re := p.request("INVITE")
		if !strings.Contains(re.body(), "RTP/AVP 8 101") || !strings.Contains(re.body(), " 2 IN IP4") || !strings.HasSuffix(re.hdr("To"), "tag="+k.fromTag) {
			t.Errorf("%s", re.raw)
		}
		ok := p.answer(re, 200, "", strings.ReplaceAll(offer(), "0 8 101", "8 101"))
		p.send(ok)
		ack := p.request("ACK")
		p.send(ok) // the ACK was lost
		if again := p.request("ACK"); again.raw != ack.raw {
			t.Errorf("%s\n%s", ack.raw, again.raw)
		}
		if err := came(t, done); err != nil {
			t.Error(err)
		}
		if st := h.ports.last().stream(t); st.Codec.Name != "PCMA" {
			t.Errorf("%+v", st)
		}
	})

	t.Run("refused: the session is as it was", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k, leg := h.answeredCall(p)
		h.ports.last().stream(t)
		before, _ := leg.leg.(*sipua.Leg).Dialog()
		done := leg.reoffer("PCMA")
		re := p.request("INVITE")
		p.reply(re, 488, "", "")
		p.request("ACK")
		var not *sipua.NotChangedError
		if err := came(t, done); !errors.As(err, &not) || not.Status != 488 {
			t.Errorf("%v", err)
		}
		if after, _ := leg.leg.(*sipua.Leg).Dialog(); after.SDP != before.SDP || after.Codec != "PCMU" {
			t.Errorf("%+v", after)
		}
		k.do("INVITE", offer("a=sendonly"))
		p.status("INVITE", 200)
		event[callctl.LegHeld](leg)
	})

	t.Run("their re-INVITE while ours is pending is glare, an UPDATE with an offer too", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k, leg := h.answeredCall(p)
		done := leg.reoffer("PCMU")
		re := p.request("INVITE")
		k.do("INVITE", offer("a=sendonly"))
		k.ackFailure(p.status("INVITE", 491))
		k.do("UPDATE", offer("a=sendonly"))
		p.status("UPDATE", 491)
		k.do("UPDATE", "")
		p.status("UPDATE", 200)
		p.reply(re, 200, "", offer())
		p.request("ACK")
		if err := came(t, done); err != nil {
			t.Error(err)
		}
		k.do("INVITE", offer("a=sendonly"))
		p.status("INVITE", 200)
	})

	t.Run("ours answered 491: again after a while, in which theirs is served", func(t *testing.T) {
		for _, c := range []struct {
			name     string
			owner    bool
			from, to time.Duration
		}{
			{"the Call-ID is ours", true, 42 * quick.T1 / 10, 8 * quick.T1},
			{"it is theirs", false, 0, 4 * quick.T1},
		} {
			t.Run(c.name, func(t *testing.T) {
				h := start(t)
				var p *peer
				var k *talk
				var leg *party
				if c.owner {
					p = h.phone(t, "rep1", "pw1")
					_, k, leg = h.rep1Talks(p)
				} else {
					p = udpPeer(t, h.udp)
					k, leg = h.answeredCall(p)
				}
				done := leg.reoffer("PCMU")
				re := p.request("INVITE")
				began := time.Now()
				p.reply(re, 491, "", "")
				p.request("ACK")
				if c.owner {
					k.do("INVITE", offer("a=sendonly"))
					p.status("INVITE", 200)
					k.ack("")
					event[callctl.LegHeld](leg)
				}
				again := p.request("INVITE")
				if d := again.at.Sub(began); d < c.from {
					t.Errorf("again after %v, want %v to %v", d, c.from, c.to)
				}
				if again.hdr("CSeq") == re.hdr("CSeq") {
					t.Errorf("%s", again.raw)
				}
				p.reply(again, 200, "", offer())
				p.request("ACK")
				if err := came(t, done); err != nil {
					t.Error(err)
				}
			})
		}
	})

	t.Run("500 with Retry-After: as asked", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		_, leg := h.answeredCall(p)
		done := leg.reoffer("PCMU")
		re := p.request("INVITE")
		p.reply(re, 500, "", "", "Retry-After: 1")
		again := p.request("INVITE")
		if d := again.at.Sub(re.at); d < 900*time.Millisecond {
			t.Errorf("again after %v", d)
		}
		p.reply(again, 500, "", "")
		if came(t, done) == nil {
			t.Error("taken")
		}
	})

	t.Run("BYE against ours: its 487 or its 200 is acknowledged all the same", func(t *testing.T) {
		for _, code := range []int{487, 200} {
			h := start(t)
			p := udpPeer(t, h.udp)
			k, leg := h.answeredCall(p)
			done := leg.reoffer("PCMU")
			re := p.request("INVITE")
			k.do("BYE", "")
			p.status("BYE", 200)
			leg.ends(call.Normal)
			body := ""
			if code == 200 {
				body = offer()
			}
			p.reply(re, code, "", body)
			if a := p.request("ACK"); strings.Fields(a.hdr("CSeq"))[0] != strings.Fields(re.hdr("CSeq"))[0] {
				t.Errorf("%s", a.raw)
			}
			if came(t, done) == nil {
				t.Error("taken")
			}
			until(t, func() bool { return h.Stats().Dialogs == 0 })
		}
	})

	t.Run("never answered finally: taken back, and the peer that does not answer that is gone", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		_, leg := h.answeredCall(p)
		done := leg.reoffer("PCMU")
		re := p.request("INVITE")
		p.reply(re, 100, "", "")
		c := p.request("CANCEL")
		if c.hdr("Via") != re.hdr("Via") || c.hdr("To") != re.hdr("To") {
			t.Errorf("%s", c.raw)
		}
		leg.ends(call.MediaTimeout)
		if came(t, done) == nil {
			t.Error("taken")
		}
		p.reply(p.request("BYE"), 481, "", "")
		until(t, func() bool { return h.Stats().Dialogs == 0 })
	})

	t.Run("hung up meanwhile: whoever waits is told", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		_, leg := h.answeredCall(p)
		one, two := leg.reoffer("PCMU"), leg.reoffer("PCMA")
		re := p.request("INVITE")
		leg.leg.Hangup(call.Normal, "")
		p.reply(p.request("BYE"), 200, "", "")
		p.quiet(30*time.Millisecond, func(m msg) bool { return m.method() == "INVITE" })
		if n := h.Stats().Dialogs; n != 1 { // a 2xx of theirs would want an ACK
			t.Errorf("%d dialogs while ours is not answered", n)
		}
		p.reply(re, 487, "", "")
		if came(t, one) == nil || came(t, two) == nil || came(t, leg.reoffer("PCMU")) == nil {
			t.Error("taken")
		}
		until(t, func() bool { return h.Stats().Dialogs == 0 })
	})
}

func TestConnected(t *testing.T) {
	t.Parallel()
	ana := callctl.Party{Number: "+34600000002", Name: "Ana"}

	t.Run("by UPDATE where it is taken, and only if it is news", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		_, _, leg := h.rep1Talks(p, "Allow: INVITE, ACK, BYE, UPDATE")
		leg.leg.Connected(callctl.Party{Number: "+34600000001", Device: "what it was called as"})
		p.quiet(30*time.Millisecond, func(m msg) bool { return m.method() != "" })
		leg.leg.Connected(ana)
		u := p.request("UPDATE")
		if !strings.HasPrefix(u.hdr("P-Asserted-Identity"), `"Ana" <sip:+34600000002@127.0.0.1`) || u.body() != "" {
			t.Errorf("%s", u.raw)
		}
		p.reply(u, 200, "", "")
		leg.leg.Connected(ana)
		leg.leg.Connected(callctl.Party{})
		u = p.request("UPDATE")
		if !strings.Contains(u.hdr("P-Asserted-Identity"), "anonymous.invalid") || u.hdr("Privacy") != "id" {
			t.Errorf("%s", u.raw)
		}
	})

	t.Run("by re-INVITE else, which leaves a hold as it is", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		_, k, leg := h.rep1Talks(p)
		k.do("INVITE", offer("a=sendonly"))
		p.status("INVITE", 200)
		k.ack("")
		event[callctl.LegHeld](leg)
		leg.leg.Connected(ana)
		re := p.request("INVITE")
		if !strings.Contains(re.hdr("P-Asserted-Identity"), "+34600000002") || !strings.Contains(re.body(), "a=recvonly") {
			t.Errorf("%s", re.raw)
		}
		p.reply(re, 200, "", offer("a=sendonly"))
		p.request("ACK")
		leg.silent(20 * time.Millisecond)
	})

	t.Run("told before the ACK, it waits for that", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", offer(), "Allow: UPDATE")
		leg, _ := h.incoming()
		leg.leg.Answer(callctl.Party{})
		k.up(p.status("INVITE", 200))
		leg.leg.Connected(ana)
		p.quiet(20*time.Millisecond, func(m msg) bool { return m.method() != "" })
		k.ack("")
		event[callctl.LegAnswered](leg)
		p.request("UPDATE")
	})

	t.Run("a carrier is told by its trunk's policy", func(t *testing.T) {
		h := carried(t)
		gw := h.gateway("127.0.0.2")
		trunk := routing.Trunk{Name: "carrier", Host: gw.addr, NumberFormat: "plain", CallerNumber: "+34910000000"}
		h.set(trunk)
		leg := h.call("+34911234567")
		inv := gw.request("INVITE")
		gw.reply(inv, 200, "gw", offer(), "Allow: INVITE, ACK, BYE, UPDATE")
		gw.request("ACK")
		event[callctl.LegAnswered](leg)
		rep := callctl.Party{Number: "201", Name: "Rep One", Agent: "rep1"}
		leg.leg.Connected(rep)
		u := gw.request("UPDATE")
		if pai := u.hdr("P-Asserted-Identity"); !strings.HasPrefix(pai, "<sip:34910000000@") || strings.Contains(u.raw, "201@") || strings.Contains(u.raw, "Rep One") {
			t.Errorf("%s", u.raw)
		}
		gw.reply(u, 200, "", "")
		trunk.Send = []string{"none"}
		h.set(trunk)
		leg.leg.Connected(ana)
		gw.quiet(50*time.Millisecond, func(m msg) bool { return m.method() == "UPDATE" || m.method() == "INVITE" })
		trunk.Send = nil
		h.set(trunk)
		leg.leg.Connected(rep)
		u = gw.request("UPDATE")
		gw.reply(u, 200, "", "")
	})
}
