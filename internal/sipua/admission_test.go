package sipua_test

import (
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/routing"
)

func trunks(ts ...routing.Trunk) func(*sipua.Config) {
	return func(c *sipua.Config) { c.Trunks = func() []routing.Trunk { return ts } }
}

func TestWhoMayCall(t *testing.T) {
	t.Run("a rep proves to be one, even from a trunk's address", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("rep1", "701")
		k.do("INVITE", offer())
		ch := p.status("INVITE", 401)
		k.ackFailure(ch)
		k.do("INVITE", offer(), authorization(ch, "INVITE", k.target, "rep1", "pw1", "SHA-256", 1), "User-Agent: Desk 1.0")
		leg, in := h.incoming()
		if in.Agent != "rep1" || in.Trunk != "" || in.To != "701" || in.From.Agent != "rep1" || in.From.Name != "Rep rep1" || in.From.Device != "Desk 1.0" || in.From.Number != "201" {
			t.Errorf("%+v", in)
		}
		leg.leg.Hangup(call.Gone, "")
		k.ackFailure(p.status("INVITE", 410))
	})

	t.Run("a rep is known by the credentials too", func(t *testing.T) {
		h := start(t, trunks())
		p := udpPeer(t, h.udp)
		k := p.talk("anybody", "701")
		k.do("INVITE", offer(), `Authorization: Digest username="rep1", realm="x", nonce="x", uri="x", response="x"`)
		ch := p.status("INVITE", 401)
		k.ackFailure(ch)
		k.do("INVITE", offer(), authorization(ch, "INVITE", k.target, "rep1", "wrong", "MD5", 1))
		k.ackFailure(p.status("INVITE", 401))
		k.do("INVITE", offer(), authorization(ch, "INVITE", k.target, "rep1", "pw1", "MD5", 2))
		if _, in := h.incoming(); in.Agent != "rep1" {
			t.Errorf("%+v", in)
		}
	})

	t.Run("strangers are refused", func(t *testing.T) {
		h := start(t, trunks(routing.Trunk{Name: "far", Sources: []string{"192.0.2.0/24"}}))
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		k.ackFailure(p.status("INVITE", 403))
		if h.Stats().Refused != 1 || len(h.calls) != 0 {
			t.Errorf("%+v", h.Stats())
		}
	})

	t.Run("the narrowest trunk, and no more calls than it may carry", func(t *testing.T) {
		h := start(t, trunks(routing.Trunk{Name: "wide", Sources: []string{"127.0.0.0/8"}}, routing.Trunk{Name: "narrow", Sources: []string{"127.0.0.1"}, MaxCalls: 1, Codecs: []string{"PCMA"}}))
		p := udpPeer(t, h.udp)
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		leg, in := h.incoming()
		if in.Trunk != "narrow" {
			t.Errorf("%+v", in)
		}
		k2 := p.talk("a", "700")
		k2.do("INVITE", offer())
		res := p.status("INVITE", 503)
		k2.ackFailure(res)
		if res.hdr("Retry-After") == "" {
			t.Errorf("%s", res.raw)
		}
		leg.leg.Answer(callctl.Party{})
		if res := p.status("INVITE", 200); !strings.Contains(res.body(), "RTP/AVP 8 101") {
			t.Errorf("%s", res.body())
		}
		k.cancel()
		leg.leg.Hangup(call.Normal, "")
		event[callctl.LegEnded](leg)
		k3 := p.talk("a", "700")
		k3.do("INVITE", offer())
		h.incoming()
	})

	t.Run("calls a second", func(t *testing.T) {
		c := &clock{t: time.Unix(1e9, 0)}
		h := start(t, trunks(routing.Trunk{Name: "slow", Sources: []string{"127.0.0.1"}, CallsPerS: 1}), func(cfg *sipua.Config) { cfg.Now = c.now })
		p := udpPeer(t, h.udp)
		p.talk("a", "700").do("INVITE", offer())
		h.incoming()
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		k.ackFailure(p.status("INVITE", 503))
		c.add(time.Second)
		p.talk("a", "700").do("INVITE", offer())
		h.incoming()
	})

	t.Run("overload is answered before anything else", func(t *testing.T) {
		c := &clock{t: time.Unix(1e9, 0)}
		h := start(t, func(cfg *sipua.Config) { cfg.InvitesPerS, cfg.Now = 1, c.now })
		p := udpPeer(t, h.udp)
		for range 2 {
			p.talk("a", "700").do("INVITE", offer())
			h.incoming()
		}
		k := p.talk("a", "700")
		k.do("INVITE", offer())
		res := p.status("INVITE", 503)
		k.ackFailure(res)
		if res.hdr("Retry-After") == "" || h.Stats().Shed != 1 {
			t.Errorf("%s %+v", res.raw, h.Stats())
		}
	})

	t.Run("privacy", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		p.talk("+34600000001", "700").do("INVITE", offer(), "Privacy: id")
		if _, in := h.incoming(); in.From.Number != "" {
			t.Errorf("%+v", in.From)
		}
		p.talk("anonymous", "700").do("INVITE", offer())
		if _, in := h.incoming(); in.From.Number != "" {
			t.Errorf("%+v", in.From)
		}
	})
}

func TestNoise(t *testing.T) {
	h := start(t)
	p := udpPeer(t, h.udp)
	for _, s := range []string{
		"\r\n\r\n", "x", "hello world, this is no SIP at all, but it is long enough\r\n\r\n", strings.Repeat("\x00", 100),
		"INVITE sip:1@h SIP/2.0\r\nUser-Agent: friendly-scanner\r\n\r\n", "OPTIONS sip:x SIP/2.0\r\nnonsense without colon and so on and on\r\n\r\n",
	} {
		p.send(s)
	}
	k := p.talk("a", "700")
	k.do("OPTIONS", "")
	p.status("OPTIONS", 200)
	st := h.Stats()
	if st.Filtered != 4 || st.Unparsable != 1 {
		t.Errorf("%+v", st)
	}
}

func TestUnreadableRequestURI(t *testing.T) {
	h := start(t)
	for _, p := range []*peer{udpPeer(t, h.udp), tcpPeer(t, h.tcp)} {
		k := p.talk("a", "700")
		k.target = "sip:1:2:3"
		k.do("OPTIONS", "")
		if res := p.status("OPTIONS", 400); res.hdr("Call-ID") != k.callID || res.hdr("Via") == "" {
			t.Errorf("%s", res.raw)
		}
	}
}

func TestFloodOfOneSource(t *testing.T) {
	c := &clock{t: time.Unix(1e9, 0)}
	h := start(t, func(cfg *sipua.Config) { cfg.PacketsPerS, cfg.Now = 1, c.now })
	p := udpPeer(t, h.udp)
	for range 4 {
		p.talk("a", "700").do("OPTIONS", "")
		p.status("OPTIONS", 200)
	}
	p.talk("a", "700").do("OPTIONS", "")
	until(t, func() bool { return h.Stats().Filtered == 1 })
	c.add(time.Second)
	p.talk("a", "700").do("OPTIONS", "")
	p.status("OPTIONS", 200)
}
