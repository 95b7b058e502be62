package media

import (
	"net/netip"
	"time"
)

// network opens sockets and reads them. There are two: raw sockets on a few
// epoll loops (Linux), and plain net with a goroutine per socket. Both pass the
// same tests; a third, such as io_uring, would have to.
type network interface {
	// open binds a socket and has what arrives on it delivered, one packet at a
	// time. The bytes are the receiver's until it returns, to rewrite as it likes.
	open(at netip.AddrPort, deliver func(b []byte, from netip.AddrPort)) (socket, error)
	// stop closes what is still open and waits for the readers.
	stop()
}

// socket is one bound UDP socket.
type socket interface {
	// send never blocks. Not to be called after close: the owner's lock sees to it.
	send(b []byte, to *destination) error
	// close returns at once; a packet that is being read may still be delivered.
	close()
}

// destination is an address in the forms that the networks need, made when it
// changes and not per packet.
type destination struct {
	addr netip.AddrPort
	raw  rawAddress
}

const (
	// largest is the most of a datagram that is read: RTP of speech is far smaller.
	largest = 2048
	// drainTick is how long a reader waits after a round, so that the packets of
	// many calls are read in one: at most this much is added to the delay of a
	// bridged call, and a round costs one wake-up instead of one per packet.
	drainTick = time.Millisecond
)
