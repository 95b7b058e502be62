//go:build linux

package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const (
	ticks    = 20 // of a millisecond each: every stream sends in one of them
	payload  = 160
	rtpBytes = 12 + payload
	mark     = "CYBN" // begins the payload of what we send; 16 hex digits of the time follow
)

// Engine sends and receives all RTP on one thread, once a millisecond, so that
// the generator costs little and disturbs the hub less. When packets came is
// what the kernel says.
type Engine struct {
	mu    sync.Mutex // held during a tick
	sides []*Side
	quit  chan struct{}
	done  chan struct{}

	batch [64]received
}

// received is room for one datagram, as recvmmsg(2) wants it.
type received struct {
	from    syscall.RawSockaddrInet4
	iov     syscall.Iovec
	buf     [2048]byte
	control [64]byte
}

type mmsghdr struct {
	hdr syscall.Msghdr
	n   uint32
	_   [4]byte
}

// Side is a few sockets that many legs share. The hub sees one peer address; we
// tell legs apart by the hub's port.
type Side struct {
	engine *Engine
	fds    []int
	rtcp   []int // held so that nobody else gets what is sent there; never read
	ports  []int
	wheel  [ticks][]*Talker
	heard  [65536]*stream // by the hub's port
	count  bool           // whether arrivals are recorded
	sent   int
	marked int
	delays Spread // of marked packets, in ms
}

// Talker sends one leg's audio.
type Talker struct {
	side   *Side
	fd     int
	to     syscall.RawSockaddrInet4
	packet [rtpBytes]byte
	seq    uint16
	stamp  uint32
	quiet  bool
}

// NewEngine makes one without sockets.
func NewEngine() (*Engine, error) {
	return &Engine{quit: make(chan struct{}), done: make(chan struct{})}, nil
}

// Side opens n sockets. Call it before start.
func (e *Engine) Side(n int) (*Side, error) {
	s := &Side{engine: e}
	e.sides = append(e.sides, s)
	for len(s.fds) < n {
		// The even port of a pair; the kernel gives out any, so ask until it fits.
		fd, port, err := bind(0)
		if err != nil {
			return nil, err
		}
		if port%2 == 1 {
			_ = syscall.Close(fd)
			continue
		}
		other, _, err := bind(port + 1)
		if errors.Is(err, syscall.EADDRINUSE) {
			_ = syscall.Close(fd)
			continue
		}
		if err != nil {
			return nil, err
		}
		s.fds, s.rtcp, s.ports = append(s.fds, fd), append(s.rtcp, other), append(s.ports, port)
	}
	return s, nil
}

func bind(port int) (fd, bound int, err error) {
	fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("RTP socket: %w", err)
	}
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<20)
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4<<20)
	err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil {
		_ = syscall.Close(fd)
		return 0, 0, fmt.Errorf("RTP port %d: %w", port, err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, 0, fmt.Errorf("RTP port: %w", err)
	}
	return fd, sa.(*syscall.SockaddrInet4).Port, nil
}

// Port is the RTP port for the i-th leg.
func (s *Side) Port(i int) int { return s.ports[i%len(s.ports)] }

// Start begins to send and receive.
func (e *Engine) Start() { go e.run() }

// Stop ends it and closes the sockets.
func (e *Engine) Stop() {
	close(e.quit)
	<-e.done
	for _, s := range e.sides {
		for i := range s.fds {
			_, _ = syscall.Close(s.fds[i]), syscall.Close(s.rtcp[i])
		}
	}
}

func (e *Engine) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(e.done)
	var headers [len(e.batch)]mmsghdr
	for i := range e.batch {
		r := &e.batch[i]
		r.iov = syscall.Iovec{Base: &r.buf[0], Len: uint64(len(r.buf))}
		headers[i].hdr = syscall.Msghdr{Name: (*byte)(unsafe.Pointer(&r.from)), Iov: &r.iov, Iovlen: 1}
	}
	next := time.Now()
	for tick := 0; ; tick++ {
		select {
		case <-e.quit:
			return
		default:
		}
		e.mu.Lock()
		for _, s := range e.sides {
			s.talk(tick % ticks)
			for _, fd := range s.fds {
				e.receive(s, fd, headers[:])
			}
		}
		e.mu.Unlock()
		next = next.Add(time.Millisecond)
		if d := time.Until(next); d > 0 {
			ts := syscall.NsecToTimespec(int64(d))
			_ = syscall.Nanosleep(&ts, nil) // this thread is ours; a Go timer would wake another
		} else if d < -200*time.Millisecond {
			next = time.Now()
		}
	}
}

// receive takes what has come to a socket.
func (e *Engine) receive(s *Side, fd int, headers []mmsghdr) {
	for {
		for i := range headers {
			h := &headers[i].hdr
			h.Namelen = syscall.SizeofSockaddrInet4
			h.Control = &e.batch[i].control[0]
			h.Controllen = uint64(len(e.batch[i].control))
		}
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&headers[0])), uintptr(len(headers)), syscall.MSG_DONTWAIT, 0, 0)
		if errno != 0 {
			return
		}
		for i := range int(n) {
			r := &e.batch[i]
			if came, ok := stampOf(r.control[:headers[i].hdr.Controllen]); ok {
				s.took(r.from.Port>>8|r.from.Port<<8, r.buf[:headers[i].n], came.UnixNano())
			}
		}
		if int(n) < len(headers) {
			return
		}
	}
}

// Talker starts to send a leg's audio, from the port that its SDP named, to the
// hub's. From another the hub would not listen to it for long.
func (s *Side) Talker(from int, to netip.AddrPort) *Talker {
	t := &Talker{side: s, fd: s.fds[slices.Index(s.ports, from)], seq: uint16(rand.IntN(30000)), stamp: rand.Uint32()}
	t.to = syscall.RawSockaddrInet4{Family: syscall.AF_INET, Port: to.Port()>>8 | to.Port()<<8, Addr: to.Addr().As4()}
	t.packet[0] = 0x80
	binary.BigEndian.PutUint32(t.packet[8:], rand.Uint32())
	for i := 12; i < rtpBytes; i++ {
		t.packet[i] = 0xff // silence in µ-law
	}
	copy(t.packet[12:], mark)
	slot := rand.IntN(ticks)
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	s.wheel[slot] = append(s.wheel[slot], t)
	return t
}

// Hush ends it.
func (t *Talker) Hush() {
	t.side.engine.mu.Lock()
	defer t.side.engine.mu.Unlock()
	t.quiet = true
}

// talk sends what is due in a tick.
func (s *Side) talk(tick int) {
	now := time.Now().UnixNano()
	still := s.wheel[tick][:0]
	for _, t := range s.wheel[tick] {
		if t.quiet {
			continue
		}
		still = append(still, t)
		t.seq++
		t.stamp += payload
		binary.BigEndian.PutUint16(t.packet[2:], t.seq)
		binary.BigEndian.PutUint32(t.packet[4:], t.stamp)
		writeTime(t.packet[16:32], now)
		_, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(t.fd), uintptr(unsafe.Pointer(&t.packet[0])), rtpBytes,
			syscall.MSG_DONTWAIT, uintptr(unsafe.Pointer(&t.to)), syscall.SizeofSockaddrInet4)
		if errno == 0 && s.count {
			s.sent++
		}
	}
	s.wheel[tick] = still
}
