package media

import "time"

const (
	// A pause is filled with comfort noise (RFC 3389) once it is no jitter any more,
	// and again so that routers and the far end see that we are there.
	noiseAfter = 200 * time.Millisecond
	noiseAgain = time.Second
	// quiet is the noise of a quiet room: −70 dBov.
	quiet = 70
)

// fill sends comfort noise to who takes it when nothing else is sent: nobody is
// joined, or the partner pauses and says nothing of it.
func (p *Port) fill(now time.Duration) {
	r, to := p.remote.Load(), p.target.Load()
	if r == nil || to == nil || !r.codec.CN || !r.dir.listens() || p.feed.Load().onWheel() {
		return
	}
	o := &p.out
	o.mu.Lock()
	defer o.mu.Unlock()
	wait := noiseAfter
	if o.from == nil { // the last packet was no audio
		wait = noiseAgain
	}
	if o.closed || !o.any || o.keys.pending() || now-o.at < wait {
		return
	}
	o.seq++
	o.ts, o.at, o.from = o.after(r, now), now, nil
	put(o.frame[:], false, comfortNoise, o.seq, o.ts, o.ssrc)
	o.frame[headerSize] = quiet
	if o.noise != 0 { // as the partner's was
		o.frame[headerSize] = o.noise
	}
	p.transmit(o.frame[:headerSize+1], to)
}
