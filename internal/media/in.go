package media

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/media/g711"
)

// inbound is the stream from the remote, touched by the reader, and by others to
// look at it.
type inbound struct {
	mu     sync.Mutex
	latch  latch
	keys   keyHearing
	flow   flow
	tally  tally
	tones  *toneHearing // for a leg without telephone-event
	peer   peerView
	lastAt time.Duration // when the remote was last heard
	// checkedAt is when it last showed by a check that it is there.
	checkedAt time.Duration
	told      bool // that it is silent

	foreign, invalid, unauthentic uint64
}

// received takes a packet from the RTP socket. The path of a call's audio: it
// allocates nothing.
func (p *Port) received(b []byte, from netip.AddrPort) {
	if p.closed.Load() {
		return
	}
	r := p.remote.Load()
	if r == nil {
		return // early, and of no use yet
	}
	if r.guard != nil {
		if b = p.unwrap(r, b, from); b == nil {
			return
		}
	}
	if isRTCP(b) {
		p.reported(b, from)
		return
	}
	now := p.engine.now()
	in := &p.in
	in.mu.Lock()
	h, ok := parse(b)
	event := ok && r.inDTMF != 0 && h.pt == r.inDTMF
	if !ok || !event && h.pt != r.inPT && h.pt != comfortNoise {
		in.invalid++
		in.mu.Unlock()
		return
	}
	admitted, moved := true, false
	if r.ice == nil {
		admitted, moved = in.latch.admit(from, p.target.Load(), h, now)
	}
	if !admitted {
		in.foreign++
		in.mu.Unlock()
		return
	}
	if moved {
		p.aim(from)
	}
	in.lastAt, in.told = now, false
	in.flow.count(h, now, r.codec.Clock, !event)
	var key, tones rune
	switch {
	case event:
		key = in.keys.hear(h, b[h.start:h.end])
	case r.inDTMF == 0 && h.pt == r.inPT:
		tones = in.listen(r, b[h.start:h.end])
	}
	in.mu.Unlock()
	if tones != 0 {
		p.tell(tones) // the partner hears them as well
	}

	switch {
	case key != 0:
		p.pressed(key)
	case !event:
		if rec := p.recorder.Load(); rec != nil && h.pt == r.inPT {
			rec.push(h, r, b[h.start:h.end])
		}
		if to := p.sink.Load(); to != nil && to.to.feed.Load() == to.feed {
			to.to.forward(to.feed, b, h, r, now)
		}
	}
}

// Press is a key of the leg that came another way than in its audio, as SIP INFO
// does: told and passed on as if it had been heard.
func (p *Port) Press(key rune) {
	if strings.ContainsRune(keypad, key) && !p.closed.Load() {
		p.pressed(key)
	}
}

// listen finds a key in G.711 itself.
func (in *inbound) listen(r *remote, payload []byte) rune {
	if r.code != codeUlaw && r.code != codeAlaw {
		return 0
	}
	if in.tones == nil {
		in.tones = &toneHearing{}
	}
	decode := g711.DecodeUlaw
	if r.code == codeAlaw {
		decode = g711.DecodeAlaw
	}
	var key rune
	for _, v := range payload {
		if k := in.tones.hear(decode(v)); k != 0 {
			key = k
		}
	}
	return key
}

// tell tells who asked of a key.
func (p *Port) tell(key rune) {
	if f := p.digits.Load(); f != nil {
		(*f)(key)
	}
}

// pressed passes a key on: to who asked, and to the partner, made anew there, as
// its payload type and timestamps are its own.
func (p *Port) pressed(key rune) {
	p.tell(key)
	if to := p.sink.Load(); to != nil && to.to.feed.Load() == to.feed {
		o := &to.to.out
		o.mu.Lock()
		o.from = nil // the packets of the key are not passed on, and are no loss
		o.mu.Unlock()
		to.to.SendDTMF(string(key))
	}
}
