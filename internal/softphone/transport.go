package softphone

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// peer is where a message goes to or came from: an address, and its connection
// when it came over one.
type peer struct {
	addr string
	conn net.Conn
}

// listen opens the phone's socket: UDP, or a TCP listener beside which
// connections are dialled as needed.
func (p *Phone) listen() error {
	address := net.JoinHostPort(p.cfg.LocalIP, "0")
	if p.tcp() {
		l, err := net.Listen("tcp", address) //nolint:noctx // an address of our own: nothing to wait for
		if err != nil {
			return fmt.Errorf("listen on %s: %w", address, err)
		}
		p.listener, p.addr = l, l.Addr().String()
		p.wg.Go(p.accept)
		return nil
	}
	at, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	c, err := net.ListenUDP("udp", at)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	p.socket, p.addr = c, c.LocalAddr().String()
	p.wg.Go(p.readDatagrams)
	return nil
}

// tcp is a transport with connections, TLS included.
func (p *Phone) tcp() bool { return strings.EqualFold(p.cfg.Transport, "tcp") || p.tls() }

func (p *Phone) tls() bool { return strings.EqualFold(p.cfg.Transport, "tls") }

// dial connects. Whoever answers is believed: a phone of tests has no authorities.
func (p *Phone) dial(addr string) (net.Conn, error) {
	d := &net.Dialer{Timeout: 2 * time.Second}
	if p.tls() {
		return tls.DialWithDialer(d, "tcp", addr, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec,noctx // as said; has its time
	}
	return d.Dial("tcp", addr)
}

func (p *Phone) readDatagrams() {
	buf := make([]byte, 65535)
	for {
		n, from, err := p.socket.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of an earlier write
		}
		p.receive(bytes.Clone(buf[:n]), peer{addr: from.String()})
	}
}

func (p *Phone) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.adopt(c)
		p.mu.Unlock()
	}
}

// adopt keeps and reads a connection until it ends. The lock is held.
func (p *Phone) adopt(c net.Conn) {
	if p.closed {
		_ = c.Close()
		return
	}
	addr := c.RemoteAddr().String()
	p.conns[addr] = c
	p.wg.Go(func() {
		p.readStream(c)
		_ = c.Close()
		p.mu.Lock()
		if p.conns[addr] == c {
			delete(p.conns, addr)
		}
		p.mu.Unlock()
	})
}

// readStream cuts a stream into messages by Content-Length (RFC 3261 §18.3).
func (p *Phone) readStream(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		var raw bytes.Buffer
		length := 0
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if raw.Len() == 0 && strings.TrimSpace(line) == "" {
				continue // keep-alive, RFC 5626 §3.5.1
			}
			raw.WriteString(line)
			if strings.TrimSpace(line) == "" {
				break
			}
			name, value, _ := strings.Cut(line, ":")
			if canonical(strings.TrimSpace(name)) == "content-length" {
				length, _ = strconv.Atoi(strings.TrimSpace(value))
			}
		}
		if length < 0 || length > 1<<20 {
			return
		}
		if _, err := io.CopyN(&raw, r, int64(length)); err != nil {
			return
		}
		p.receive(raw.Bytes(), peer{addr: c.RemoteAddr().String(), conn: c})
	}
}

// send writes a message, unless the test drops it. The lock is held.
func (p *Phone) send(m *Message, to peer) {
	if p.drop != nil && p.drop(m) {
		return
	}
	if err := p.write(m.bytes(), to); err != nil {
		p.log.Debug("softphone did not send", "method", m.Method, "status", m.Status, "err", err)
	}
}

func (p *Phone) write(raw []byte, to peer) error {
	if !p.tcp() {
		addr, err := net.ResolveUDPAddr("udp", to.addr)
		if err != nil {
			return fmt.Errorf("resolve %s: %w", to.addr, err)
		}
		_, err = p.socket.WriteToUDP(raw, addr)
		return err
	}
	c := to.conn
	if c == nil {
		c = p.conns[to.addr]
	}
	if c == nil {
		var err error
		if c, err = p.dial(to.addr); err != nil {
			return fmt.Errorf("connect to %s: %w", to.addr, err)
		}
		p.adopt(c)
	}
	if err := c.SetWriteDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	_, err := c.Write(raw)
	return err
}

// reach is the address behind a URI. Names are not looked up: whoever is not an
// IP address is behind the hub.
func (p *Phone) reach(uri string) peer {
	_, hostport := splitURI(uri)
	host, _, _ := net.SplitHostPort(hostport)
	if net.ParseIP(host) == nil {
		return peer{addr: p.cfg.Hub}
	}
	return peer{addr: hostport}
}

// replyTo is where the answer to a request goes: RFC 3581 §4 with rport, else
// RFC 3261 §18.2.2, the port of the Via.
func replyTo(req *Message) peer {
	if req.source.conn != nil {
		return req.source
	}
	via := req.Header.Get("Via")
	params := parseParams(via)
	if _, ok := params["rport"]; ok {
		return req.source
	}
	_, sentBy, _ := strings.Cut(via, " ")
	sentBy, _, _ = strings.Cut(strings.TrimSpace(sentBy), ";")
	_, port, err := net.SplitHostPort(strings.TrimSpace(sentBy))
	if err != nil {
		port = "5060"
	}
	host, _, _ := net.SplitHostPort(req.source.addr)
	return peer{addr: net.JoinHostPort(host, port)}
}
