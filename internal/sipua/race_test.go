package sipua_test

import (
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
)

// hasty has transactions live for a moment instead of 32 s. The library keeps
// its times for the whole process, so nothing else may run beside.
func hasty(t *testing.T) {
	t.Helper()
	d := sip.Timer_D
	sip.SetTimers(20*time.Millisecond, 160*time.Millisecond, 50*time.Millisecond)
	sip.Timer_D = 200 * time.Millisecond
	t.Cleanup(func() {
		sip.SetTimers(500*time.Millisecond, 4*time.Second, 5*time.Second)
		sip.Timer_D = d
	})
}

func TestLostBye(t *testing.T) {
	hasty(t)
	h := start(t)
	p := udpPeer(t, h.udp)
	k, leg := h.answeredCall(p)
	leg.leg.Hangup(call.Normal, "")
	leg.ends(call.Normal) // whoever waits for the leg does not wait for the peer
	first := p.request("BYE")
	k.do("BYE", "") // theirs crosses it, and is answered at once
	p.status("BYE", 200)
	last, gaps := first.at, []time.Duration{}
	for {
		select {
		case m := <-p.got:
			if m.raw != first.raw {
				t.Fatalf("after the BYE came\n%s", m.raw)
			}
			gaps = append(gaps, m.at.Sub(last))
			last = m.at
			continue
		case <-time.After(600 * time.Millisecond):
		}
		break
	}
	// 20, 40, 80, 160 ms, and so on until 64 times the first.
	if n := len(gaps); n < 6 || n > 12 || gaps[3] < 2*gaps[0] {
		t.Errorf("repeated after %v", gaps)
	}
	until(t, func() bool { return h.Stats().Dialogs == 0 && h.Stats().ClientTransactions == 0 })
	leg.silent(10 * time.Millisecond)
}

// TestNothingIsLeft goes through the ways in which a leg ends and looks for what
// stays behind.
func TestNothingIsLeft(t *testing.T) {
	hasty(t)
	h := start(t)
	phone := h.phone(t, "rep1", "pw1")
	in := func(headers ...string) (*talk, *party) {
		k := udpPeer(t, h.udp).talk("a", "700")
		k.do("INVITE", offer(), headers...)
		leg, _ := h.incoming()
		return k, leg
	}
	rung := map[string]bool{}
	out := func() (msg, *party) {
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{Ring: time.Second})[0]
		inv := phone.request("INVITE")
		for rung[inv.hdr("Call-ID")] { // what an earlier call still repeats
			inv = phone.request("INVITE")
		}
		rung[inv.hdr("Call-ID")] = true
		return inv, leg
	}
	for name, end := range map[string]func(t *testing.T) *party{
		"refused": func(*testing.T) *party {
			k, leg := in()
			leg.leg.Hangup(call.Busy, "")
			k.ackFailure(k.p.status("INVITE", 486))
			return leg
		},
		"refused and not acknowledged": func(*testing.T) *party {
			_, leg := in()
			leg.leg.Hangup(call.Busy, "")
			return leg
		},
		"cancelled": func(*testing.T) *party {
			k, leg := in()
			k.cancel()
			return leg
		},
		"reliable and never acknowledged": func(*testing.T) *party {
			_, leg := in("Supported: 100rel")
			leg.leg.Early()
			return leg
		},
		"answered and never acknowledged": func(*testing.T) *party {
			_, leg := in()
			leg.leg.Answer(callctl.Party{})
			return leg
		},
		"hung up before the ACK that never comes": func(*testing.T) *party {
			_, leg := in()
			leg.leg.Answer(callctl.Party{})
			leg.leg.Hangup(call.Normal, "")
			return leg
		},
		"hung up by a caller with a timer running and a proposal under way": func(t *testing.T) *party {
			k, leg := in("Supported: timer")
			leg.leg.Answer(callctl.Party{})
			k.up(k.p.status("INVITE", 200))
			k.ack("")
			event[callctl.LegAnswered](leg)
			leg.reoffer("PCMU")
			k.p.request("INVITE")
			k.do("BYE", "")
			return leg
		},
		"a phone that never answers anything": func(*testing.T) *party {
			_, leg := out()
			leg.leg.Hangup(call.Elsewhere, "")
			return leg
		},
		"a phone that is busy": func(*testing.T) *party {
			inv, leg := out()
			phone.reply(inv, 486, "x", "")
			return leg
		},
		"a phone that is answered by two": func(t *testing.T) *party {
			inv, leg := out()
			phone.reply(inv, 183, "a", offer(), "Require: 100rel", "RSeq: 1")
			phone.reply(inv, 200, "b", offer())
			event[callctl.LegRang](leg)
			event[callctl.LegAnswered](leg)
			phone.reply(inv, 200, "a", "")
			leg.leg.Hangup(call.Normal, "")
			return leg
		},
	} {
		t.Run(name, func(t *testing.T) {
			event[callctl.LegEnded](end(t))
		})
	}
	until(t, func() bool {
		st := h.Stats()
		return st.Legs == 0 && st.Dialogs == 0 && st.Lanes == 0 && st.ServerTransactions == 0 && st.ClientTransactions == 0 && h.ports.left() == 0
	})
}

