package sipua_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/sipua"
)

// lines counts what is logged, and keeps it.
type lines struct {
	mu sync.Mutex
	n  int
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	return l.b.Write(b)
}

func (l *lines) read() (int, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n, l.b.String()
}

// TestFloodOfManySources: whoever sends something is not remembered, and what
// they send is not logged.
func TestFloodOfManySources(t *testing.T) {
	var log lines
	h := start(t, func(c *sipua.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	to, err := net.ResolveUDPAddr("udp", h.udp)
	if err != nil {
		t.Fatal(err)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	garbage := []string{
		"OPTIONS sip:x SIP/2.0\r\nSECRET-PAYLOAD without a colon and so on and on\r\n\r\n",
		"INVITE sip:100@x SIP/2.0\r\nVia: SIP/2.0/UDP 1.2.3.4;branch=z9hG4bKSECRET-PAYLOAD%d\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: %d\r\nCSeq: 1 REGISTER\r\n\r\n",
		"SECRET-PAYLOAD, which is no SIP at all, but long enough to be something\r\n\r\n",
	}
	const sources = 20000
	for i := range sources {
		c, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 1+byte(i>>14), byte(i>>7)&127, 1+byte(i&127))}, to)
		if err != nil {
			t.Fatal(err)
		}
		m := garbage[i%len(garbage)]
		if strings.Contains(m, "%d") {
			m = fmt.Sprintf(m, i, i)
		}
		_, _ = c.Write([]byte(m))
		_ = c.Close()
		if i%200 == 199 { // not more than the socket's buffer holds
			h.alive(t)
		}
	}
	h.alive(t)
	st := h.Stats()
	if got := st.Filtered + st.Unparsable + st.Requests; got < sources {
		t.Errorf("only %d of %d arrived", got, sources)
	}
	if after := heap(); after > before+32<<20 {
		t.Errorf("heap grew from %d to %d bytes", before, after)
	}
	if n, text := log.read(); n > 30 || strings.Contains(text, "SECRET-PAYLOAD") {
		t.Errorf("%d lines were logged:\n%s", n, text[:min(len(text), 2000)])
	}
}

// alive asks OPTIONS from a new socket.
func (h *hub) alive(t *testing.T) {
	t.Helper()
	p := udpPeer(t, h.udp)
	p.talk("a", "b").do("OPTIONS", "")
	p.status("OPTIONS", 200)
	_ = p.udp.Close()
}

func TestListenersAreStartedAgain(t *testing.T) {
	h := start(t)
	h.CloseSockets()
	until(t, func() bool { return h.Stats().Restarts >= 2 })
	answers := func(transport string) bool {
		if transport == "tcp" {
			c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", h.tcp)
			if err == nil {
				_ = c.Close()
			}
			return err == nil
		}
		p := udpPeer(t, h.udp)
		p.talk("a", "b").do("OPTIONS", "")
		select {
		case <-p.got:
			return true
		case <-time.After(50 * time.Millisecond):
			return false
		}
	}
	until(t, func() bool { return answers("udp") && answers("tcp") })
	h.alive(t)
}

func TestHealth(t *testing.T) {
	h := start(t, func(c *sipua.Config) { c.HealthEvery = 10 * time.Millisecond })
	until(t, func() bool { return h.Stats().Requests > 6 })
	if err := h.Health(); err != nil {
		t.Error(err)
	}
	t.Run("a flood is no illness", func(t *testing.T) {
		h := start(t, func(c *sipua.Config) { c.HealthEvery, c.RequestsPerS = 10*time.Millisecond, 0.001 })
		until(t, func() bool { return h.Stats().Shed > 10 })
		if err := h.Health(); err != nil {
			t.Error(err)
		}
	})
	t.Run("one that does not answer is named", func(t *testing.T) {
		h := start(t, func(c *sipua.Config) { c.HealthEvery, c.PacketsPerS = 10*time.Millisecond, 0.001 })
		until(t, func() bool { return h.Health() != nil })
		if err := h.Health(); !strings.Contains(err.Error(), "does not answer") {
			t.Error(err)
		}
	})
}

type panicky struct{ accounts }

func (p panicky) Account(user string) (sipua.Account, bool) {
	if user == "boom" {
		panic("boom")
	}
	return p.accounts.Account(user)
}

func TestPanicEndsTheMessageOnly(t *testing.T) {
	h := start(t, func(c *sipua.Config) {
		c.Accounts = panicky{accounts{"rep1": account("rep1", "pw1")}}
		c.Log = slog.New(slog.DiscardHandler)
	})
	p := udpPeer(t, h.udp)
	p.talk("boom", "700").do("INVITE", offer())
	until(t, func() bool { return h.Stats().Panics == 1 })
	h.alive(t)
}
