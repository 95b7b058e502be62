package sipua_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
)

func TestInboundCall(t *testing.T) {
	t.Run("rings, is answered, and the caller hangs up", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("+34600000001", "700")
		k.do("INVITE", offer(), `P-Asserted-Identity: "Ana" <sip:+34600000002@carrier>`)
		if got := p.next().code(); got != 100 {
			t.Fatalf("first came %d", got)
		}
		leg, in := h.incoming()
		if in.Trunk != "carrier" || in.Agent != "" || in.To != "700" || in.From.Number != "+34600000002" || in.From.Name != "Ana" {
			t.Fatalf("%+v", in)
		}
		if leg.leg.Media() != nil {
			t.Error("media before it is negotiated")
		}
		leg.leg.Ring()
		p.status("INVITE", 180)
		leg.leg.Answer(callctl.Party{Number: "201", Name: `Rep "x" 1`})
		if leg.leg.Media() == nil {
			t.Error("no media after Answer")
		}
		res := p.status("INVITE", 200)
		if !strings.Contains(res.body(), "m=audio 41000 RTP/AVP 0 101") {
			t.Errorf("answer:\n%s", res.body())
		}
		if got := res.hdr("P-Asserted-Identity"); !strings.HasPrefix(got, `"Rep x 1" <sip:201@127.0.0.1`) {
			t.Errorf("shown as %s", got)
		}
		k.up(res)
		k.ack("")
		event[callctl.LegAnswered](leg)
		if st := <-h.ports.last().streams; st.Remote.String() != "127.0.0.1:40000" || st.Codec.Name != "PCMU" || st.Events != 101 || !st.Send || st.Signalling.String() != "127.0.0.1" || st.NAT {
			t.Errorf("stream %+v", st)
		}
		k.do("BYE", "")
		p.status("BYE", 200)
		end := event[callctl.LegEnded](leg)
		if end.Cause != call.Normal || !end.Remote || end.Status != 0 {
			t.Errorf("%+v", end)
		}
		k.do("INFO", "")
		p.status("INFO", 481)
		leg.leg.Hangup(call.Normal, "")
		leg.silent(50 * time.Millisecond)
		if h.ports.left() != 0 {
			t.Error("a port is left open")
		}
	})

	t.Run("early media, then the same description in the 200", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		leg, _ := h.incoming()
		leg.leg.Early()
		if leg.leg.Media() == nil {
			t.Error("no media after Early")
		}
		early := p.status("INVITE", 183)
		leg.leg.Ring() // nothing more to be shown
		leg.leg.Answer(callctl.Party{})
		res := p.status("INVITE", 200)
		if early.body() == "" || early.body() != res.body() {
			t.Errorf("183 says\n%s200 says\n%s", early.body(), res.body())
		}
		k.up(res)
		k.ack("")
		event[callctl.LegAnswered](leg)
		leg.leg.Hangup(call.MediaTimeout, "")
		bye := p.request("BYE")
		if !strings.Contains(bye.hdr("Reason"), "cause=31") {
			t.Errorf("Reason %q", bye.hdr("Reason"))
		}
		p.reply(bye, 200, "", "")
		if e := event[callctl.LegEnded](leg); e.Cause != call.MediaTimeout || e.Remote {
			t.Errorf("%+v", e)
		}
	})

	t.Run("refused with the status and note of its cause", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		for cause, code := range map[call.Cause]int{call.NotFound: 404, call.Busy: 486, call.Gone: 410, call.Rejected: 603, call.Overloaded: 503, call.NotAcceptable: 488} {
			k := p.talk("a", "700")
			k.do("INVITE", offer())
			leg, _ := h.incoming()
			leg.leg.Hangup(cause, "taken by ann\r\nat 10:02:11")
			res := p.status("INVITE", code)
			k.ackFailure(res)
			if !strings.Contains(res.hdr("Warning"), "taken by annat 10:02:11") {
				t.Errorf("%s: Warning %q", cause, res.hdr("Warning"))
			}
			if e := event[callctl.LegEnded](leg); e.Cause != cause || e.Status != code || e.Remote {
				t.Errorf("%+v", e)
			}
		}
	})

	t.Run("no codec in common, a broken description, no port", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		for body, code := range map[string]int{
			strings.ReplaceAll(offer(), "0 8 101", "98"): 488,
			"v=0\r\nnonsense\r\n":                        400,
		} {
			k := p.talk("a", "700")
			k.do("INVITE", body)
			k.ackFailure(p.status("INVITE", code))
		}
		h.ports.fail.Store(true)
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		leg, _ := h.incoming()
		leg.leg.Answer(callctl.Party{})
		k.ackFailure(p.status("INVITE", 500))
		if e := event[callctl.LegEnded](leg); e.Cause != call.Failed {
			t.Errorf("%+v", e)
		}
	})

	t.Run("late offer: ours in the 200, theirs in the ACK", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", "")
		leg, _ := h.incoming()
		leg.leg.Answer(callctl.Party{})
		res := p.status("INVITE", 200)
		if !strings.Contains(res.body(), "RTP/AVP 0 8 9 101") {
			t.Fatalf("offer:\n%s", res.body())
		}
		k.up(res)
		k.ack(strings.ReplaceAll(offer(), "0 8 101", "8 101"))
		event[callctl.LegAnswered](leg)
		if st := <-h.ports.last().streams; st.Codec.Name != "PCMA" {
			t.Errorf("%+v", st)
		}
	})

	t.Run("late offer with a useless answer is ended", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", "")
		leg, _ := h.incoming()
		leg.leg.Answer(callctl.Party{})
		k.up(p.status("INVITE", 200))
		k.ack("")
		p.reply(p.request("BYE"), 200, "", "")
		if e := event[callctl.LegEnded](leg); e.Cause != call.NotAcceptable {
			t.Errorf("%+v", e)
		}
	})

	t.Run("a watcher that is gone ends the leg", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k, leg := h.answeredCall(p)
		leg.leg.Watch(func(callctl.LegEvent) bool { return false })
		k.do("INFO", "Signal=5\r\n", "Content-Type: application/dtmf-relay")
		p.reply(p.request("BYE"), 200, "", "")
	})
}

