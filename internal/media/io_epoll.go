//go:build linux && (amd64 || arm64 || riscv64)

package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// epoll is the network for Linux: raw sockets, outside the runtime's poller,
// which would wake a goroutine for each packet. Each loop reads the sockets that
// it was given, those of parked callers in loops of their own; reading and sending
// allocate nothing.
type epoll struct {
	calm, brisk []*epollLoop
	next        atomic.Uint32
	running     sync.WaitGroup
}

func newFast(loops int) (network, error) {
	n := &epoll{}
	for i := range 2 * loops {
		to, tick := &n.calm, drainTick
		if i%2 == 1 {
			to, tick = &n.brisk, relayTick
		}
		l, err := newEpollLoop(tick)
		if err != nil {
			n.stop()
			return nil, err
		}
		*to = append(*to, l)
		n.running.Go(l.run)
	}
	return n, nil
}

func (n *epoll) open(at netip.AddrPort, deliver func([]byte, netip.AddrPort)) (socket, error) {
	fd, err := bindRaw(at)
	if err != nil {
		return nil, err
	}
	i := int(n.next.Add(1)) % len(n.calm)
	s := &rawSocket{fd: fd, bound: at, loop: n.calm[i], calm: n.calm[i], brisk: n.brisk[i], deliver: deliver}
	if err := s.loop.add(s); err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	return s, nil
}

func (n *epoll) stop() {
	for _, l := range slices.Concat(n.calm, n.brisk) {
		l.mu.Lock()
		l.stopped = true
		l.wake()
		l.mu.Unlock()
	}
	n.running.Wait()
}

func bindRaw(at netip.AddrPort) (int, error) {
	family := syscall.AF_INET
	if at.Addr().Is6() {
		family = syscall.AF_INET6
	}
	fd, err := syscall.Socket(family, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	var sa syscall.Sockaddr = &syscall.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
	// Expedited forwarding (RFC 3246) for speech; a network that has no use for it ignores it.
	const expedited = 0xb8
	if family == syscall.AF_INET {
		sa = &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_TOS, expedited)
	} else {
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_TCLASS, expedited)
		if at.Addr().IsUnspecified() { // for both, whatever the machine's default is
			_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0)
			_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_TOS, expedited)
		}
	}
	if err := syscall.Bind(fd, sa); err != nil {
		_ = syscall.Close(fd)
		return 0, os.NewSyscallError("bind", err)
	}
	return fd, nil
}

// epollLoop is one reader, which waits for tick after each round.
type epollLoop struct {
	tick          time.Duration
	ep            int
	alarm, siren  int // a pipe: what is written to siren wakes the loop at alarm
	mu            sync.Mutex
	sockets       map[int32]*rawSocket // guarded by mu
	stopped       bool                 // guarded by mu
	buf           [largest]byte        // the rest is the goroutine's own
	from          syscall.RawSockaddrInet6
	fromLen       uint32
	events        [256]syscall.EpollEvent
	ready         [256]*rawSocket
	alarmDraining [64]byte
}

func newEpollLoop(tick time.Duration) (*epollLoop, error) {
	ep, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC); err != nil {
		_ = syscall.Close(ep)
		return nil, os.NewSyscallError("pipe2", err)
	}
	l := &epollLoop{tick: tick, ep: ep, alarm: pipe[0], siren: pipe[1], sockets: map[int32]*rawSocket{}}
	if err := l.watch(l.alarm); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

func (l *epollLoop) watch(fd int) error {
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(l.ep, syscall.EPOLL_CTL_ADD, fd,
		&syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}))
}

func (l *epollLoop) add(s *rawSocket) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return fmt.Errorf("media reader: %w", os.ErrClosed)
	}
	l.sockets[int32(s.fd)] = s
	if err := l.watch(s.fd); err != nil {
		delete(l.sockets, int32(s.fd))
		return err
	}
	return nil
}

// drop lets go of a socket; it may still be being read.
func (l *epollLoop) drop(s *rawSocket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sockets[int32(s.fd)] == s {
		delete(l.sockets, int32(s.fd))
		_ = syscall.EpollCtl(l.ep, syscall.EPOLL_CTL_DEL, s.fd, nil)
	}
}

// wake ends the loop's waiting. With mu held, so that the pipe is still there.
func (l *epollLoop) wake() { _, _ = syscall.Write(l.siren, []byte{1}) }

func (l *epollLoop) run() {
	defer l.release()
	for {
		n, err := syscall.EpollWait(l.ep, l.events[:], -1)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return // only a bug of ours: EBADF or EINVAL
		}
		n = l.resolve(max(n, 0))
		// One packet per socket and round: a flood on one does not starve the others.
		for _, s := range l.ready[:n] {
			l.read(s)
		}
		clear(l.ready[:n])
		if l.over() {
			return
		}
		time.Sleep(l.tick)
	}
}

