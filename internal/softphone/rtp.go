package softphone

import (
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"time"
)

// packet is RFC 3550 §5.1, without CSRC, padding or extension.
func (a *audio) packet(payloadType byte, stamp uint32, marker bool, payload []byte) {
	b := make([]byte, 12, 12+len(payload))
	b[0], b[1] = 0x80, payloadType
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], a.seq)
	binary.BigEndian.PutUint32(b[4:], stamp)
	binary.BigEndian.PutUint32(b[8:], a.ssrc)
	a.seq++
	a.heard.stats.Sent++
	if b = a.sdes.seal(append(b, payload...)); b != nil {
		_, _ = a.conn.WriteToUDP(b, a.to) // a lost packet is a lost packet
	}
}

// read hears until the socket is closed.
func (a *audio) read() {
	buf := make([]byte, 2048)
	for {
		n, from, err := a.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			a.receive(buf[:n], from.String(), time.Now())
		}
	}
}

func (a *audio) receive(b []byte, from string, now time.Time) {
	// RFC 5761 §4: payload types 64 to 95 are RTCP.
	if len(b) < 12 || b[0]>>6 != 2 || (b[1]&0x7F >= 64 && b[1]&0x7F < 96) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if b = a.sdes.open(b); b == nil {
		return // not from whom has the key: not heard
	}
	start := 12 + 4*int(b[0]&0x0F)
	if b[0]&0x10 != 0 {
		if len(b) < start+4 {
			return
		}
		start += 4 + 4*int(binary.BigEndian.Uint16(b[start+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 {
		end -= int(b[end-1])
	}
	if start >= end {
		return
	}
	payloadType, payload := b[1]&0x7F, b[start:end]
	seq, stamp, ssrc := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])

	defer a.bell.ring()
	a.heard.packet(ssrc, seq, from, now)
	i := slices.IndexFunc(a.codecs, func(c codec) bool { return c.payload == payloadType })
	switch {
	case i >= 0:
		a.heard.sound(a.codecs[i].decode, payload, now)
	case payloadType == defaultEvent || int(payloadType) == a.event:
		a.heard.key(ssrc, stamp, payload)
	}
}