func TestALegTakesTheCodecOfTheOtherIfItIsOffered(t *testing.T) {
	h := start(t)
	p := udpPeer(t, h.udp)
	k := p.talk("a", "700")
	k.do("INVITE", strings.ReplaceAll(offer(), "0 8 101", "8 101"))
	first, _ := h.incoming()
	first.leg.Answer(callctl.Party{})
	k.up(p.status("INVITE", 200))
	for want, offered := range map[string]string{"RTP/AVP 8 101": "9 0 8 101", "RTP/AVP 9 101": "9 0 101"} {
		p := udpPeer(t, h.udp)
		k := p.talk("b", "701")
		k.do("INVITE", strings.ReplaceAll(offer(), "0 8 101", offered))
		second, _ := h.incoming()
		second.leg.(*sipua.Leg).Beside(first.leg)
		second.leg.Answer(callctl.Party{})
		res := p.status("INVITE", 200)
		if !strings.Contains(res.body(), want) {
			t.Errorf("%s was answered with\n%s", offered, res.body())
		}
		k.up(res)
	}
}

func TestInboundRaces(t *testing.T) {
	t.Run("INVITE and CANCEL back to back", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		const n = 200
		legs := make(chan callctl.LegEnded, n)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range n {
				in := <-h.calls
				in.Leg.Watch(func(ev callctl.LegEvent) bool {
					if e, ok := ev.(callctl.LegEnded); ok {
						legs <- e
					}
					return true
				})
				in.Leg.Ring()
			}
		}()
		for range n {
			k := p.talk("a", "700")
			k.do("INVITE", offer())
			k.cancel()
		}
		<-done
		for range n {
			select {
			case e := <-legs:
				if e.Cause != call.Cancelled || !e.Remote {
					t.Fatalf("%+v", e)
				}
			case <-time.After(patience):
				t.Fatal("a cancelled call goes on")
			}
		}
		count := map[string]int{}
		for count["487 INVITE"] < n || count["200 CANCEL"] < n {
			m := p.next()
			_, method, _ := strings.Cut(m.hdr("CSeq"), " ")
			count[fmt.Sprintf("%d %s", m.code(), method)]++
			if m.code() == 487 {
				// The tag of the 487 is in the To.
				k := p.talk("a", "700")
				k.callID, k.toHdr, k.toTag = m.hdr("Call-ID"), m.hdr("To"), ""
				k.fromHdr, _, _ = strings.Cut(m.hdr("From"), ";tag=")
				_, k.fromTag, _ = strings.Cut(m.hdr("From"), ";tag=")
				branch := m.hdr("Via")[strings.Index(m.hdr("Via"), "branch=")+7:]
				branch, _, _ = strings.Cut(branch, ";")
				p.send(k.message("ACK", branch, 1, ""))
			}
			if count["481 CANCEL"] > 0 {
				t.Fatal("a CANCEL found no INVITE")
			}
		}
	})

	t.Run("CANCEL after the 200 changes nothing", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		leg, _ := h.incoming()
		leg.leg.Answer(callctl.Party{})
		res := p.status("INVITE", 200)
		k.cancel()
		p.status("CANCEL", 200)
		k.up(res)
		k.ack("")
		event[callctl.LegAnswered](leg)
		k.do("BYE", "")
		p.status("BYE", 200)
	})

	t.Run("CANCEL wins over an answer that is late", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		leg, _ := h.incoming()
		k.cancel()
		k.ackFailure(p.status("INVITE", 487))
		event[callctl.LegEnded](leg)
		leg.leg.Answer(callctl.Party{})
		p.quiet(60*time.Millisecond, func(m msg) bool { return m.code() == 200 && strings.HasSuffix(m.hdr("CSeq"), "INVITE") })
		if h.ports.left() != 0 {
			t.Error("a port is left open")
		}
	})

	t.Run("no ACK: the 200 again and again, then BYE", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		leg, _ := h.incoming()
		leg.leg.Answer(callctl.Party{})
		first := p.status("INVITE", 200)
		k.up(first)
		var gaps []time.Duration
		last := first.at
		for {
			m := p.next()
			if m.method() == "BYE" {
				p.reply(m, 200, "", "")
				break
			}
			gaps = append(gaps, m.at.Sub(last))
			last = m.at
		}
		if len(gaps) < 4 || gaps[0] > 25*quick.T1/10 || gaps[2] < 3*quick.T1 {
			t.Errorf("repeated after %v", gaps)
		}
		if e := event[callctl.LegEnded](leg); e.Cause != call.Failed || e.Remote {
			t.Errorf("%+v", e)
		}
		if h.Stats().NoAck != 1 {
			t.Errorf("%+v", h.Stats())
		}
	})

	t.Run("BYE before the ACK stops the repetition", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		leg, _ := h.incoming()
		leg.leg.Answer(callctl.Party{})
		k.up(p.status("INVITE", 200))
		k.do("BYE", "")
		p.status("BYE", 200)
		event[callctl.LegEnded](leg)
		p.quiet(200*time.Millisecond, func(m msg) bool { return strings.HasSuffix(m.hdr("CSeq"), "INVITE") })
	})

	t.Run("hung up before the ACK: the BYE waits for it", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		leg, _ := h.incoming()
		leg.leg.Answer(callctl.Party{})
		leg.leg.Hangup(call.Normal, "")
		k.up(p.status("INVITE", 200))
		event[callctl.LegEnded](leg)
		p.quiet(20*time.Millisecond, func(m msg) bool { return m.method() == "BYE" })
		k.ack("")
		p.reply(p.request("BYE"), 200, "", "")
	})

	t.Run("BYE while it rings ends the INVITE with 487", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		leg, _ := h.incoming()
		leg.leg.Ring()
		ringing := p.status("INVITE", 180)
		k.up(ringing)
		k.do("BYE", "")
		p.status("BYE", 200)
		k.ackFailure(p.status("INVITE", 487))
		event[callctl.LegEnded](leg)
	})

	t.Run("a repeated INVITE is one call", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		again := k.message("INVITE", k.branch, k.inviteSeq, offer())
		leg, _ := h.incoming()
		leg.leg.Ring()
		p.status("INVITE", 180)
		p.send(again)
		p.status("INVITE", 180)
		select {
		case <-h.calls:
			t.Fatal("two calls")
		default:
		}
	})

	t.Run("BYEs that cross are both answered", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k, leg := h.answeredCall(p)
		leg.leg.Hangup(call.Normal, "")
		bye := p.request("BYE")
		k.do("BYE", "")
		p.status("BYE", 200)
		p.reply(bye, 200, "", "")
		if e := event[callctl.LegEnded](leg); e.Remote {
			t.Errorf("%+v", e)
		}
		leg.silent(30 * time.Millisecond)
	})
}

