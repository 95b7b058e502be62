package sipua_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/sipua"
)

func TestLargeMessages(t *testing.T) {
	h := start(t)

	t.Run("20 kB over TCP", func(t *testing.T) {
		p := tcpPeer(t, h.tcp)
		p.talk("a", "b").do("OPTIONS", strings.Repeat("x", 20000), "Content-Type: text/plain")
		p.status("OPTIONS", 200)
	})

	t.Run("3.5 kB over UDP, in fragments", func(t *testing.T) {
		p := udpPeer(t, h.udp)
		p.talk("a", "b").do("OPTIONS", strings.Repeat("x", 3500), "Content-Type: text/plain")
		p.status("OPTIONS", 200)
	})

	t.Run("more than anybody needs is refused", func(t *testing.T) {
		for _, c := range []struct {
			length string
			code   int
		}{{"70000", 513}, {"99999999999999999999", 400}, {"-1", 400}} {
			p := tcpPeer(t, h.tcp)
			m := p.talk("a", "b").message("OPTIONS", "z9hG4bK"+unique(), 1, "")
			p.send(strings.Replace(m, "Content-Length: 0", "Content-Length: "+c.length, 1))
			p.status("OPTIONS", c.code)
			<-p.ended
		}
	})

	t.Run("a large request goes over the TCP connection that a phone has", func(t *testing.T) {
		p := h.phone(t, "rep1", "pw1")
		text := strings.Repeat("word ", 500)
		h.Message("rep1", text)
		if m := p.request("MESSAGE"); len(m.body()) != len(text) {
			t.Errorf("%d bytes came in fragments", len(m.body()))
		}
		if n := h.Stats().Fragmented; n != 1 {
			t.Errorf("%d fragmented", n)
		}
		at, _ := net.ResolveTCPAddr("tcp", p.addr)
		c, err := (&net.Dialer{LocalAddr: at}).DialContext(t.Context(), "tcp", h.tcp)
		if err != nil {
			t.Fatal(err)
		}
		q := streamPeer(t, c)
		q.talk("a", "b").do("OPTIONS", "") // it is known from here on
		q.status("OPTIONS", 200)
		h.Message("rep1", text)
		if m := q.request("MESSAGE"); !strings.HasPrefix(m.hdr("Via"), "SIP/2.0/TCP ") {
			t.Errorf("Via %s", m.hdr("Via"))
		}
	})
}

// TestPasswordSpraying: an address that tries many names is stopped as well as
// one that tries many passwords of one name.
func TestPasswordSpraying(t *testing.T) {
	c := &clock{t: time.Unix(1e9, 0)}
	h := start(t, func(cfg *sipua.Config) { cfg.Now = c.now })
	p := udpPeer(t, h.udp)
	k := p.talk("rep1", "rep1")
	k.target = "sip:" + p.hubAddr()
	k.do("REGISTER", "")
	ch := p.status("REGISTER", 401)
	for i := range 100 {
		x := p.talk(fmt.Sprintf("rep%d", i+10), fmt.Sprintf("rep%d", i+10))
		x.target = k.target
		x.do("REGISTER", "", authorization(ch, "REGISTER", k.target, x.from, "guess", "MD5", i+1))
		p.status("REGISTER", 401)
	}
	k.do("REGISTER", "", authorization(ch, "REGISTER", k.target, "rep1", "pw1", "MD5", 200))
	p.status("REGISTER", 403)
	c.add(10 * time.Second)
	k.do("REGISTER", "", authorization(ch, "REGISTER", k.target, "rep1", "pw1", "MD5", 201))
	p.status("REGISTER", 200)
}
