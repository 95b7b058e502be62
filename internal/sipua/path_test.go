package sipua_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
)

// TestPath: phones that register through an edge proxy (RFC 3327).
func TestPath(t *testing.T) {
	// behind registers rep1 through a proxy: REGISTER and all else comes from p.
	behind := func(t *testing.T, h *hub, headers ...string) (*peer, *talk, msg) {
		p := udpPeer(t, h.udp)
		k := p.talk("rep1", "rep1")
		k.target = "sip:" + h.udp
		k.do("REGISTER", "")
		ch := p.status("REGISTER", 401)
		return p, k, try(p, k, ch, 200, "MD5", 1, "pw1", append(headers, "Contact: <sip:a@10.0.0.9:5060>", "Expires: 3600")...)
	}

	t.Run("is kept with the registration and told", func(t *testing.T) {
		st := &store{}
		h := start(t, func(c *sipua.Config) { c.Bindings = st })
		_, _, res := behind(t, h, "Supported: path", `Path: <sip:edge.example;lr;x="1,2">, <sip:inner.example;lr>`, "Path: <sip:last.example;lr>")
		want := []string{`<sip:edge.example;lr;x="1,2">`, "<sip:inner.example;lr>", "<sip:last.example;lr>"}
		if got := res.hdrs("Path"); !slices.Equal(got, want) || res.hdr("Supported") != "path" {
			t.Errorf("%s", res.raw)
		}
		if c := res.hdr("Contact"); !strings.HasSuffix(c, ";expires=3600") { // not the life of a phone behind NAT
			t.Error(c)
		}
		if ds, _ := st.Devices(context.Background(), "", time.Time{}); len(ds) != 1 || !slices.Equal(ds[0].Path, want) {
			t.Errorf("%+v", ds)
		}
	})

	t.Run("is the way of a call", func(t *testing.T) {
		h := start(t, func(c *sipua.Config) { c.KeepAlive = 20 * time.Millisecond })
		edge := udpPeer(t, h.udp) // where the proxy listens: another port than it registered from
		path := "<sip:rep@" + edge.addr + ";lr>"
		p, _, _ := behind(t, h, "Path: "+path, "Path: <sip:inner.example;lr>")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := edge.request("INVITE")
		if got := inv.hdrs("Route"); !slices.Equal(got, []string{path, "<sip:inner.example;lr>"}) || !strings.HasPrefix(inv.first(), "INVITE sip:a@10.0.0.9:5060 ") {
			t.Errorf("%s", inv.raw)
		}
		edge.reply(inv, 180, "x", "")
		event[callctl.LegRang](leg)
		leg.leg.Hangup("normal", "")
		cancel := edge.request("CANCEL")
		if got := cancel.hdrs("Route"); len(got) != 2 {
			t.Errorf("%s", cancel.raw)
		}
		edge.reply(cancel, 200, "x", "")
		edge.reply(inv, 487, "x", "")
		if ack := edge.request("ACK"); len(ack.hdrs("Route")) != 2 { // RFC 3261 §17.1.1.3
			t.Errorf("%s", ack.raw)
		}
		event[callctl.LegEnded](leg)

		// Once there is a dialog its Record-Route counts (RFC 3261 §12.1.2).
		leg = h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv = edge.request("INVITE")
		edge.reply(inv, 200, "x", offer(), "Record-Route: <sip:"+edge.addr+";lr;dialog>")
		event[callctl.LegAnswered](leg)
		if ack := edge.request("ACK"); !slices.Equal(ack.hdrs("Route"), []string{"<sip:" + edge.addr + ";lr;dialog>"}) {
			t.Errorf("%s", ack.raw)
		}
		leg.leg.Hangup("normal", "")
		edge.reply(edge.request("BYE"), 200, "", "")
		event[callctl.LegEnded](leg)

		h.Message("rep1", "hello")
		m := edge.request("MESSAGE")
		edge.reply(m, 200, "", "")
		if len(m.hdrs("Route")) != 2 {
			t.Errorf("%s", m.raw)
		}
		// The proxy keeps the phone in reach, not we.
		p.quiet(80*time.Millisecond, func(m msg) bool { return m.method() == "OPTIONS" })
	})

	t.Run("by a proxy that is elsewhere than it says: where it spoke from", func(t *testing.T) {
		h := start(t)
		p, _, _ := behind(t, h, "Path: <sip:203.0.113.9;lr>")
		h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})
		inv := p.request("INVITE")
		p.reply(inv, 486, "x", "")
		if inv.hdr("Route") != "<sip:203.0.113.9;lr>" {
			t.Errorf("%s", inv.raw)
		}
	})

	t.Run("may be required, of the registrar only", func(t *testing.T) {
		h := start(t)
		p, k, _ := behind(t, h, "Require: path", "Path: <sip:edge.example;lr>")
		k.do("OPTIONS", "", "Require: path")
		if res := p.status("OPTIONS", 420); res.hdr("Unsupported") != "path" {
			t.Errorf("%s", res.raw)
		}
	})

	t.Run("nonsense is refused", func(t *testing.T) {
		h := start(t)
		p, k, _ := behind(t, h)
		k.do("REGISTER", "")
		ch := p.status("REGISTER", 401)
		for i, bad := range []string{"sip:edge.example;lr", "<tel:+34600>", "<sip:>", strings.Repeat("<sip:edge.example;lr>,", 9)} {
			try(p, k, ch, 400, "MD5", i+1, "pw1", "Path: "+bad)
		}
	})
}