func TestMergedRequest(t *testing.T) {
	h := start(t)
	p := udpPeer(t, h.udp)
	k := p.talk("a", "700")
	k.do("INVITE", offer())
	leg, _ := h.incoming()
	leg.leg.Ring()
	p.status("INVITE", 180)
	// The same request by another branch of a proxy (RFC 3261 §8.2.2.2).
	p.send(k.message("INVITE", "z9hG4bK"+unique(), k.inviteSeq, offer()))
	p.status("INVITE", 482)
	select {
	case <-h.calls:
		t.Fatal("two calls")
	default:
	}
	leg.leg.Hangup(call.Busy, "")
	k.ackFailure(p.status("INVITE", 486))
	// Refused, it may come again.
	p.send(k.message("INVITE", "z9hG4bK"+unique(), k.inviteSeq, offer()))
	h.incoming()
}

func TestProvisionalFlood(t *testing.T) {
	t.Run("a hundred 180s are one ringing, and a caller is told nothing twice", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		for range 100 {
			p.reply(inv, 180, "x", "")
		}
		p.reply(inv, 183, "x", offer())
		event[callctl.LegRang](leg)
		if e := event[callctl.LegRang](leg); !e.Early {
			t.Errorf("%+v", e)
		}
		p.reply(inv, 200, "x", offer())
		event[callctl.LegAnswered](leg)
		if a := p.request("ACK"); a.hdr("CSeq") != "1 ACK" {
			t.Errorf("%s", a.raw)
		}
	})

	t.Run("a thousand tags are not remembered", func(t *testing.T) {
		h := start(t)
		p := h.phone(t, "rep1", "pw1")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		for range 40 {
			p.reply(inv, 180, unique(), "")
		}
		event[callctl.LegRang](leg)
		p.reply(inv, 200, "late", offer())
		event[callctl.LegAnswered](leg)
		if a := p.request("ACK"); !strings.HasSuffix(a.hdr("To"), "tag=late") {
			t.Errorf("%s", a.raw)
		}
	})
}

func TestReinvitesBackToBack(t *testing.T) {
	h := start(t)
	p := udpPeer(t, h.udp)
	k, leg := h.answeredCall(p)
	k.do("INVITE", offer("a=sendonly"))
	one := *k
	k.do("INVITE", offer("a=inactive"))
	p.status("INVITE", 200)
	k.ackFailure(p.status("INVITE", 491))
	one.ack("")
	event[callctl.LegHeld](leg)
	k.do("INVITE", offer())
	p.status("INVITE", 200)
	k.ack("")
	if e := event[callctl.LegHeld](leg); e.On {
		t.Errorf("%+v", e)
	}
}
