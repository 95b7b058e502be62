package media

import (
	"net/netip"
	"time"
)

const (
	latchWindow = 5 * time.Second // after an answer
	latchRun    = 4               // consecutive packets of one source
)

// latch decides whose packets are listened to. The address in SDP is right until
// another source has proved itself: soon after an answer, with four consecutive
// packets of one SSRC and a negotiated type, from the host of the SDP or of the
// signalling (or from anywhere when the remote is known to be behind NAT). Then
// it is locked, so that nobody can draw a call's audio to themselves by sending
// to its port ("RTP bleed").
type latch struct {
	until  time.Duration
	locked bool
	nat    bool
	sdp    netip.Addr
	signal netip.Addr

	candidate netip.AddrPort
	ssrc      uint32
	next      uint16
	run       int
}

// open lets a source prove itself from now on. What was protected has proved
// already whom it is from.
func (l *latch) open(r *remote, now time.Duration) {
	*l = latch{until: now + latchWindow, nat: r.opts.NAT || r.guard != nil, sdp: r.addr.Addr(), signal: r.opts.Signalling.Unmap()}
}

// admit says whether the packet is listened to, and whether its source is where
// audio is to be sent from now on.
func (l *latch) admit(from netip.AddrPort, current *destination, h header, now time.Duration) (admitted, moved bool) {
	expected := current != nil && from == current.addr
	if l.locked || now > l.until {
		return expected, false
	}
	if !expected && !l.nat && from.Addr() != l.sdp && from.Addr() != l.signal {
		return false, false
	}
	if from == l.candidate && h.ssrc == l.ssrc && h.seq == l.next {
		l.run++
	} else {
		l.candidate, l.ssrc, l.run = from, h.ssrc, 1
	}
	l.next = h.seq + 1
	if l.run < latchRun {
		return expected, false
	}
	l.locked = true
	return true, !expected
}
