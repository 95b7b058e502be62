//go:build linux

package load

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Endpoint is one UDP socket that many calls share: all callers' or all phones'.
type Endpoint struct {
	Addr netip.AddrPort
	hub  netip.AddrPort
	conn *net.UDPConn
	done chan struct{}

	mu    sync.Mutex
	calls map[string]*Dialog // by Call-ID
	asked map[string]chan *Message

	// Rung is called with each new INVITE, from the socket's reader: it decides
	// whether the phone rings or answers. Set it before a call comes.
	Rung atomic.Pointer[func(*Dialog)]

	Again atomic.Int64 // messages that were sent again
}

var (
	epoch  = rand.Uint32()
	unique atomic.Int64
)

// NewEndpoint opens a socket to call the hub from.
func NewEndpoint(hub netip.AddrPort) (*Endpoint, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	_ = c.SetReadBuffer(4 << 20)
	if err := stamp(c); err != nil {
		return nil, err
	}
	e := &Endpoint{
		hub: hub, conn: c, Addr: c.LocalAddr().(*net.UDPAddr).AddrPort(), done: make(chan struct{}),
		calls: map[string]*Dialog{}, asked: map[string]chan *Message{},
	}
	go e.read()
	return e, nil
}

// stamp asks the kernel when datagrams came: this process may be slow to look.
func stamp(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var opt error
	err = raw.Control(func(fd uintptr) { opt = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1) })
	if err != nil {
		return err
	}
	return opt
}

// stampOf reads the time out of a datagram's control message: a cmsghdr of 16
// bytes, then a timespec. It is the only one asked for.
func stampOf(oob []byte) (time.Time, bool) {
	if len(oob) < 32 {
		return time.Time{}, false
	}
	return time.Unix(int64(binary.NativeEndian.Uint64(oob[16:])), int64(binary.NativeEndian.Uint64(oob[24:]))), true
}

func (e *Endpoint) read() {
	defer close(e.done)
	buf, oob := make([]byte, 65536), make([]byte, 64)
	for {
		n, on, _, _, err := e.conn.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			return
		}
		m, ok := readMessage(buf[:n])
		if !ok {
			continue
		}
		if m.Came, ok = stampOf(oob[:on]); !ok {
			m.Came = time.Now()
		}

		e.take(m)
	}
}

// Close ends the endpoint, but not its calls.
func (e *Endpoint) Close() {
	_ = e.conn.Close()
	<-e.done
}

func (e *Endpoint) send(b []byte) { _, _ = e.conn.WriteToUDPAddrPort(b, e.hub) }

func (e *Endpoint) take(m *Message) {
	id := m.Get("call-id")
	e.mu.Lock()
	d, asked := e.calls[id], e.asked[id]
	e.mu.Unlock()
	switch {
	case m.Status > 0 && asked != nil:
		select {
		case asked <- m:
		default:
		}
	case m.Status > 0 && d != nil:
		d.response(m)
	case m.Status > 0:
	case m.Method == "INVITE" && d == nil:
		d = e.invited(m)
		if f := e.Rung.Load(); f != nil {
			(*f)(d)
		} else {
			d.reply(m, 486, "Busy Here", "")
		}
	case d != nil:
		d.request(m)
	case m.Method != "ACK":
		(&Dialog{endpoint: e, tag: "t"}).reply(m, 481, "Call/Transaction Does Not Exist", "")
	}
}

func (e *Endpoint) add(d *Dialog) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls[d.id] = d
}

func (e *Endpoint) forget(d *Dialog) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.calls, d.id)
}

// Up are the calls that have not ended.
func (e *Endpoint) Up() (list []*Dialog) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range e.calls {
		select {
		case <-d.Over:
		default:
			list = append(list, d)
		}
	}
	return list
}

// Raw sends what need not be SIP.
func (e *Endpoint) Raw(b []byte) { e.send(b) }

func (e *Endpoint) callID() string { return fmt.Sprintf("%x-%d", epoch, unique.Add(1)) }

func branch() string { return fmt.Sprintf("z9hG4bK%x.%d", epoch, unique.Add(1)) }

// Register makes the hub know where an account's phone is.
func (e *Endpoint) Register(ctx context.Context, a *Account) error {
	id, answers := e.callID(), make(chan *Message, 4)
	e.mu.Lock()
	e.asked[id] = answers
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		delete(e.asked, id)
		e.mu.Unlock()
	}()
	uri := "sip:" + e.hub.String()
	for seq := 1; seq <= 3; seq++ {
		var s strings.Builder
		fmt.Fprintf(&s, "REGISTER %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=%s\r\nTo: <sip:%s@%s>\r\n"+
			"Call-ID: %s\r\nCSeq: %d REGISTER\r\nContact: <sip:%s@%s>\r\nExpires: 3600\r\n%s",
			uri, e.Addr, branch(), a.User, e.hub, a.User, a.User, e.hub, id, seq, a.User, e.Addr, a.authorization("REGISTER", uri))
		m, err := e.ask(ctx, finish(&s, ""), answers)
		switch {
		case err != nil:
			return fmt.Errorf("register %s: %w", a.User, err)
		case m.Status == 200:
			return nil
		case m.Status != 401 || !a.challenged(m):
			return fmt.Errorf("register %s: the hub said %d", a.User, m.Status)
		}
	}
	return fmt.Errorf("register %s: refused", a.User)
}

// ask sends a request until it is answered.
func (e *Endpoint) ask(ctx context.Context, b []byte, answers <-chan *Message) (*Message, error) {
	for wait := 500 * time.Millisecond; wait < 5*time.Second; wait *= 2 {
		e.send(b)
		select {
		case m := <-answers:
			return m, nil
		case <-time.After(wait):
			e.Again.Add(1)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return nil, fmt.Errorf("no answer")
}
