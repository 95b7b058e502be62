package media

import "encoding/binary"

const (
	headerSize      = 12
	framesPerSecond = 50 // 20 ms each, whatever the remote's ptime
	// comfortNoise is the static payload type of RFC 3389.
	comfortNoise = 13
)

// header is what is used of an RTP header (RFC 3550 §5.1). The payload lies
// between start and end of the packet.
type header struct {
	marker     bool
	pt         uint8
	seq        uint16
	ts, ssrc   uint32
	start, end int
}

// parse reads a header; false for what is no RTP packet.
func parse(b []byte) (h header, ok bool) {
	if len(b) < headerSize || b[0]>>6 != 2 {
		return h, false
	}
	h = header{
		marker: b[1]&0x80 != 0, pt: b[1] & 0x7f,
		seq: binary.BigEndian.Uint16(b[2:]), ts: binary.BigEndian.Uint32(b[4:]), ssrc: binary.BigEndian.Uint32(b[8:]),
		start: headerSize + 4*int(b[0]&0x0f), end: len(b),
	}
	if b[0]&0x10 != 0 { // extension
		if len(b) < h.start+4 {
			return h, false
		}
		h.start += 4 + 4*int(binary.BigEndian.Uint16(b[h.start+2:]))
	}
	if b[0]&0x20 != 0 { // padding: its last byte counts it, itself included
		h.end -= int(b[len(b)-1])
		if b[len(b)-1] == 0 {
			return h, false
		}
	}
	return h, h.start <= h.end
}

// isRTCP tells RTCP from RTP on a shared port (RFC 5761 §4).
func isRTCP(b []byte) bool { return len(b) > 1 && b[1] >= 192 && b[1] <= 223 }

// put writes a header without contributors or extensions.
func put(b []byte, marker bool, pt uint8, seq uint16, ts, ssrc uint32) {
	b[0], b[1] = 0x80, pt
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], ssrc)
}
