package sipua_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
)

// front is an HTTP server with the hub behind a path, as an app has it.
func (h *hub) front() string {
	mux := http.NewServeMux()
	mux.Handle("/sip", h.WebSocket())
	srv := httptest.NewServer(mux)
	h.t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// connect upgrades a connection as a browser does.
func connect(t *testing.T, front string, change ...func(*ws.Dialer)) (net.Conn, error) {
	t.Helper()
	d := ws.Dialer{Protocols: []string{"sip"}, Timeout: patience}
	for _, f := range change {
		f(&d)
	}
	c, _, _, err := d.Dial(t.Context(), "ws://"+front+"/sip")
	if err != nil {
		return nil, err
	}
	return c, nil
}

// webPeer is a browser: what arrives in frames is handed over as messages.
func webPeer(t *testing.T, front string) *peer {
	t.Helper()
	c, err := connect(t, front)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, web: c, addr: "x" + unique() + ".invalid;transport=ws", got: make(chan msg, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			b, op, err := wsutil.ReadServerData(c)
			if err != nil {
				return
			}
			if op == ws.OpText || op == ws.OpBinary {
				p.got <- msg{string(b), time.Now()}
			}
		}
	}()
	t.Cleanup(func() { _ = c.Close(); <-done })
	return p
}

func origin(o string) func(*ws.Dialer) {
	return func(d *ws.Dialer) { d.Header = ws.HandshakeHeaderHTTP{"Origin": {o}} }
}

func TestWebSocketUpgrade(t *testing.T) {
	h := start(t, func(c *sipua.Config) { c.Web.Origins = []string{"https://desk.example.com"} })
	front := h.front()
	for _, c := range []struct {
		what   string
		change func(*ws.Dialer)
		good   bool
	}{
		{"a program", func(*ws.Dialer) {}, true},
		{"a page of this host", origin("http://" + front), true},
		{"a page that is allowed", origin("https://desk.example.com"), true},
		{"another's page", origin("https://evil.example.com"), false},
		{"a page without origin", origin("null"), false},
		{"no subprotocol", func(d *ws.Dialer) { d.Protocols = nil }, false},
		{"another subprotocol", func(d *ws.Dialer) { d.Protocols = []string{"chat"} }, false},
	} {
		conn, err := connect(t, front, c.change)
		if (err == nil) != c.good {
			t.Errorf("%s: %v", c.what, err)
		}
		if conn != nil {
			_ = conn.Close()
		}
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+front+"/sip", nil)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("a plain GET got %d", res.StatusCode)
	}

	t.Run("a silent connection keeps nobody out", func(t *testing.T) {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", front)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		p := webPeer(t, front)
		p.talk("a", "b").do("OPTIONS", "")
		p.status("OPTIONS", 200)
	})

	t.Run("nobody may connect without end", func(t *testing.T) {
		refused := false
		for range 400 {
			c, err := connect(t, front)
			if err != nil {
				refused = strings.Contains(err.Error(), "429")
				break
			}
			_ = c.Close()
		}
		if !refused {
			t.Error("400 connections at once were taken")
		}
	})
}

func TestWebSocketCalls(t *testing.T) {
	h := start(t)
	front := h.front()
	p := webPeer(t, front)
	instance := `;+sip.instance="<urn:uuid:1>"`
	p.register("rep1", "pw1", "300", instance)

	t.Run("a browser is rung over its connection", func(t *testing.T) {
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		if !strings.HasPrefix(inv.hdr("Via"), "SIP/2.0/WS ") || !strings.Contains(inv.hdr("Contact"), "transport=ws") {
			t.Errorf("%s", inv.raw)
		}
		p.reply(inv, 200, "x", offer())
		event[callctl.LegAnswered](leg)
		p.request("ACK")

		// The browser's network changes: it connects and registers again, with
		// the same instance, and the call goes on there.
		_ = p.web.Close()
		until(t, func() bool { return h.Stats().Bindings == 0 })
		q := webPeer(h.t, front)
		q.addr = p.addr
		q.register("rep1", "pw1", "300", instance)
		if h.Stats().Bindings != 1 {
			t.Errorf("%d bindings", h.Stats().Bindings)
		}
		leg.leg.Hangup(call.Normal, "")
		q.reply(q.request("BYE"), 200, "", "")
		event[callctl.LegEnded](leg)
		p = q
	})

	t.Run("a browser calls and its answers find the way after it moved", func(t *testing.T) {
		k := p.talk("rep1", "700")
		k.do("INVITE", offer())
		ch := p.status("INVITE", 401)
		k.ackFailure(ch)
		k.do("INVITE", offer(), authorization(ch, "INVITE", k.target, "rep1", "pw1", "SHA-256", 1))
		leg, in := h.incoming()
		if in.Agent != "rep1" || in.Trunk != "" {
			t.Errorf("%+v", in)
		}
		leg.leg.Answer(callctl.Party{})
		k.up(p.status("INVITE", 200))
		k.ack("")
		event[callctl.LegAnswered](leg)

		q := webPeer(h.t, front)
		q.addr = p.addr
		_ = p.web.Close()
		k.p = q
		k.do("OPTIONS", "") // in the dialog, over the new connection, before any REGISTER
		q.status("OPTIONS", 200)
		leg.leg.Hangup(call.Normal, "")
		q.reply(q.request("BYE"), 200, "", "")
		event[callctl.LegEnded](leg)
		p = q
	})

	t.Run("nobody is a trunk by connecting from its address", func(t *testing.T) {
		k := p.talk("+34600000001", "700")
		k.do("INVITE", offer())
		k.ackFailure(p.status("INVITE", 403))
	})

	t.Run("a browser that is gone cannot be rung", func(t *testing.T) {
		p.register("rep1", "pw1", "300", instance)
		_ = p.web.Close()
		until(t, func() bool { return h.Stats().Bindings == 0 })
		if _, err := h.Dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{}); err == nil {
			t.Error("dialled")
		}
	})
}

