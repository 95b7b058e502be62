package media

import (
	"errors"
	"net"
	"net/netip"
	"sync"
)

// plain is the portable network: the runtime's own poller, a goroutine per socket.
type plain struct {
	readers sync.WaitGroup
	mu      sync.Mutex // guards sockets
	sockets map[*plainSocket]struct{}
}

func newPlain() *plain { return &plain{sockets: map[*plainSocket]struct{}{}} }

func (n *plain) open(at netip.AddrPort, deliver func([]byte, netip.AddrPort)) (socket, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	s := &plainSocket{UDPConn: c, network: n}
	n.mu.Lock()
	n.sockets[s] = struct{}{}
	n.mu.Unlock()
	n.readers.Go(func() { s.read(deliver) })
	return s, nil
}

func (n *plain) stop() {
	n.mu.Lock()
	open := n.sockets
	n.sockets = map[*plainSocket]struct{}{}
	n.mu.Unlock()
	for s := range open {
		_ = s.Close()
	}
	n.readers.Wait()
}

type plainSocket struct {
	*net.UDPConn
	network *plain
}

func (s *plainSocket) read(deliver func([]byte, netip.AddrPort)) {
	buf := make([]byte, largest)
	for {
		n, from, err := s.ReadFromUDPAddrPort(buf)
		if err != nil && n == 0 {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP error of an earlier packet
		}
		deliver(buf[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
}

func (s *plainSocket) send(b []byte, to *destination) error {
	_, err := s.WriteToUDPAddrPort(b, to.addr)
	return err
}

// hurry does nothing: the runtime reads what comes as it comes.
func (s *plainSocket) hurry(bool) {}

// connect does nothing: net does not do it to a socket that is bound.
func (s *plainSocket) connect(*destination) {}

func (s *plainSocket) close() {
	s.network.mu.Lock()
	delete(s.network.sockets, s)
	s.network.mu.Unlock()
	_ = s.Close()
}
