package sipua_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/routing"
)

func enrolled(p *peer) routing.Trunk {
	return routing.Trunk{Name: "carrier", Host: p.addr, Username: "acct", Password: "secret", Register: true, RegisterS: 600}
}

// admit goes through the challenge of a REGISTER and grants it for so many seconds.
func (p *peer) admits(expires int, headers ...string) msg {
	p.t.Helper()
	one := p.request("REGISTER")
	p.reply(one, 401, "r", "", "WWW-Authenticate: "+challenge+`SHA-256, qop="auth"`, "WWW-Authenticate: "+challenge+"MD5")
	two := p.request("REGISTER")
	if !proven(two.hdr("Authorization"), "REGISTER", "acct", "secret") || two.hdr("Call-ID") != one.hdr("Call-ID") {
		p.t.Error(two.raw)
	}
	p.reply(two, 200, "r", "", append(headers, fmt.Sprintf("Contact: <%s>;expires=%d", two.uri("Contact"), expires))...)
	return two
}

func TestRegistration(t *testing.T) {
	h := carried(t)
	reg := h.gateway("127.0.0.2")
	h.set(enrolled(reg))
	two := reg.admits(2)
	if two.hdr("Expires") != "600" || two.first() != "REGISTER sip:"+reg.addr+" SIP/2.0" || !strings.HasPrefix(two.uri("Contact"), "sip:acct@127.0.0.1:") {
		t.Error(two.raw)
	}
	t.Run("renewed before what was granted runs out, with the same Call-ID", func(t *testing.T) {
		again := reg.request("REGISTER")
		if again.at.Sub(two.at) > 2*time.Second || again.hdr("Call-ID") != two.hdr("Call-ID") || again.hdr("CSeq") != "3 REGISTER" {
			t.Error(again.raw)
		}
		reg.reply(again, 423, "r", "", "Min-Expires: 1800")
		longer := reg.request("REGISTER")
		if longer.hdr("Expires") != "1800" {
			t.Error(longer.raw)
		}
		reg.reply(longer, 200, "r", "", "Expires: 3600", "Service-Route: <sip:"+reg.addr+";lr>")
		await(t, func() bool { st, _ := h.TrunkStatus("carrier"); return time.Until(st.Registration.Until) > time.Minute })
	})
	t.Run("calls follow the Service-Route", func(t *testing.T) {
		leg := h.call("+34911234567")
		inv := reg.request("INVITE")
		if inv.hdr("Route") != "<sip:"+reg.addr+";lr>" {
			t.Error(inv.raw)
		}
		reg.reply(inv, 404, "x", "")
		event[callctl.LegEnded](leg)
	})
	t.Run("calls to our account, from the registrar, are the trunk's", func(t *testing.T) {
		k := reg.talk("+34600000001", "acct")
		k.toHdr = "<sip:+34911234567@" + h.udp + ">"
		k.do("INVITE", offer())
		leg, in := h.incoming()
		if in.Trunk != "carrier" || in.To != "+34911234567" || in.From.Number != "+34600000001" {
			t.Errorf("%+v", in)
		}
		leg.leg.Hangup(call.Busy, "")
		k.ackFailure(reg.status("INVITE", 486))
		for name, p := range map[string]*peer{"to somebody else": reg, "from somebody else": h.gateway("127.0.0.3")} {
			to := "acct"
			if p == reg {
				to = "other"
			}
			k := p.talk("+34600000001", to)
			k.do("INVITE", offer())
			k.ackFailure(p.status("INVITE", 403))
			_ = name
		}
	})
	t.Run("a change that concerns it registers anew, another does not", func(t *testing.T) {
		trunk := enrolled(reg)
		trunk.MaxCalls = 7
		h.set(trunk)
		reg.quiet(50*time.Millisecond, func(m msg) bool { return m.method() == "REGISTER" })
		other := h.gateway("127.0.0.4")
		trunk.Host = other.addr
		h.set(trunk)
		bye := reg.request("REGISTER")
		if bye.hdr("Expires") != "0" {
			t.Error(bye.raw)
		}
		reg.reply(bye, 200, "r", "")
		other.admits(3600)
		await(t, func() bool { st, _ := h.TrunkStatus("carrier"); return st.Registration.State == "registered" })
		reg = other
	})
	t.Run("stopping takes it out", func(t *testing.T) {
		stopped := make(chan struct{})
		go func() { defer close(stopped); h.Stop() }()
		bye := reg.request("REGISTER")
		if bye.hdr("Expires") != "0" {
			t.Error(bye.raw)
		}
		reg.reply(bye, 401, "r", "", "WWW-Authenticate: "+challenge+"MD5")
		if again := reg.request("REGISTER"); !proven(again.hdr("Authorization"), "REGISTER", "acct", "secret") {
			t.Error(again.raw)
		}
		<-stopped
	})
}

// await waits for something that comes by itself.
func await(t *testing.T, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !is(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not come")
		}
	}
}

