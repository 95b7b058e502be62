package media

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/media/g711"
)

// outbound is the stream to the remote. It is one stream for the life of the
// port: one SSRC, a sequence without gaps of our making, timestamps that advance
// with time, across every change of what is sent.
type outbound struct {
	mu     sync.Mutex // held while sending, so that packets leave in order
	closed bool

	ssrc uint32
	seq  uint16        // of the newest packet sent
	ts   uint32        // its timestamp
	at   time.Duration // when it was sent
	any  bool          // one was sent

	// What is added to a source's numbers to get ours.
	from     *feed
	fromSSRC uint32
	seqOff   uint16
	tsOff    uint32
	floor    uint16 // the source's first packet; what comes late from before is dropped
	conveyed uint64 // which of the source's last 64 packets were sent, the newest in the lowest bit

	keys  keying // digits being sent
	noise byte   // level of the partner's comfort noise, 0 before any

	guard *guard // nil: in the clear

	packets, octets uint32
	errors          uint64
	nextReport      time.Duration
	reported        uint32 // packets at the last report

	frame [headerSize + 320]byte
}

func (o *outbound) reset() {
	o.ssrc, o.seq, o.ts = rand.Uint32(), uint16(rand.Uint32()), rand.Uint32()
}

// after is the timestamp of something new sent now: at least a frame on, else by
// the time that passed.
func (o *outbound) after(r *remote, now time.Duration) uint32 {
	return o.ts + max(r.frame, o.passed(r, now))
}

// passed is the time since the newest packet, in timestamp units.
func (o *outbound) passed(r *remote, now time.Duration) uint32 {
	if !o.any {
		return 0
	}
	return uint32((now - o.at).Microseconds() * int64(r.codec.Clock) / 1e6)
}

// follow makes a packet of a source with these numbers the next of ours.
func (o *outbound) follow(f *feed, ssrc uint32, seq uint16, ts uint32, r *remote, now time.Duration) {
	o.from, o.fromSSRC = f, ssrc
	o.floor, o.conveyed = o.seq+1, 0
	o.seqOff = o.floor - seq
	o.tsOff = o.after(r, now) - ts
}

// forward sends on what the partner said: b is the packet as it came, h its
// header. The new header is written over the old, directly before the payload.
func (p *Port) forward(f *feed, b []byte, h header, src *remote, now time.Duration) {
	r := p.remote.Load()
	if r == nil || !r.dir.listens() || h.start == h.end {
		return
	}
	to := p.target.Load()
	if to == nil {
		return
	}
	switch {
	case h.pt == comfortNoise:
		p.hush(f, b, h, r, to, now)
	case sameCodec(src, r):
		p.pass(f, b, h, r.codec.PT, r, to, now)
	case src.code == codeUlaw && r.code == codeAlaw:
		g711.UlawToAlaw(b[h.start:h.end])
		p.pass(f, b, h, r.codec.PT, r, to, now)
	case src.code == codeAlaw && r.code == codeUlaw:
		g711.AlawToUlaw(b[h.start:h.end])
		p.pass(f, b, h, r.codec.PT, r, to, now)
	case src.code != codeNone && r.code.made():
		p.translate(f, b, h, src, r, to, now)
	default:
		p.untranslated.Add(1)
	}
}

// hush passes comfort noise on to who takes it (RFC 3389). For others the stream
// pauses, which is no loss.
func (p *Port) hush(f *feed, b []byte, h header, r *remote, to *destination, now time.Duration) {
	o := &p.out
	o.mu.Lock()
	defer o.mu.Unlock()
	f.translator.skip(h)
	switch {
	case o.closed || o.keys.sounding():
	case r.codec.CN && (f.translator == nil || f.translator.clock == int64(r.codec.Clock)):
		o.noise = b[h.start]
		p.convey(f, b[h.start-headerSize:h.end], h, comfortNoise, r, to, now)
	default:
		o.from = nil
	}
}

// pass sends a packet on. b has room for a header directly before the payload.
func (p *Port) pass(f *feed, b []byte, h header, pt uint8, r *remote, to *destination, now time.Duration) {
	o := &p.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.keys.sounding() {
		return
	}
	p.convey(f, b[h.start-headerSize:h.end], h, pt, r, to, now)
}

// convey sends b, which has room for a header at its beginning, with out.mu held.
func (p *Port) convey(f *feed, b []byte, h header, pt uint8, r *remote, to *destination, now time.Duration) {
	o := &p.out
	marker := h.marker
	if o.from != f || o.fromSSRC != h.ssrc || o.strayed(h, r) {
		o.follow(f, h.ssrc, h.seq, h.ts, r, now)
		marker = true
	}
	seq, ts := h.seq+o.seqOff, h.ts+o.tsOff
	if int16(seq-o.floor) < 0 || !o.once(seq) {
		return
	}
	put(b, marker, pt, seq, ts, o.ssrc)
	if int16(seq-o.seq) > 0 {
		o.seq, o.ts, o.at, o.any = seq, ts, now, true
	}
	p.transmit(b, to)
}

// once reports a packet that has not been sent yet. What comes twice is not sent
// twice: under SRTP other audio by the same number would lay both open (RFC 3711 §9.1).
func (o *outbound) once(seq uint16) bool {
	d := int(int16(seq - o.seq))
	if d > 0 {
		o.conveyed = o.conveyed<<d | 1
		return true
	}
	bit := uint64(1) << -d // 0 for what is too late to be remembered
	fresh := bit != 0 && o.conveyed&bit == 0
	o.conveyed |= bit
	return fresh
}

// strayed reports numbers that do not continue the source: it started anew.
func (o *outbound) strayed(h header, r *remote) bool {
	const packets, seconds = 3000, 60
	seq, ts := int32(int16(h.seq+o.seqOff-o.seq)), int64(int32(h.ts+o.tsOff-o.ts))
	limit := int64(seconds * r.codec.Clock)
	return seq > packets || seq < -packets || ts > limit || ts < -limit
}

// emit sends a frame of ours: music or a prompt. tick counts frames of 20 ms; one
// that was left out moves the timestamp and not the sequence.
func (p *Port) emit(f *feed, tick int64, s *sound, index int, now time.Duration) {
	r, to := p.remote.Load(), p.target.Load()
	if r == nil || to == nil || !r.dir.listens() {
		return
	}
	payload := s.frame(r.code, index)
	if payload == nil {
		p.untranslated.Add(1)
		return
	}
	o := &p.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.keys.sounding() {
		return
	}
	ts, marker := uint32(tick)*r.frame, false
	if o.from != f {
		o.follow(f, 0, 0, ts, r, now)
		marker = true
	}
	o.seq++
	o.ts, o.at, o.any = ts+o.tsOff, now, true
	put(o.frame[:], marker, r.codec.PT, o.seq, o.ts, o.ssrc)
	n := copy(o.frame[headerSize:], payload)
	p.transmit(o.frame[:headerSize+n], to)
}

// transmit counts and sends, with out.mu held.
func (p *Port) transmit(b []byte, to *destination) {
	octets := uint32(len(b) - headerSize)
	if g := p.out.guard; g != nil {
		var err error
		if b, err = g.seal(b); err != nil {
			return // no keys yet
		}
	}
	p.out.packets++
	p.out.octets += octets
	if err := p.rtp.send(b, to); err != nil {
		p.out.errors++
	}
}