// resolve turns events into sockets, all under one lock.
func (l *epollLoop) resolve(n int) (ready int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ev := range l.events[:n] {
		if s := l.sockets[ev.Fd]; s != nil {
			l.ready[ready] = s
			ready++
		} else if ev.Fd == int32(l.alarm) {
			_, _ = syscall.Read(l.alarm, l.alarmDraining[:])
		}
	}
	return ready
}

// over reports that the loop is to end.
func (l *epollLoop) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

func (l *epollLoop) release() {
	l.mu.Lock()
	left := slices.Collect(maps.Values(l.sockets))
	l.mu.Unlock()
	for _, s := range left { // a socket's lock comes before its loop's
		s.close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	_ = syscall.Close(l.alarm)
	_ = syscall.Close(l.siren)
	_ = syscall.Close(l.ep)
}

func (l *epollLoop) read(s *rawSocket) {
	l.fromLen = uint32(unsafe.Sizeof(l.from))
	s.mu.Lock()
	if s.closed { // its number may be another's by now
		s.mu.Unlock()
		return
	}
	// Raw, as the call does not block: the scheduler need not hear of it.
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&l.buf[0])), largest,
		syscall.MSG_DONTWAIT, uintptr(unsafe.Pointer(&l.from)), uintptr(unsafe.Pointer(&l.fromLen)))
	s.mu.Unlock()
	if errno != 0 {
		return
	}
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&l.from.Port))[:])
	var ip netip.Addr
	if l.from.Family == syscall.AF_INET {
		ip = netip.AddrFrom4((*syscall.RawSockaddrInet4)(unsafe.Pointer(&l.from)).Addr)
	} else {
		ip = netip.AddrFrom16(l.from.Addr).Unmap()
	}
	s.deliver(l.buf[:n], netip.AddrPortFrom(ip, port))
}

type rawSocket struct {
	fd          int
	bound       netip.AddrPort
	calm, brisk *epollLoop
	deliver     func([]byte, netip.AddrPort)

	mu     sync.Mutex // guards what follows, and the descriptor against being closed while it is read
	loop   *epollLoop // the one of the two that reads it
	closed bool

	peer *destination // connected to; the owner's, as send and connect are called with its lock held
}

func (s *rawSocket) send(b []byte, to *destination) error {
	if len(b) == 0 {
		return nil
	}
	var address, size uintptr
	if to != s.peer {
		address, size = uintptr(unsafe.Pointer(&to.raw.b[0])), uintptr(to.raw.n)
	}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		syscall.MSG_DONTWAIT, address, size)
	if errno != 0 {
		return errno
	}
	return nil
}

func (s *rawSocket) connect(to *destination) {
	if to == s.peer || s.bound.Addr().IsUnspecified() {
		// Of a machine's several addresses the kernel would choose one, and no longer
		// hear what is sent to the one that the peer was told.
		return
	}
	address := rawAddress{n: syscall.SizeofSockaddrInet4} // of zeros: AF_UNSPEC
	if to != nil {
		address = to.raw
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_CONNECT, uintptr(s.fd), uintptr(unsafe.Pointer(&address.b[0])), uintptr(address.n))
	s.peer = nil
	if errno == 0 {
		s.peer = to
	}
}

func (s *rawSocket) hurry(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := s.calm
	if yes {
		to = s.brisk
	}
	if s.closed || s.loop == to {
		return
	}
	if err := to.add(s); err != nil {
		return // it stays where it is
	}
	s.loop.drop(s)
	s.loop = to
}

func (s *rawSocket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.loop.drop(s)
		s.closed = true
		_ = syscall.Close(s.fd)
	}
}

// rawAddress is a sockaddr_in or sockaddr_in6 as the kernel reads it.
type rawAddress struct {
	b [syscall.SizeofSockaddrInet6]byte
	n int
}

func rawAddressOf(a netip.AddrPort, v6 bool) (r rawAddress) {
	family := uint16(syscall.AF_INET)
	r.n = syscall.SizeofSockaddrInet4
	if v6 {
		family, r.n = syscall.AF_INET6, syscall.SizeofSockaddrInet6
		ip := a.Addr().As16() // an IPv4 address becomes a mapped one
		copy(r.b[8:], ip[:])
	} else if a.Addr().Unmap().Is4() {
		ip := a.Addr().Unmap().As4()
		copy(r.b[4:], ip[:])
	}
	binary.NativeEndian.PutUint16(r.b[0:], family)
	binary.BigEndian.PutUint16(r.b[2:], a.Port())
	return r
}
