package sipua_test

import (
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/internal/sipua/digest"
	"github.com/callyard/callyard/routing"
)

// trunked is a hub whose trunks a test makes and changes.
type trunked struct {
	*hub
	mu     sync.Mutex
	trunks []routing.Trunk
}

func (h *trunked) set(ts ...routing.Trunk) {
	h.mu.Lock()
	h.trunks = ts
	h.mu.Unlock()
	if h.hub != nil {
		h.TrunksChanged()
	}
}

// carried starts a hub with trunks, that lose patience with a gateway quickly.
func carried(t *testing.T, change ...func(*sipua.Config)) *trunked {
	t.Helper()
	h := &trunked{}
	h.hub = start(t, append([]func(*sipua.Config){func(c *sipua.Config) {
		c.Trunks = func() []routing.Trunk { h.mu.Lock(); defer h.mu.Unlock(); return h.trunks }
		c.TrunkTimers = sipua.TrunkTimers{Try: 150 * time.Millisecond, Enrol: 50 * time.Millisecond, Resolve: time.Second, Listen: 100 * time.Millisecond}
	}}, change...)...)
	return h
}

// gateway is a carrier's machine at an address of its own.
func (h *trunked) gateway(ip string) *peer {
	h.t.Helper()
	return udpPeerAt(h.t, ip, h.udp)
}

func gateways(ps ...*peer) (gs []routing.Gateway) {
	for i, p := range ps {
		gs = append(gs, routing.Gateway{Host: p.addr, Priority: i})
	}
	return gs
}

func (h *trunked) call(number call.Number) *party {
	h.t.Helper()
	return h.dial(callctl.Target{Number: number}, callctl.Invitation{Shown: callctl.Party{Number: "+34600000001", Name: "Ana"}})[0]
}

// answer takes a call at a gateway.
func (p *peer) takes(inv msg) *talk {
	p.t.Helper()
	p.reply(inv, 200, "gw", offer())
	p.request("ACK")
	return p.called(inv, "gw")
}

func isInvite(m msg) bool { return m.method() == "INVITE" }

