package sipua

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// socket is an open UDP listener.
type socket struct {
	*net.UDPConn
	at netip.AddrPort
}

// datagrams is the way to one peer over a socket. It is made for a message and
// kept by its transaction, so nothing is remembered of who merely sent something.
type datagrams struct {
	socket *socket
	peer   netip.AddrPort
}

var _ sip.Connection = (*datagrams)(nil)

func (d *datagrams) LocalAddr() net.Addr    { return d.socket.LocalAddr() }
func (d *datagrams) Ref(int) int            { return 1 }
func (d *datagrams) TryClose() (int, error) { return 1, nil }
func (d *datagrams) Close() error           { return nil }

// WriteMsg sends to the peer, whatever the message names as its destination:
// answers go where the request came from (RFC 3581), and the ACK that the state
// machine makes goes where its INVITE went (RFC 3261 §17.1.1.2).
func (d *datagrams) WriteMsg(m sip.Message) error { return d.write([]byte(m.String())) }

func (d *datagrams) write(b []byte) error {
	to := d.peer
	if d.socket.at.Addr().Is6() && to.Addr().Is4() {
		to = netip.AddrPortFrom(netip.AddrFrom16(to.Addr().As16()), to.Port())
	}
	if _, err := d.socket.WriteToUDPAddrPort(b, to); err != nil {
		return fmt.Errorf("send to %s from %s: %w", d.peer, d.socket.at, err)
	}
	return nil
}

// addSocket makes a socket known as one to send from.
func (t *transports) addSocket(s *socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sockets = append(t.sockets, s)
}

// dropSocket forgets a closed socket.
func (t *transports) dropSocket(s *socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, x := range t.sockets {
		if x == s {
			t.sockets = append(t.sockets[:i:i], t.sockets[i+1:]...)
			return
		}
	}
}

// readUDP reads until an error: net.ErrClosed, or one worth another try.
func (t *transports) readUDP(s *socket) error {
	buf := make([]byte, maxMessage)
	for {
		n, from, err := s.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return net.ErrClosed
			}
			return fmt.Errorf("read from UDP %s: %w", s.at, err)
		}
		peer := unmap(from)
		if !t.admit(peer.Addr(), buf[:n]) {
			t.stats.filtered.Add(1)
			continue
		}
		d := &datagrams{socket: s, peer: peer}
		if n <= 4 {
			t.stats.keepAlives.Add(1)
			if bytes.Equal(buf[:n], []byte("\r\n\r\n")) {
				_ = d.write([]byte("\r\n")) // RFC 5626 §4.4.1, which phones do over UDP too
			}
			continue
		}
		t.take(buf[:n], "udp", peer.String(), d)
	}
}
