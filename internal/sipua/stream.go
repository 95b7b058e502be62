package sipua

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// stream is an open connection: TCP, TLS or WebSocket. It ends when its reader
// does; who wants to end it closes the net.Conn.
type stream struct {
	net.Conn
	transport string // "tcp", "tls", "ws"
	peer      netip.AddrPort
	ours      bool // we dialled
	timeout   time.Duration
	frame     func([]byte) []byte // around a message; nil: as it is
	ping      []byte              // keeps NATs open; answered by any peer
	heard     atomic.Int64        // unix ns of the last bytes read
	writeMu   sync.Mutex
}

var _ sip.Connection = (*stream)(nil)

func newStream(c net.Conn, transport string, limits streamLimits) *stream {
	s := &stream{Conn: c, transport: transport, timeout: limits.write, ping: []byte("\r\n\r\n")}
	if ap, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		s.peer = unmap(ap)
	}
	return s
}

func (s *stream) key() streamKey { return streamKey{s.transport, s.peer.String()} }

// Ref and TryClose are how the library counts users of a connection; ours stay
// open until they are idle or the peer ends them.
func (s *stream) Ref(int) int            { return 1 }
func (s *stream) TryClose() (int, error) { return 1, nil }

// WriteMsg sends a message. A peer that takes nothing for a while loses its
// connection: half a message cannot be taken back.
func (s *stream) WriteMsg(m sip.Message) error {
	b := []byte(m.String())
	if s.frame != nil {
		b = s.frame(b)
	}
	return s.send(b)
}

func (s *stream) hear() { s.heard.Store(time.Now().UnixNano()) }

func (s *stream) send(b []byte) error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	_ = s.SetWriteDeadline(time.Now().Add(s.timeout))
	if _, err := s.Write(b); err != nil {
		_ = s.Close()
		return fmt.Errorf("send to %s over %s: %w", s.peer, s.transport, err)
	}
	return nil
}

var (
	errTooLong   = errors.New("message too long")
	errNoEnd     = errors.New("the end of the message cannot be known")
	errTooSilent = errors.New("nothing came")
)

// accept serves one connection of a listener.
func (t *transports) accept(c net.Conn, transport string) {
	s := newStream(c, transport, t.limits)
	if !t.add(s) {
		t.stats.streamsRefused.Add(1)
		_ = c.Close()
		return
	}
	defer t.remove(s)
	t.guard(func() { t.readStream(s) })
}

// dial opens a stream to a peer and reads from it.
func (t *transports) dial(ctx context.Context, key streamKey, to netip.AddrPort, req *sip.Request) (*stream, error) {
	d := net.Dialer{}
	if ip, ok := netip.AddrFromSlice(req.Laddr.IP); ok && !ip.IsUnspecified() && ip.Unmap().Is4() == to.Addr().Is4() {
		// Carriers know us by our address: it leaves from the interface chosen.
		d.LocalAddr = &net.TCPAddr{IP: req.Laddr.IP}
	}
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", to, err)
	}
	if key.transport == "tls" {
		if c, err = t.secure(ctx, c, to, req); err != nil {
			return nil, err
		}
	}
	s := newStream(c, key.transport, t.limits)
	s.ours = true
	if !t.add(s) {
		_ = c.Close()
		return nil, errShut
	}
	go func() {
		defer t.remove(s)
		t.guard(func() { t.readStream(s) })
	}()
	return s, nil
}

// readStream reads messages until the stream ends or cannot be made sense of.
func (t *transports) readStream(s *stream) {
	r := bufio.NewReaderSize(s, 4096)
	bad := 0
	for n := 0; ; n++ {
		wait := t.limits.idle
		if n == 0 && !s.ours {
			wait = t.limits.first
		}
		data, err := t.next(s, r, wait)
		if len(data) > 0 && err != nil {
			t.stats.parseDropped.Add(1)
			code, reason := 400, "Bad Request"
			if errors.Is(err, errTooLong) {
				code, reason = 513, "Message Too Large"
			}
			if res := complaint(data, code, reason); res != nil {
				_ = s.WriteMsg(res)
			}
		}
		if err != nil {
			return
		}
		if !t.admit(s.peer.Addr(), data) {
			t.stats.filtered.Add(1)
			return // a scanner, or one who floods: over a stream nothing can be skipped
		}
		if !t.take(data, s.transport, s.peer.String(), s) {
			if bad++; bad >= 10 {
				return
			}
		}
	}
}

// next reads one message by its Content-Length (RFC 3261 §18.3) and answers
// keep-alives before it (RFC 5626 §3.5.1). With an error come the headers, if
// they were read.
func (t *transports) next(s *stream, r *bufio.Reader, wait time.Duration) ([]byte, error) {
	_ = s.SetReadDeadline(time.Now().Add(wait))
	var blank []byte
	for {
		b, err := r.ReadByte()
		if err != nil {
			return nil, errTooSilent
		}
		s.hear()
		if b == '\r' || b == '\n' || b == 0 {
			if blank = append(blank, b); string(blank) == "\r\n\r\n" {
				t.stats.keepAlives.Add(1)
				if err := s.send([]byte("\r\n")); err != nil {
					return nil, err
				}
				blank = nil
				_ = s.SetReadDeadline(time.Now().Add(wait))
			}
			if len(blank) > 4 {
				blank = nil
			}
			continue
		}
		_ = r.UnreadByte()
		break
	}
	_ = s.SetReadDeadline(time.Now().Add(t.limits.whole))
	var head bytes.Buffer
	length, given := 0, false
	for first := true; ; first = false {
		at := head.Len()
		if err := readLine(r, &head); err != nil {
			return head.Bytes(), err
		}
		line := head.Bytes()[at:]
		if first && !bytes.Contains(line, []byte("SIP/")) {
			return head.Bytes(), errNoEnd
		}
		if len(line) == 2 {
			break
		}
		name, val, _ := strings.Cut(string(line), ":")
		if n := strings.ToLower(strings.TrimSpace(name)); n != "content-length" && n != "l" {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(val), 10, 31)
		if err != nil || (given && int(n) != length) {
			length = -1
		} else if length >= 0 {
			length = int(n)
		}
		given = true
	}
	switch {
	case length < 0:
		return head.Bytes(), errNoEnd
	case length+head.Len() > maxMessage:
		return head.Bytes(), errTooLong
	case !given:
		// Peers older than RFC 3261 give none: what came with it is its body.
		return mend(append(head.Bytes(), peek(r)...)), nil
	}
	if _, err := io.CopyN(&head, r, int64(length)); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return head.Bytes(), nil
}

// peek takes what has been read ahead.
func peek(r *bufio.Reader) []byte {
	b, _ := r.Peek(r.Buffered())
	out := bytes.Clone(b)
	_, _ = r.Discard(len(b))
	return out
}

// readLine adds a line, with its CRLF, to head.
func readLine(r *bufio.Reader, head *bytes.Buffer) error {
	for {
		part, err := r.ReadSlice('\n')
		head.Write(part)
		if head.Len() > maxMessage {
			return errTooLong
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return fmt.Errorf("read: %w", err)
		case bytes.HasSuffix(head.Bytes(), []byte("\r\n")):
			return nil
		}
	}
}