func TestFailover(t *testing.T) {
	h := carried(t)
	silent, broken, good := h.gateway("127.0.0.2"), h.gateway("127.0.0.3"), h.gateway("127.0.0.4")
	h.set(routing.Trunk{Name: "carrier", Hosts: gateways(silent, broken, good)})

	leg := h.call("+34911234567")
	one := silent.request("INVITE")
	two := broken.request("INVITE") // after the first was silent for so long
	broken.reply(two, 503, "b", "")
	three := good.request("INVITE")
	for i, inv := range []msg{one, two, three} {
		if inv.hdr("Call-ID") != one.hdr("Call-ID") || inv.hdr("From") != one.hdr("From") || strings.Contains(inv.hdr("To"), "tag=") {
			t.Errorf("attempt %d is another call:\n%s", i, inv.raw)
		}
		if want := fmt.Sprint(i+1, " INVITE"); inv.hdr("CSeq") != want {
			t.Errorf("CSeq %q, want %q", inv.hdr("CSeq"), want)
		}
	}
	if one.hdr("Via") == three.hdr("Via") {
		t.Error("the same transaction at another gateway")
	}
	t.Run("a gateway that was given up and rings after all is cancelled", func(t *testing.T) {
		silent.reply(one, 180, "late", "")
		c := silent.request("CANCEL")
		if c.hdr("CSeq") != "1 CANCEL" || c.hdr("Via") != one.hdr("Via") {
			t.Error(c.raw)
		}
		silent.reply(c, 200, "late", "")
	})
	t.Run("and one that answers after all is hung up", func(t *testing.T) {
		silent.reply(one, 200, "late", offer())
		if ack := silent.request("ACK"); ack.hdr("CSeq") != "1 ACK" || !strings.Contains(ack.hdr("To"), "tag=late") {
			t.Error(ack.raw)
		}
		bye := silent.request("BYE")
		if !strings.Contains(bye.hdr("To"), "tag=late") {
			t.Error(bye.raw)
		}
		silent.reply(bye, 200, "", "")
	})
	good.reply(three, 180, "gw", "")
	event[callctl.LegRang](leg)
	k := good.takes(three)
	event[callctl.LegAnswered](leg)
	k.do("BYE", "")
	good.status("BYE", 200)
	event[callctl.LegEnded](leg)

	t.Run("those that failed are passed over for a while", func(t *testing.T) {
		leg := h.call("+34911234567")
		inv := good.request("INVITE")
		if inv.hdr("CSeq") != "1 INVITE" {
			t.Error(inv.raw)
		}
		good.reply(inv, 486, "gw", "")
		if e := event[callctl.LegEnded](leg); e.Cause != call.Busy || e.Status != 486 {
			t.Errorf("%+v", e)
		}
	})
	t.Run("what a person or the number caused is final", func(t *testing.T) {
		for _, code := range []int{404, 480, 486, 603} {
			leg := h.call("+34911234567")
			good.reply(good.request("INVITE"), code, "gw", "")
			if e := event[callctl.LegEnded](leg); e.Status != code {
				t.Errorf("%+v", e)
			}
		}
		for _, p := range []*peer{silent, broken} {
			p.quiet(50*time.Millisecond, func(m msg) bool { return isInvite(m) && m.hdr("Call-ID") != one.hdr("Call-ID") })
		}
	})
	t.Run("nor is a call that rang offered elsewhere", func(t *testing.T) {
		leg := h.call("+34911234567")
		inv := good.request("INVITE")
		good.reply(inv, 180, "gw", "")
		good.reply(inv, 503, "gw", "")
		event[callctl.LegRang](leg)
		if e := event[callctl.LegEnded](leg); e.Status != 503 {
			t.Errorf("%+v", e)
		}
	})
	t.Run("when all have failed, the call ends with what the last one said", func(t *testing.T) {
		leg := h.call("+34911234567")
		good.reply(good.request("INVITE"), 503, "gw", "")
		for _, p := range []*peer{silent, broken} {
			p.t = t
			p.reply(p.request("INVITE"), 500, "x", "")
		}
		if e := event[callctl.LegEnded](leg); e.Status != 500 || e.Cause != call.Failed {
			t.Errorf("%+v", e)
		}
	})
	t.Run("hung up between two gateways", func(t *testing.T) {
		leg := h.call("+34911234567")
		leg.leg.Hangup(call.Normal, "")
		event[callctl.LegEnded](leg)
	})
	if n := h.ports.left(); n != 0 {
		t.Errorf("%d ports left open", n)
	}
}

func TestOverflow(t *testing.T) {
	h := carried(t)
	first, second := h.gateway("127.0.0.2"), h.gateway("127.0.0.3")
	h.set(routing.Trunk{Name: "b", Host: second.addr, Priority: 2}, routing.Trunk{Name: "a", Host: first.addr, Priority: 1, MaxCalls: 1})
	up := h.call("+34911234567")
	first.takes(first.request("INVITE"))
	event[callctl.LegAnswered](up)

	leg := h.call("+34911234567") // a is full
	inv := second.request("INVITE")
	second.reply(inv, 486, "x", "")
	event[callctl.LegEnded](leg)
	if _, err := h.Dial(callctl.Target{Number: "+34911234567", Trunk: "a"}, callctl.Invitation{}); !errors.Is(err, callctl.ErrUnreachable) {
		t.Errorf("a full trunk: %v", err)
	}
	up.leg.Hangup(call.Normal, "")
	first.reply(first.request("BYE"), 200, "", "")
	event[callctl.LegEnded](up)

	leg = h.call("+34911234567") // a is silent now
	first.request("INVITE")
	k := second.takes(second.request("INVITE"))
	event[callctl.LegAnswered](leg)
	k.do("BYE", "")
	second.status("BYE", 200)
	event[callctl.LegEnded](leg)

	leg = h.call("+34911234567") // and known to be down
	if inv := second.request("INVITE"); inv.hdr("CSeq") != "1 INVITE" {
		t.Error(inv.raw)
	} else {
		second.reply(inv, 404, "x", "")
	}
	event[callctl.LegEnded](leg)

	for _, name := range []string{"a", "b"} {
		if st, _ := h.TrunkStatus(name); st.Calls != 0 {
			t.Errorf("trunk %s still counts %d calls", name, st.Calls)
		}
	}

	t.Run("a rate of calls is not exceeded", func(t *testing.T) {
		h.set(routing.Trunk{Name: "slow", Host: first.addr, CallsPerS: 0.01})
		leg := h.call("+34911234567")
		if _, err := h.Dial(callctl.Target{Number: "+34911234567"}, callctl.Invitation{}); !errors.Is(err, callctl.ErrUnreachable) {
			t.Errorf("%v", err)
		}
		leg.leg.Hangup(call.Normal, "")
	})
}