func TestReinvite(t *testing.T) {
	t.Run("hold and resume, mirrored", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k, leg := h.answeredCall(p)
		<-h.ports.last().streams
		for _, c := range []struct {
			line, answer string
			held, send   bool
		}{
			{"a=sendonly", "a=recvonly", true, false},
			{"a=sendrecv", "a=sendrecv", false, true},
			{"a=inactive", "a=inactive", true, false},
			{"a=sendrecv", "a=sendrecv", false, true},
			{"c=IN IP4 0.0.0.0", "a=recvonly", true, false},
			{"a=sendrecv", "a=sendrecv", false, true},
		} {
			k.do("INVITE", offer(c.line))
			res := p.status("INVITE", 200)
			k.ack("")
			if !strings.Contains(res.body(), c.answer) {
				t.Errorf("%s answered by\n%s", c.line, res.body())
			}
			if e := event[callctl.LegHeld](leg); e.On != c.held {
				t.Errorf("%s: %+v", c.line, e)
			}
			if st := <-h.ports.last().streams; st.Send != c.send {
				t.Errorf("%s: %+v", c.line, st)
			}
		}
		k.do("INVITE", offer())
		p.status("INVITE", 200)
		k.ack("")
		leg.silent(20 * time.Millisecond)
	})

	t.Run("without an offer gets ours", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k, leg := h.answeredCall(p)
		k.do("INVITE", "")
		if res := p.status("INVITE", 200); !strings.Contains(res.body(), "m=audio") {
			t.Errorf("%s", res.raw)
		}
		k.ack(offer("a=sendonly"))
		if e := event[callctl.LegHeld](leg); !e.On {
			t.Errorf("%+v", e)
		}
	})

	t.Run("before the answer 500, before the ACK 491", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		leg, _ := h.incoming()
		leg.leg.Ring()
		ringing := p.status("INVITE", 180)
		first := *k
		k.up(ringing)
		k.do("INVITE", offer())
		res := p.status("INVITE", 500)
		if res.hdr("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		k.ackFailure(res)
		leg.leg.Answer(callctl.Party{})
		p.status("INVITE", 200)
		k.do("INVITE", offer())
		k.ackFailure(p.status("INVITE", 491))
		first.up(ringing)
		first.ack("")
		event[callctl.LegAnswered](leg)
	})

	t.Run("refused offers leave the call as it was", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k, leg := h.answeredCall(p)
		k.do("INVITE", strings.ReplaceAll(offer("a=sendonly"), "0 8 101", "98"))
		k.ackFailure(p.status("INVITE", 488))
		leg.silent(20 * time.Millisecond)
		k.seq = 0
		k.do("INFO", "")
		p.status("INFO", 500) // an old CSeq
	})

	t.Run("the new Contact is where the BYE goes", func(t *testing.T) {
		h := start(t)
		p, q := udpPeer(t, h.udp), udpPeer(t, h.udp)
		k, leg := h.answeredCall(p)
		k.do("UPDATE", "", "Contact: <sip:a@"+q.addr+">")
		p.status("UPDATE", 200)
		leg.leg.Hangup(call.Normal, "")
		bye := q.request("BYE")
		q.reply(bye, 200, "", "")
		if !strings.HasPrefix(bye.first(), "BYE sip:a@"+q.addr) {
			t.Errorf("%s", bye.first())
		}
	})

	t.Run("BYE while our 200 to a re-INVITE waits", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k, leg := h.answeredCall(p)
		k.do("INVITE", offer("a=sendonly"))
		p.status("INVITE", 200)
		event[callctl.LegHeld](leg)
		k.do("BYE", "")
		p.status("BYE", 200)
		event[callctl.LegEnded](leg)
		p.quiet(150*time.Millisecond, func(m msg) bool { return m.code() == 200 })
	})
}

