package media

import "time"

const (
	// waits is how many packets may be held back for one that is missing: 60 ms.
	waits = 3
	// heldAtMost is how long, when no other follows.
	heldAtMost = waits * time.Second / framesPerSecond
)

// translator turns one direction of a conversation into another codec. It has no
// clock of its own: packets that come in order leave at once. As decoders go by
// order, what comes behind a gap waits for it, but for no more than three packets;
// what is missing then stays missing, for the far end to see and conceal.
//
// It belongs to the feed that a Join made, and is touched with the out.mu of the
// port that sends held.
type translator struct {
	from, to   coding
	clock      int64 // of the source's timestamps
	decoder    *decoder
	encoder    *encoder
	pcm        []int16
	out        []byte
	began      bool
	ssrc       uint32
	next       uint16 // the sequence that is due
	lastTS, ts uint32 // of the newest, in the source's clock and in ours
	held       [waits]held
	holding    int
	since      time.Duration // when the first of those held came
}

// held is a packet that came before its turn.
type held struct {
	h header
	b [mostOfAFrame]byte
	n int
}

func newTranslator(src, r *remote) *translator {
	return &translator{
		from: src.code, to: r.code, clock: int64(src.codec.Clock),
		decoder: newDecoder(src.code, r.code.sampled()), encoder: newEncoder(r.code),
		pcm: make([]int16, 0, mostSamples), out: make([]byte, headerSize, headerSize+mostSamples),
	}
}

// translate sends on what the partner said in another codec.
func (p *Port) translate(f *feed, b []byte, h header, src, r *remote, to *destination, now time.Duration) {
	o := &p.out
	o.mu.Lock()
	defer o.mu.Unlock()
	t := f.translator
	if t == nil || t.from != src.code || t.to != r.code || t.clock != int64(src.codec.Clock) {
		t = newTranslator(src, r)
		f.translator = t
	}
	payload := b[h.start:h.end]
	if !t.began || t.ssrc != h.ssrc {
		t.began, t.ssrc, t.next, t.lastTS, t.ts, t.holding = true, h.ssrc, h.seq, h.ts, h.ts, 0
	}
	switch ahead := int16(h.seq - t.next); {
	case ahead < -100 || ahead > waits: // it started anew, or too much is gone to wait for
		p.flush(f, t, r, to, now)
	case ahead < 0:
		p.untranslated.Add(1) // too late
		return
	case ahead > 0 && len(payload) <= mostOfAFrame:
		if t.holding == waits { // only by repetition
			return
		}
		if t.holding == 0 {
			t.since = now
		}
		x := &t.held[t.holding]
		x.h, x.n = h, copy(x.b[:], payload)
		t.holding++
		if t.holding == waits {
			p.flush(f, t, r, to, now)
		}
		return
	}
	p.say(f, t, h, payload, r, to, now)
	for i := t.due(); i >= 0; i = t.due() {
		p.sayHeld(f, t, i, r, to, now)
	}
}

// skip tells that a packet of the sequence is none to translate, and not missing.
func (t *translator) skip(h header) {
	if t != nil && t.began && t.ssrc == h.ssrc && h.seq == t.next {
		t.next++
	}
}

// due is the held packet whose turn it is, -1 if none.
func (t *translator) due() int {
	for i := range t.holding {
		if t.held[i].h.seq == t.next {
			return i
		}
	}
	return -1
}

// relieve says what is held when nothing has come that it waits for: the speaker
// pauses, and the end of a word is not to begin the next.
func (p *Port) relieve(now time.Duration) {
	f, r, to := p.feed.Load(), p.remote.Load(), p.target.Load()
	if f.kind != feedPartner || r == nil || to == nil || !r.dir.listens() {
		return
	}
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	if t := f.translator; t != nil && t.holding > 0 && t.to == r.code && now-t.since >= heldAtMost {
		p.flush(f, t, r, to, now)
	}
}

// flush says all that is held, in order.
func (p *Port) flush(f *feed, t *translator, r *remote, to *destination, now time.Duration) {
	for t.holding > 0 {
		first := 0
		for i := range t.holding {
			if int16(t.held[i].h.seq-t.held[first].h.seq) < 0 {
				first = i
			}
		}
		p.sayHeld(f, t, first, r, to, now)
	}
}

func (p *Port) sayHeld(f *feed, t *translator, i int, r *remote, to *destination, now time.Duration) {
	if x := &t.held[i]; int16(x.h.seq-t.next) >= 0 { // else one that came twice
		p.say(f, t, x.h, x.b[:x.n], r, to, now)
	}
	t.holding--
	t.held[i] = t.held[t.holding]
}

// say decodes, encodes and sends one packet.
func (p *Port) say(f *feed, t *translator, h header, payload []byte, r *remote, to *destination, now time.Duration) {
	t.next = h.seq + 1
	t.ts += uint32(int64(int32(h.ts-t.lastTS)) * int64(r.codec.Clock) / t.clock)
	t.lastTS = h.ts
	t.pcm = t.decoder.decode(t.pcm[:0], payload)
	t.out = t.encoder.encode(t.out[:headerSize], t.pcm)
	if len(t.out) == headerSize || p.out.closed || p.out.keys.sounding() {
		return
	}
	h.ts = t.ts
	p.transcoded.Add(1)
	p.convey(f, t.out, h, r.codec.PT, r, to, now)
}
