package sipua

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// Web is how browsers reach us: SIP over WebSocket (RFC 7118) behind the HTTP
// server, which ends TLS for wss.
type Web struct {
	// Origins are whose pages may connect, "https://desk.example.com" or a host,
	// beside those of the host they connect to; "*" is anybody's.
	Origins    []string
	Advertised string // host or host:port for Via and Contact; "" is the first interface's
}

// WebSocket takes connections of browsers. It serves one path and may be used
// before Start, when it answers 503.
func (s *Server) WebSocket() http.Handler { return http.HandlerFunc(s.upgrade) }

// upgrade checks who connects before anything is kept of them.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	refuse := func(code int, why string) {
		s.stats.webRefused.Add(1)
		http.Error(w, why, code)
	}
	switch {
	case err != nil:
		refuse(http.StatusBadRequest, "no address")
	case !s.upgrades.take(network(unmap(at).Addr())):
		w.Header().Set("Retry-After", "2")
		refuse(http.StatusTooManyRequests, "too many connections at once")
	case s.web.Load() == nil || s.isStopping():
		w.Header().Set("Retry-After", "5")
		refuse(http.StatusServiceUnavailable, "not ready")
	case r.Method != http.MethodGet || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		w.Header().Set("Upgrade", "websocket")
		refuse(http.StatusUpgradeRequired, "speak WebSocket here")
	case !s.originAllowed(r):
		refuse(http.StatusForbidden, "this page's origin is not allowed")
	case !offersSIP(r):
		refuse(http.StatusBadRequest, "offer the subprotocol sip")
	default:
		up := ws.HTTPUpgrader{Protocol: func(p string) bool { return p == "sip" }, Timeout: 5 * time.Second}
		c, rw, _, err := up.Upgrade(r, w)
		if err != nil {
			s.stats.webRefused.Add(1)
			return // answered by the upgrader
		}
		_ = c.SetDeadline(time.Time{})
		s.tp.acceptWeb(c, rw.Reader)
	}
}

// originAllowed keeps other sites' pages from using a browser's reach. Programs
// send no Origin; the digest is theirs to pass.
func (s *Server) originAllowed(r *http.Request) bool {
	o := r.Header.Get("Origin")
	if o == "" {
		return true
	}
	u, err := url.Parse(o)
	if err != nil || u.Host == "" {
		return slices.Contains(s.cfg.Web.Origins, "*")
	}
	return strings.EqualFold(u.Host, r.Host) || slices.ContainsFunc(s.cfg.Web.Origins, func(a string) bool {
		return a == "*" || strings.EqualFold(a, o) || strings.EqualFold(a, u.Host)
	})
}

// offersSIP says whether sip is among the subprotocols (RFC 7118 §4.1).
func offersSIP(r *http.Request) bool {
	for _, h := range r.Header.Values("Sec-Websocket-Protocol") {
		for p := range strings.SplitSeq(h, ",") {
			if strings.TrimSpace(p) == "sip" {
				return true
			}
		}
	}
	return false
}

// acceptWeb serves an upgraded connection until it ends.
func (t *transports) acceptWeb(c net.Conn, r *bufio.Reader) {
	s := newStream(c, "ws", t.limits)
	s.frame, s.ping = frameText, ws.CompiledPing
	if !t.add(s) {
		t.stats.streamsRefused.Add(1)
		_ = s.send(ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(1013, "too many connections"))))
		_ = c.Close()
		return
	}
	defer t.remove(s)
	t.guard(func() {
		if code, why := t.readWeb(s, r); code != 0 {
			_ = s.send(ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(code, why))))
		}
	})
}

// frameText puts a message into one frame. A browser ends a connection over text
// that is not UTF-8, which a peer's name may be; RFC 7118 §5 has binary for that.
func frameText(b []byte) []byte {
	if utf8.Valid(b) {
		return ws.MustCompileFrame(ws.NewTextFrame(b))
	}
	return ws.MustCompileFrame(ws.NewBinaryFrame(b))
}

// writerOf lets the answers to pings and closes keep their place among messages.
type writerOf struct{ *stream }

func (w writerOf) Write(b []byte) (int, error) { return len(b), w.send(b) }

// readWeb reads messages, whole or in fragments, and answers pings. It returns
// how to close the connection; 0 if it is closed already.
func (t *transports) readWeb(s *stream, r *bufio.Reader) (ws.StatusCode, string) {
	control := wsutil.ControlFrameHandler(writerOf{s}, ws.StateServerSide)
	rd := &wsutil.Reader{Source: r, State: ws.StateServerSide, MaxFrameSize: maxMessage, OnIntermediate: control}
	bad := 0
	for first := true; ; {
		wait := t.limits.webIdle
		if first {
			wait = t.limits.first
		}
		_ = s.SetReadDeadline(time.Now().Add(wait))
		h, err := rd.NextFrame()
		if err != nil {
			if errors.Is(err, wsutil.ErrFrameTooLarge) {
				return ws.StatusMessageTooBig, "message too long"
			}
			return 0, ""
		}
		s.hear()
		if h.OpCode.IsControl() {
			t.stats.keepAlives.Add(1)
			if err := control(h, rd); err != nil {
				return 0, ""
			}
			continue
		}
		data, err := io.ReadAll(io.LimitReader(rd, maxMessage+1))
		switch {
		case len(data) > maxMessage || errors.Is(err, wsutil.ErrFrameTooLarge):
			t.stats.parseDropped.Add(1)
			return ws.StatusMessageTooBig, "message too long"
		case err != nil:
			return 0, ""
		}
		if len(data) <= 4 && len(strings.Trim(string(data), "\r\n")) == 0 {
			t.stats.keepAlives.Add(1)
			if string(data) == "\r\n\r\n" { // RFC 5626 §3.5.1
				if s.send(frameText([]byte("\r\n"))) != nil {
					return 0, ""
				}
			}
			continue
		}
		if !t.admit(s.peer.Addr(), data) {
			t.stats.filtered.Add(1)
			return ws.StatusPolicyViolation, "refused"
		}
		if t.take(data, "ws", s.peer.String(), s) {
			first = false
		} else if bad++; bad >= 10 {
			return ws.StatusPolicyViolation, "speak SIP here"
		}
	}
}

// webFlow finds where a phone that lost its connection is now: it registered
// again with the same Contact or the same instance (RFC 5626 §4.2).
func (s *Server) webFlow(d *Dialog) (string, error) {
	u, _, ok := uriOf("<" + d.Target + ">")
	if ok {
		if remote := s.registrar.webSource(u.User, u.Host); remote != "" && s.tp.stream("ws", remote) != nil {
			return remote, nil
		}
	}
	return "", fmt.Errorf("dialog %s: %w", d.CallID, &NoFlowError{Transport: "ws", Remote: d.Flow.Remote})
}
