package media

import (
	"encoding/binary"
	"strings"
	"time"
)

// keypad is the events 0 to 15 of RFC 4733 §3.2.
const keypad = "0123456789*#ABCD"

// keyHearing finds the keys in telephone-event packets. All packets of one press
// carry one timestamp, and that is what tells presses apart: a key counts with
// the first packet that is heard of it, whatever becomes of the others.
type keyHearing struct {
	any      bool
	ssrc, ts uint32
	seq      uint16 // of the newest packet
	event    byte
	duration uint16
	ended    bool
}

// hear returns the key that begins with this packet, 0 if none does.
func (k *keyHearing) hear(h header, payload []byte) rune {
	if len(payload) < 4 || int(payload[0]) >= len(keypad) {
		return 0
	}
	event, end, duration := payload[0], payload[1]&0x80 != 0, binary.BigEndian.Uint16(payload[2:])
	if k.any && h.ssrc == k.ssrc {
		since, ahead := int32(h.ts-k.ts), int16(h.seq-k.seq)
		if ahead > 0 {
			k.seq = h.seq
		}
		if since == 0 {
			k.duration, k.ended = max(k.duration, duration), k.ended || end
			return 0
		}
		if since < 0 && ahead < 0 && ahead > -100 {
			return 0 // late, from an earlier press; else timestamps began anew
		}
		if !k.ended && event == k.event && uint32(since) == uint32(k.duration) && duration < k.duration {
			// RFC 4733 §2.5.1.3: a press longer than a duration can say goes on in a new segment.
			k.ts, k.duration, k.ended = h.ts, duration, end
			return 0
		}
	}
	*k = keyHearing{any: true, ssrc: h.ssrc, ts: h.ts, seq: h.seq, event: event, duration: duration, ended: end}
	return rune(keypad[event])
}

const (
	keyFrames = 5 // 100 ms of tone
	gapFrames = 3 // 60 ms between keys; RFC 4733 leaves it open, receivers want 50
	endCopies = 3 // RFC 4733 §2.5.1.4
	volume    = 10
)

// keying is the keys being sent, one packet per beat of the wheel.
type keying struct {
	queue  []byte // events
	active bool
	event  byte
	ts     uint32
	sent   uint32 // frames of the event
	gap    int
}

// sounding reports whether audio has to keep quiet for a key.
func (k *keying) sounding() bool { return k.active || len(k.queue) > 0 }

func (k *keying) pending() bool { return k.sounding() || k.gap > 0 }

// SendDTMF presses keys towards the remote, as telephone-events of 100 ms with
// 60 ms between them; what is no key is left out. Audio pauses meanwhile. Where
// telephone-event was not negotiated nothing is sent.
func (p *Port) SendDTMF(keys string) {
	r := p.remote.Load()
	if r == nil || r.codec.DTMFPT == 0 || !r.dir.listens() {
		return
	}
	p.out.mu.Lock()
	for _, key := range keys {
		if i := strings.IndexRune(keypad, key); i >= 0 && len(p.out.keys.queue) < 64 {
			p.out.keys.queue = append(p.out.keys.queue, byte(i))
		}
	}
	p.out.mu.Unlock()
	p.wheel.enlist(p)
}

// key sends what is due of a key; false when there is none.
func (p *Port) key(now time.Duration) bool {
	o := &p.out
	o.mu.Lock()
	defer o.mu.Unlock()
	k := &o.keys
	if !k.pending() || o.closed {
		return false
	}
	r, to := p.remote.Load(), p.target.Load()
	if r == nil || to == nil || r.codec.DTMFPT == 0 || !r.dir.listens() {
		*k = keying{}
		return false
	}
	if !k.active {
		if k.gap > 0 {
			k.gap--
			return k.pending()
		}
		k.active, k.event, k.sent, k.ts = true, k.queue[0], 0, o.after(r, now)
		k.queue = append(k.queue[:0], k.queue[1:]...)
		o.ts, o.at, o.any, o.from = k.ts, now, true, nil
	}
	k.sent++
	copies, flags := 1, byte(volume)
	if k.sent == keyFrames {
		copies, flags = endCopies, volume|0x80
		k.active, k.gap = false, gapFrames
	}
	b := o.frame[:headerSize+4]
	b[headerSize], b[headerSize+1] = k.event, flags
	binary.BigEndian.PutUint16(b[headerSize+2:], uint16(k.sent*r.frame))
	for range copies {
		o.seq++
		// The marker begins the event (§2.5.1.2).
		put(b, k.sent == 1, r.codec.DTMFPT, o.seq, k.ts, o.ssrc)
		p.transmit(b, to)
	}
	return true
}
