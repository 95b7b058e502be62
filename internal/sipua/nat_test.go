package sipua_test

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
)

func TestPhonesBehindNAT(t *testing.T) {
	h := start(t, func(c *sipua.Config) { c.KeepAlive = 40 * time.Millisecond })
	p := udpPeer(t, h.udp)
	k := p.talk("rep1", "rep1")
	k.target = "sip:" + p.hubAddr()
	contact := "Contact: <sip:rep1@10.0.0.9:5060>"
	k.do("REGISTER", "", "Expires: 3600", contact)
	k.do("REGISTER", "", "Expires: 3600", contact, authorization(p.status("REGISTER", 401), "REGISTER", k.target, "rep1", "pw1", "SHA-256", 1))
	granted := p.status("REGISTER", 200).hdr("Contact")
	_, secs, _ := strings.Cut(granted, "expires=")
	if n, _ := strconv.Atoi(secs); n < 60 || n > 120 {
		t.Errorf("granted %s", granted)
	}
	for range 5 { // more than may be missed
		ask := p.request("OPTIONS")
		if !strings.HasPrefix(ask.first(), "OPTIONS sip:rep1@10.0.0.9:5060") {
			t.Errorf("%s", ask.first())
		}
		p.reply(ask, 200, "x", "")
	}
	leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
	p.reply(p.request("INVITE"), 486, "x", "")
	event[callctl.LegEnded](leg)

	// It is switched off: after some unanswered questions it is known no more.
	until(t, func() bool { return h.Stats().Bindings == 0 && h.Stats().Vanished == 1 })

	t.Run("a phone that is where it says is not asked", func(t *testing.T) {
		q := h.phone(t, "rep2", "pw2")
		q.quiet(150*time.Millisecond, func(m msg) bool { return m.method() == "OPTIONS" })
	})
}

func TestStreamsAreKeptOpen(t *testing.T) {
	h := start(t, func(c *sipua.Config) { c.KeepAlive = 40 * time.Millisecond })
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", h.tcp)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	b := make([]byte, 4)
	if _, err := c.Read(b); err != nil || string(b) != "\r\n\r\n" {
		t.Errorf("%q %v", b, err)
	}
}

// TestInterfaces: peers of our own networks are told the address bound, others
// the one outside.
func TestInterfaces(t *testing.T) {
	h := start(t, func(c *sipua.Config) {
		c.Listen = []sipua.Interface{{
			Name: "lan", Transport: "udp", Bind: "0.0.0.0:0", Advertised: "203.0.113.5:5060", LocalNets: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/24")},
		}}
	})
	_, port, _ := net.SplitHostPort(h.udp)
	for _, c := range []struct{ from, told string }{{"127.0.0.1", "127.0.0.1:" + port}, {"127.0.1.1", "203.0.113.5:5060"}} {
		p := udpPeerAt(t, c.from, "127.0.0.1:"+port)
		k := p.talk("+34600000001", "700")
		k.do("INVITE", offer())
		leg, _ := h.incoming()
		leg.leg.Answer(callctl.Party{})
		res := p.status("INVITE", 200)
		host, _, _ := net.SplitHostPort(c.told)
		if !strings.Contains(res.hdr("Contact"), "@"+c.told) || !strings.Contains(res.body(), "c=IN IP4 "+host+"\r\n") {
			t.Errorf("%s was told\n%s", c.from, res.raw)
		}
		k.up(res)
		k.target = "sip:700@127.0.0.1:" + port
		k.ack("")
		event[callctl.LegAnswered](leg)
		leg.leg.Hangup("normal", "")
		bye := p.request("BYE")
		if !strings.Contains(bye.hdr("Via"), "SIP/2.0/UDP "+c.told) {
			t.Errorf("Via %s", bye.hdr("Via"))
		}
		p.reply(bye, 200, "", "")
		event[callctl.LegEnded](leg)
	}
}

func TestIPv6(t *testing.T) {
	h := start(t, func(c *sipua.Config) {
		c.Listen = append(c.Listen, sipua.Interface{Transport: "udp", Bind: "[::1]:0"})
		c.Trunks = trunkAt("::1")
	})
	at := h.addr("udp [::1]")
	p := udpPeerAt(t, "::1", at)
	k := p.talk("+34600000001", "700")
	k.do("INVITE", strings.ReplaceAll(offer(), "IP4 127.0.0.1", "IP6 ::1"))
	leg, in := h.incoming()
	if in.Trunk != "carrier" {
		t.Errorf("%+v", in)
	}
	leg.leg.Answer(callctl.Party{})
	res := p.status("INVITE", 200)
	if !strings.Contains(res.hdr("Contact"), "@"+at) || !strings.Contains(res.body(), "c=IN IP6 ::1\r\n") {
		t.Errorf("%s", res.raw)
	}
	k.up(res)
	k.ack("")
	event[callctl.LegAnswered](leg)
	leg.leg.Hangup("normal", "")
	bye := p.request("BYE")
	if !strings.HasPrefix(bye.hdr("Via"), "SIP/2.0/UDP "+at) || !strings.HasPrefix(bye.first(), "BYE sip:+34600000001@[::1]:") {
		t.Errorf("%s", bye.raw)
	}
	p.reply(bye, 200, "", "")
	event[callctl.LegEnded](leg)
}
