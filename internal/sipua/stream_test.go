package sipua_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/routing"
)

func TestTCP(t *testing.T) {
	t.Run("a call in small pieces", func(t *testing.T) {
		h := start(t)
		p := tcpPeer(t, h.tcp)
		k := p.talk("a", "700")
		k.seq = 1
		k.branch, k.inviteSeq = "z9hG4bK"+unique(), 1
		m := k.message("INVITE", k.branch, 1, offer())
		for i := 0; i < len(m); i += 97 {
			p.send(m[i:min(len(m), i+97)])
		}
		leg, _ := h.incoming()
		leg.leg.Ring()
		leg.leg.Answer(callctl.Party{})
		res := p.status("INVITE", 200)
		k.up(res)
		if !strings.Contains(k.target, ";transport=tcp") {
			t.Errorf("Contact %s", k.target)
		}
		k.ack("")
		event[callctl.LegAnswered](leg)
		leg.leg.Hangup(call.Normal, "")
		bye := p.request("BYE")
		if !strings.Contains(bye.hdr("Via"), "SIP/2.0/TCP "+h.tcp) {
			t.Errorf("Via %s", bye.hdr("Via"))
		}
		p.reply(bye, 200, "", "")
		event[callctl.LegEnded](leg)
	})

	t.Run("several messages in one piece keep their order", func(t *testing.T) {
		h := start(t)
		p := tcpPeer(t, h.tcp)
		k := p.talk("a", "700")
		k.branch, k.inviteSeq = "z9hG4bK"+unique(), 1
		p.send(k.message("INVITE", k.branch, 1, offer()) + k.message("CANCEL", k.branch, 1, ""))
		leg, _ := h.incoming()
		k.ackFailure(p.status("INVITE", 487))
		if e := event[callctl.LegEnded](leg); e.Cause != call.Cancelled {
			t.Errorf("%+v", e)
		}
	})

	t.Run("a phone is rung over its own connection", func(t *testing.T) {
		h := start(t)
		p, q := tcpPeer(t, h.tcp), tcpPeer(t, h.tcp)
		p.register("rep1", "pw1", "300")
		q.register("rep2", "pw2", "300")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		p.reply(inv, 180, "x", "")
		event[callctl.LegRang](leg)
		p.reply(inv, 200, "x", offer())
		event[callctl.LegAnswered](leg)
		p.request("ACK")
		leg.leg.Hangup(call.Normal, "")
		p.request("BYE")
		q.quiet(20*time.Millisecond, func(msg) bool { return true })
	})

	t.Run("a message without Content-Length, then nonsense, is still answered", func(t *testing.T) {
		h := start(t)
		p := tcpPeer(t, h.tcp)
		k := p.talk("a", "700")
		m := k.message("OPTIONS", "z9hG4bK"+unique(), 1, "")
		p.send(strings.Replace(m, "Content-Length: 0\r\n", "", 1))
		p.status("OPTIONS", 200)
		p.send(k.message("OPTIONS", "z9hG4bK"+unique(), 2, "") + "nonsense\r\n\r\n")
		p.status("OPTIONS", 200)
	})

	t.Run("keep-alives are answered", func(t *testing.T) {
		h := start(t)
		p := tcpPeer(t, h.tcp)
		p.send("\r\n\r\n")
		p.talk("a", "b").do("OPTIONS", "")
		p.status("OPTIONS", 200)
	})
}

func TestLargeInvite(t *testing.T) {
	h := start(t)
	var pad []string
	for i := range 14 {
		pad = append(pad, fmt.Sprintf("X-Pad-%d: %s", i, strings.Repeat("p", 230)), fmt.Sprintf("Record-Route: <sip:proxy%d.example.com;lr;x=%s>", i, strings.Repeat("r", 100)))
	}
	for _, p := range []*peer{udpPeer(t, h.udp), tcpPeer(t, h.tcp)} {
		k := p.talk("a", "700")
		k.do("INVITE", offer(), pad...)
		leg, _ := h.incoming()
		leg.leg.Answer(callctl.Party{})
		res := p.status("INVITE", 200)
		if len(res.raw) < 2000 || len(res.hdrs("Record-Route")) != 14 {
			t.Errorf("%d bytes came back", len(res.raw))
		}
		k.up(res)
		k.ack("")
		event[callctl.LegAnswered](leg)
	}
}

func TestDialogIsStorable(t *testing.T) {
	h := start(t)
	p := udpPeer(t, h.udp)
	k := p.talk("a", "700")
	k.do("INVITE", offer(), "Record-Route: <sip:"+p.addr+";lr;ftag=1>", "Record-Route: <sip:127.0.0.1:9;lr>")
	leg, _ := h.incoming()
	leg.leg.Answer(callctl.Party{})
	k.up(p.status("INVITE", 200))
	k.ack("")
	event[callctl.LegAnswered](leg)
	own, ok := leg.leg.(*sipua.Leg)
	if !ok {
		t.Fatalf("a leg of type %T", leg.leg)
	}
	d, ok := own.Dialog()
	if !ok || d.RemoteTag != k.fromTag || d.LocalTag != k.toTag || len(d.Routes) != 2 || d.Flow.Remote != p.addr || d.Flow.Local != h.udp || d.RemoteSeq != 1 || d.Codec != "PCMU" || d.SDP == "" {
		t.Fatalf("%+v", d)
	}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back sipua.Dialog
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if again, _ := json.Marshal(back); string(again) != string(b) {
		t.Errorf("%s\n%s", b, again)
	}
	leg.leg.Hangup(call.Normal, "")
	bye := p.request("BYE")
	if !strings.Contains(bye.hdrs("Route")[0], "ftag=1") || len(bye.hdrs("Route")) != 2 || !strings.HasPrefix(bye.first(), "BYE sip:a@"+p.addr) {
		t.Errorf("%s", bye.raw)
	}
	p.reply(bye, 200, "", "")
}