func TestRegistrationFails(t *testing.T) {
	h := carried(t)
	one, two := h.gateway("127.0.0.2"), h.gateway("127.0.0.3")
	trunk := enrolled(one)
	trunk.Host, trunk.Hosts = "", gateways(one, two)
	h.set(trunk)

	one.request("REGISTER") // and says nothing
	first := two.request("REGISTER")
	two.reply(first, 403, "r", "")
	await(t, func() bool {
		st, _ := h.TrunkStatus("carrier")
		return st.Registration.State == "failed" && strings.Contains(st.Registration.Error, "403")
	})
	t.Run("tried again after a pause", func(t *testing.T) {
		again := two.request("REGISTER") // the first is avoided
		if d := again.at.Sub(first.at); d < 700*time.Millisecond {
			t.Errorf("after %s: a refused account is not tried so soon", d)
		}
		two.reply(again, 401, "r", "", "WWW-Authenticate: "+challenge+"MD5")
		wrong := two.request("REGISTER")
		two.reply(wrong, 401, "r", "", "WWW-Authenticate: "+challenge+"MD5")
		await(t, func() bool { st, _ := h.TrunkStatus("carrier"); return strings.Contains(st.Registration.Error, "401") })
		two.quiet(100*time.Millisecond, func(m msg) bool { return m.method() == "REGISTER" })
	})
	t.Run("calls overflow to another trunk meanwhile", func(t *testing.T) {
		other := h.gateway("127.0.0.4")
		h.set(trunk, routing.Trunk{Name: "zz", Host: other.addr, Priority: 5})
		leg := h.call("+34911234567")
		other.reply(other.request("INVITE"), 486, "x", "")
		event[callctl.LegEnded](leg)
	})
}

func TestInboundByPassword(t *testing.T) {
	invite := func(p *peer, user, password string) (*talk, msg) {
		k := p.talk("+34600000001", "700")
		k.do("INVITE", offer())
		res := p.status("INVITE", 401)
		k.ackFailure(res)
		k.do("INVITE", offer(), authorization(res, "INVITE", k.target, user, password, "SHA-256", 1))
		return k, res
	}
	trunk := routing.Trunk{Name: "carrier", Username: "acct", Password: "secret", AuthInbound: true}
	t.Run("from anywhere", func(t *testing.T) {
		h := carried(t)
		h.set(trunk)
		p := udpPeer(t, h.udp)
		k, _ := invite(p, "acct", "secret")
		leg, in := h.incoming()
		if in.Trunk != "carrier" || in.Agent != "" || in.From.Number != "+34600000001" {
			t.Errorf("%+v", in)
		}
		leg.leg.Hangup(call.Busy, "")
		k.ackFailure(p.status("INVITE", 486))
		for _, who := range []string{"acct", "nobody"} {
			for range 10 {
				k, _ := invite(p, who, "wrong")
				k.ackFailure(p.status("INVITE", 401))
			}
			k, _ := invite(p, who, "secret")
			k.ackFailure(p.status("INVITE", 403)) // throttled, the right one too
		}
	})
	t.Run("a rep's account is asked for the rep's password", func(t *testing.T) {
		h := carried(t)
		h.set(trunk)
		p := udpPeer(t, h.udp)
		k, _ := invite(p, "rep1", "pw1")
		if _, in := h.incoming(); in.Agent != "rep1" {
			t.Errorf("%+v", in)
		}
		k.cancel()
	})
	t.Run("within its sources only", func(t *testing.T) {
		h := carried(t)
		trunk := trunk
		trunk.Sources = []string{"127.0.0.2/32"}
		h.set(trunk, routing.Trunk{Name: "wide", Sources: []string{"127.0.0.0/8"}})
		in, out := h.gateway("127.0.0.2"), h.gateway("127.0.0.3")
		invite(in, "acct", "secret")
		if _, x := h.incoming(); x.Trunk != "carrier" {
			t.Errorf("%+v", x)
		}
		k := out.talk("+34600000001", "700")
		for _, headers := range [][]string{nil, {`Authorization: Digest username="acct", realm="x", nonce="n", uri="sip:x", response="0"`}} {
			k.do("INVITE", offer(), headers...)
			leg, x := h.incoming()
			if x.Trunk != "wide" {
				t.Errorf("%+v", x)
			}
			leg.leg.Hangup(call.Busy, "")
			k.ackFailure(out.status("INVITE", 486))
		}
	})
}

func TestQualify(t *testing.T) {
	h := carried(t, func(c *sipua.Config) { c.TrunkTimers.Qualify = 20 * time.Millisecond })
	a, b := h.gateway("127.0.0.2"), h.gateway("127.0.0.3")
	h.set(routing.Trunk{Name: "carrier", Hosts: gateways(a, b), QualifyS: 5})
	up := func(want ...bool) {
		t.Helper()
		await(t, func() bool {
			st, _ := h.TrunkStatus("carrier")
			if len(st.Gateways) != len(want) {
				return false
			}
			for i, g := range st.Gateways {
				if g.Up != want[i] {
					return false
				}
			}
			return true
		})
	}
	var there atomic.Bool
	answering(a, func(m msg) {
		if there.Load() {
			a.reply(m, 404, "x", "") // is an answer
		}
	})
	invites := answering(b, func(m msg) { b.reply(m, 200, "x", "") })
	up(false, true)
	leg := h.call("+34911234567")
	b.reply(<-invites, 486, "x", "")
	event[callctl.LegEnded](leg)
	there.Store(true)
	up(true, true)
}

// answering answers OPTIONS until the test ends, and passes INVITEs on.
func answering(p *peer, f func(msg)) <-chan msg {
	invites, stop, done := make(chan msg, 10), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case m := <-p.got:
				switch m.method() {
				case "OPTIONS":
					f(m)
				case "INVITE":
					invites <- m
				}
			case <-stop:
				return
			}
		}
	}()
	p.t.Cleanup(func() { close(stop); <-done })
	return invites
}