// proven checks a digest by its own arithmetic.
func proven(v, method, user, password string) bool {
	c, ok := digest.ParseCredentials(v)
	h := md5.New
	if c.Algorithm == "SHA-256" {
		h = sha256.New
	}
	ha1, ha2 := sum(h, user+":"+c.Realm+":"+password), sum(h, method+":"+c.URI)
	want := sum(h, ha1+":"+c.Nonce+":"+ha2)
	if c.QOP != "" {
		want = sum(h, strings.Join([]string{ha1, c.Nonce, c.NC, c.CNonce, c.QOP, ha2}, ":"))
	}
	return ok && c.User == user && c.Digest == want
}

const challenge = `Digest realm="carrier", nonce="n1", algorithm=`

func TestCarrierAsksForCredentials(t *testing.T) {
	h := carried(t)
	gw := h.gateway("127.0.0.2")
	h.set(routing.Trunk{Name: "carrier", Host: gw.addr, Username: "acct", Password: "secret"})

	t.Run("on INVITE and within the call", func(t *testing.T) {
		leg := h.call("+34911234567")
		one := gw.request("INVITE")
		gw.reply(one, 407, "c", "", "Proxy-Authenticate: "+challenge+`MD5, qop="auth"`, "Proxy-Authenticate: "+challenge+`SHA-256, qop="auth"`)
		if ack := gw.request("ACK"); ack.hdr("CSeq") != "1 ACK" {
			t.Error(ack.raw)
		}
		two := gw.request("INVITE")
		if two.hdr("CSeq") != "2 INVITE" || two.hdr("Call-ID") != one.hdr("Call-ID") || two.hdr("From") != one.hdr("From") || strings.Contains(two.hdr("To"), "tag") {
			t.Error(two.raw)
		}
		auth := two.hdr("Proxy-Authorization")
		if !proven(auth, "INVITE", "acct", "secret") || !strings.Contains(auth, "SHA-256") {
			t.Error(auth)
		}
		gw.reply(two, 200, "gw", offer())
		if ack := gw.request("ACK"); ack.hdr("Proxy-Authorization") != auth || ack.hdr("CSeq") != "2 ACK" {
			t.Error(ack.raw)
		}
		event[callctl.LegAnswered](leg)
		leg.leg.Hangup(call.Normal, "")
		bye := gw.request("BYE")
		gw.reply(bye, 401, "gw", "", "WWW-Authenticate: "+challenge+"MD5")
		again := gw.request("BYE")
		if again.hdr("CSeq") != "4 BYE" || !proven(again.hdr("Authorization"), "BYE", "acct", "secret") || again.hdr("Via") == bye.hdr("Via") {
			t.Error(again.raw)
		}
		gw.reply(again, 200, "gw", "")
	})
	t.Run("a stale nonce is no refusal, the same again is", func(t *testing.T) {
		leg := h.call("+34911234567")
		gw.reply(gw.request("INVITE"), 401, "c", "", "WWW-Authenticate: "+challenge+"MD5")
		gw.reply(gw.request("INVITE"), 401, "c", "", `WWW-Authenticate: Digest realm="carrier", nonce="n2", stale=true`)
		three := gw.request("INVITE")
		if a := three.hdrs("Authorization"); len(a) != 1 || !strings.Contains(a[0], "n2") || three.hdr("CSeq") != "3 INVITE" {
			t.Error(three.raw)
		}
		gw.reply(three, 401, "c", "", "WWW-Authenticate: "+challenge+"MD5")
		if e := event[callctl.LegEnded](leg); e.Status != 401 || e.Cause != call.Rejected {
			t.Errorf("%+v", e)
		}
	})
	t.Run("a trunk without a password", func(t *testing.T) {
		other := h.gateway("127.0.0.3")
		h.set(routing.Trunk{Name: "open", Host: other.addr})
		leg := h.call("+34911234567")
		other.reply(other.request("INVITE"), 407, "c", "", "Proxy-Authenticate: "+challenge+"MD5")
		if e := event[callctl.LegEnded](leg); e.Status != 407 {
			t.Errorf("%+v", e)
		}
	})
}

