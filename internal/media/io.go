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
	// time but while hurry changes. The bytes are the receiver's until it returns, to
	// rewrite as it likes. Nobody is in a hurry at first.
	open(at netip.AddrPort, deliver func(b []byte, from netip.AddrPort)) (socket, error)
	// stop closes what is still open and waits for the readers.
	stop()
}

// socket is one bound UDP socket.
type socket interface {
	// send never blocks. Not to be called after close: the owner's lock sees to it.
	send(b []byte, to *destination) error
	// hurry says whether somebody waits for what arrives: then it is delivered within
	// relayTick, else within drainTick.
	hurry(yes bool)
	// connect binds the socket to a destination, the only one that it then hears; nil
	// unbinds it. Sending there costs a seventh less. It is best effort.
	connect(to *destination)
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
	// A reader waits after each round, so that the packets of many calls are read in
	// one: a round costs one wake-up instead of one per packet. What is said in a
	// conversation is late by at most relayTick. What a parked caller sends is heard
	// by nobody: but for keys it is only counted.
	relayTick = time.Millisecond
	drainTick = 4 * time.Millisecond
)