func TestInDialog(t *testing.T) {
	h := start(t)
	p := udpPeer(t, h.udp)
	k, leg := h.answeredCall(p)
	k.do("OPTIONS", "")
	if res := p.status("OPTIONS", 200); !strings.Contains(res.hdr("Allow"), "REFER") || res.hdr("Accept") != "application/sdp" {
		t.Errorf("%s", res.raw)
	}
	k.do("UPDATE", offer("a=sendonly"))
	if res := p.status("UPDATE", 200); !strings.Contains(res.body(), "a=recvonly") {
		t.Errorf("%s", res.raw)
	}
	event[callctl.LegHeld](leg)
	k.do("INFO", "")
	p.status("INFO", 200)
	k.do("INFO", "Signal= 5\r\nDuration= 160\r\n", "Content-Type: application/dtmf-relay")
	p.status("INFO", 200)
	if e := event[callctl.LegDigit](leg); e.Digit != '5' {
		t.Errorf("%+v", e)
	}
	k.do("INFO", "#", "c: application/dtmf", "Content-Type: application/dtmf")
	p.status("INFO", 400) // the header twice
	k.do("INFO", "#", "Content-Type: application/dtmf")
	p.status("INFO", 200)
	if e := event[callctl.LegDigit](leg); e.Digit != '#' {
		t.Errorf("%+v", e)
	}
	k.do("INFO", "<x/>", "Content-Type: application/media_control+xml")
	p.status("INFO", 415)
	k.do("KITTEN", "")
	p.status("KITTEN", 501)
	k.do("PRACK", "")
	p.status("PRACK", 481) // it acknowledges nothing
	k.do("SUBSCRIBE", "", "Event: dialog")
	if res := p.status("SUBSCRIBE", 489); res.hdr("Allow-Events") == "" {
		t.Errorf("%s", res.raw)
	}
	h.ports.last().digit('7')
	if e := event[callctl.LegDigit](leg); e.Digit != '7' {
		t.Errorf("%+v", e)
	}
	k.do("REFER", "", "Refer-To: <sip:700@x>")
	p.status("REFER", 403) // a trunk sends nobody elsewhere
}