func TestGatewaysByDNS(t *testing.T) {
	a, b := udpPeerAt(t, "127.0.0.2", "127.0.0.1:9"), udpPeerAt(t, "127.0.0.3", "127.0.0.1:9")
	port := func(p *peer) string { _, n, _ := net.SplitHostPort(p.addr); return n }
	server := nameserver(t, "_sip._udp.carrier.example. 60 IN SRV 1 1 "+port(a)+" a.carrier.example.",
		"_sip._udp.carrier.example. 60 IN SRV 2 1 "+port(b)+" b.carrier.example.",
		"a.carrier.example. 60 IN A 127.0.0.2", "b.carrier.example. 60 IN A 127.0.0.3")
	h := carried(t, func(c *sipua.Config) { c.DNS = []string{server} })
	h.set(routing.Trunk{Name: "carrier", Host: "carrier.example"}, routing.Trunk{Name: "gone", Host: "gone.example", For: []string{"+99"}})
	for _, p := range []*peer{a, b} {
		p.hub, _ = net.ResolveUDPAddr("udp", h.udp)
	}
	leg := h.call("+34911234567")
	one := a.request("INVITE")
	if want := "INVITE sip:+34911234567@carrier.example SIP/2.0"; one.first() != want {
		t.Errorf("%s, want %s", one.first(), want)
	}
	a.reply(one, 503, "x", "")
	b.takes(b.request("INVITE"))
	event[callctl.LegAnswered](leg)
	leg.leg.Hangup(call.Normal, "")
	b.reply(b.request("BYE"), 200, "", "")

	t.Run("a name that does not exist", func(t *testing.T) {
		legs, err := h.Dial(callctl.Target{Number: "+9912345678", Trunk: "gone"}, callctl.Invitation{})
		if err != nil {
			t.Fatal(err)
		}
		if e := event[callctl.LegEnded](h.watch(legs[0])); e.Cause != call.Unavailable {
			t.Errorf("%+v", e)
		}
	})
}

// nameserver is a DNS server on loopback.
func nameserver(t *testing.T, records ...string) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{PacketConn: c, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
		res := new(dns.Msg)
		res.SetRcode(m, dns.RcodeNameError)
		for _, r := range records {
			if rr, _ := dns.NewRR(r); rr.Header().Name == m.Question[0].Name {
				res.Rcode = dns.RcodeSuccess
				if rr.Header().Rrtype == m.Question[0].Qtype {
					res.Answer = append(res.Answer, rr)
				}
			}
		}
		_ = w.WriteMsg(res)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.ActivateAndServe() }()
	t.Cleanup(func() { _ = c.Close(); <-done })
	return c.LocalAddr().String()
}