func TestStop(t *testing.T) {
	t.Run("calls are ended, and nothing is left", func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		h := start(t)
		p := udpPeer(t, h.udp)
		_, up := h.answeredCall(p)
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		ringing, _ := h.incoming()
		ringing.leg.Ring()
		p.status("INVITE", 180)
		q := tcpPeer(t, h.tcp)
		q.talk("a", "700").do("OPTIONS", "")
		q.status("OPTIONS", 200)
		done := make(chan struct{})
		go func() { h.Stop(); close(done) }()
		p.reply(p.request("BYE"), 200, "", "")
		if e := event[callctl.LegEnded](up); e.Cause != call.Shutdown {
			t.Errorf("%+v", e)
		}
		if e := event[callctl.LegEnded](ringing); e.Status != 503 {
			t.Errorf("%+v", e)
		}
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("Stop hangs")
		}
		h.Stop()
		_ = p.udp.Close()
		_ = q.tcp.Close()
		goleak.VerifyNone(t, before)
	})

	t.Run("a call that comes then is sent elsewhere", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		_, _ = h.answeredCall(p) // whose BYE is never answered
		go h.Stop()
		p.request("BYE")
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		p.status("INVITE", 503)
		if _, err := h.Dial(callctl.Target{Number: "1"}, callctl.Invitation{}); !errors.Is(err, callctl.ErrUnreachable) {
			t.Error(err)
		}
		h.Stop()
	})
}

func TestListen(t *testing.T) {
	h := start(t)
	for _, i := range []sipua.Interface{{Transport: "udp", Bind: h.udp}, {Transport: "tcp", Bind: h.tcp}} {
		s := sipua.New(sipua.Config{Listen: []sipua.Interface{i}})
		var inUse *sipua.PortInUseError
		if err := s.Start(context.Background()); !errors.As(err, &inUse) || inUse.Addr != i.Bind || !strings.Contains(err.Error(), i.Bind) {
			t.Errorf("%v", err)
		}
	}
	for _, i := range []sipua.Interface{{Transport: "udp", Bind: "0.0.0.0:0"}, {Transport: "smoke", Bind: "127.0.0.1:0"}, {Transport: "udp", Bind: "127.0.0.1:x"}} {
		if err := sipua.New(sipua.Config{Listen: []sipua.Interface{i}}).Start(context.Background()); err == nil {
			t.Errorf("%+v was taken", i)
		}
	}
}

func TestAdvertisedAddress(t *testing.T) {
	h := start(t, func(c *sipua.Config) {
		c.Listen = []sipua.Interface{{Transport: "udp", Bind: "127.0.0.1:0", Advertised: "203.0.113.5:5066"}}
	})
	p := udpPeer(t, h.udp)
	k := p.talk("a", "700")
	k.do("INVITE", offer())
	leg, _ := h.incoming()
	leg.leg.Answer(callctl.Party{})
	res := p.status("INVITE", 200)
	if res.uri("Contact") != "sip:700@203.0.113.5:5066" || !strings.Contains(res.body(), "c=IN IP4 203.0.113.5") {
		t.Errorf("%s", res.raw)
	}
	k.up(res)
	k.ack("")
	event[callctl.LegAnswered](leg)
	leg.leg.Hangup(call.Normal, "")
	if bye := p.request("BYE"); !strings.Contains(bye.hdr("Via"), "203.0.113.5:5066") {
		t.Errorf("%s", bye.raw)
	}
}

// BenchmarkCall is INVITE, 200, ACK, BYE, 200 on one leg; cpu includes the peer.
func BenchmarkCall(b *testing.B) {
	t := &testing.T{}
	ports := &ports{}
	calls := make(chan callctl.Incoming, 10)
	s := sipua.New(sipua.Config{
		Listen: []sipua.Interface{{Transport: "udp", Bind: "127.0.0.1:0"}}, OpenMedia: ports.open, InvitesPerS: 1e6, PacketsPerS: 1e6,
		Trunks: func() []routing.Trunk { return []routing.Trunk{{Name: "carrier", Sources: []string{"127.0.0.0/8"}}} },
		OnCall: func(in callctl.Incoming) { calls <- in },
	})
	if err := s.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	defer s.Stop()
	_, addr, _ := strings.Cut(s.Addrs()[0], " ")
	p := udpPeer(t, addr)
	defer p.udp.Close()
	b.ReportAllocs()
	for b.Loop() {
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		in := <-calls
		ended := make(chan struct{})
		in.Leg.Watch(func(ev callctl.LegEvent) bool {
			if _, ok := ev.(callctl.LegEnded); ok {
				close(ended)
			}
			return true
		})
		in.Leg.Ring()
		in.Leg.Answer(callctl.Party{})
		k.up(p.status("INVITE", 200))
		k.ack("")
		k.do("BYE", "")
		p.status("BYE", 200)
		<-ended
	}
}