func TestSilence(t *testing.T) {
	for name, c := range map[string]struct {
		code int
		ends bool
	}{"a peer that knows the call keeps it": {200, false}, "one that does not has ended it": {481, true}} {
		t.Run(name, func(t *testing.T) {
			h := start(t)
			p := udpPeer(t, h.udp)
			_, leg := h.answeredCall(p)
			h.ports.last().silent()
			p.reply(p.request("OPTIONS"), c.code, "", "")
			if !c.ends {
				leg.silent(30 * time.Millisecond)
				return
			}
			if e := event[callctl.LegEnded](leg); e.Cause != call.MediaTimeout {
				t.Errorf("%+v", e)
			}
			p.reply(p.request("BYE"), 481, "", "")
		})
	}
}

func TestProvisionalAgain(t *testing.T) {
	h := start(t, func(c *sipua.Config) { c.Timers.Refresh = 30 * time.Millisecond })
	p := udpPeer(t, h.udp)
	k := p.talk("a", "700")
	k.do("INVITE", offer())
	leg, _ := h.incoming()
	leg.leg.Ring()
	p.status("INVITE", 180)
	p.status("INVITE", 180)
	leg.leg.Hangup(call.Busy, "")
	k.ackFailure(p.status("INVITE", 486))
	p.quiet(80*time.Millisecond, func(m msg) bool { return m.code() == 180 })
}