func TestWebSocketFrames(t *testing.T) {
	h := start(t)
	front := h.front()
	raw := func(t *testing.T) (net.Conn, *talk) {
		t.Helper()
		c, err := connect(t, front)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		return c, (&peer{t: t, web: c, addr: "x.invalid"}).talk("a", "b")
	}
	options := func(k *talk, pad int) string {
		return k.message("OPTIONS", "z9hG4bK"+unique(), 1, "", "X-Pad: "+strings.Repeat("p", pad))
	}
	answered := func(t *testing.T, c net.Conn) {
		t.Helper()
		b, err := wsutil.ReadServerText(c)
		if err != nil || !strings.HasPrefix(string(b), "SIP/2.0 200") {
			t.Errorf("%v %s", err, b)
		}
	}
	write := func(t *testing.T, c net.Conn, fs ...ws.Frame) {
		t.Helper()
		for _, f := range fs {
			if err := ws.WriteFrame(c, ws.MaskFrame(f)); err != nil {
				t.Fatal(err)
			}
		}
	}

	t.Run("binary", func(t *testing.T) {
		c, k := raw(t)
		write(t, c, ws.NewBinaryFrame([]byte(options(k, 1))))
		answered(t, c)
	})
	t.Run("fragments with a ping between", func(t *testing.T) {
		c, k := raw(t)
		m := []byte(options(k, 500))
		write(t, c, ws.NewFrame(ws.OpText, false, m[:100]), ws.NewFrame(ws.OpContinuation, false, m[100:200]), ws.NewPingFrame([]byte("hey")), ws.NewFrame(ws.OpContinuation, true, m[200:]))
		f, err := ws.ReadFrame(c)
		if err != nil || f.Header.OpCode != ws.OpPong || string(f.Payload) != "hey" {
			t.Errorf("%+v %v", f, err)
		}
		answered(t, c)
	})
	t.Run("60 kB", func(t *testing.T) {
		c, k := raw(t)
		write(t, c, ws.NewTextFrame([]byte(options(k, 60000))))
		answered(t, c)
	})
	t.Run("too long closes", func(t *testing.T) {
		for _, final := range []bool{true, false} {
			c, k := raw(t)
			_ = ws.WriteFrame(c, ws.MaskFrame(ws.NewFrame(ws.OpText, final, []byte(options(k, 65400)))))
			if !final {
				_ = ws.WriteFrame(c, ws.MaskFrame(ws.NewFrame(ws.OpContinuation, true, bytes.Repeat([]byte("x"), 60000))))
			}
			// What is left unread may reset the connection before its close is heard.
			if f, err := ws.ReadFrame(c); err == nil && f.Header.OpCode != ws.OpClose {
				t.Errorf("%+v", f)
			}
		}
	})
	t.Run("keep-alive", func(t *testing.T) {
		c, k := raw(t)
		write(t, c, ws.NewTextFrame([]byte("\r\n\r\n")))
		if b, err := wsutil.ReadServerText(c); err != nil || string(b) != "\r\n" {
			t.Errorf("%v %q", err, b)
		}
		write(t, c, ws.NewTextFrame([]byte(options(k, 1))))
		answered(t, c)
	})
	t.Run("nonsense is answered if it can be, and ends it when repeated", func(t *testing.T) {
		c, k := raw(t)
		bad := strings.Replace(options(k, 1), "sip:b@", "sip:b@:::", 1)
		for range 10 {
			write(t, c, ws.NewTextFrame([]byte(bad)))
		}
		for range 10 {
			if b, err := wsutil.ReadServerText(c); err != nil || !strings.HasPrefix(string(b), "SIP/2.0 400") {
				t.Fatalf("%v %s", err, b)
			}
		}
		f, err := ws.ReadFrame(c)
		if err != nil || f.Header.OpCode != ws.OpClose {
			t.Errorf("%+v %v", f, err)
		}
	})
	t.Run("unmasked frames end it", func(t *testing.T) {
		c, k := raw(t)
		if err := ws.WriteFrame(c, ws.NewTextFrame([]byte(options(k, 1)))); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err == nil {
			t.Error("answered")
		}
	})
}

func TestWebSocketBeforeStart(t *testing.T) {
	s := sipua.New(sipua.Config{})
	srv := httptest.NewServer(s.WebSocket())
	defer srv.Close()
	_, _, _, err := ws.Dialer{Protocols: []string{"sip"}}.Dial(context.Background(), "ws://"+srv.Listener.Addr().String())
	if err == nil || !strings.Contains(fmt.Sprint(err), "503") {
		t.Errorf("%v", err)
	}
}
