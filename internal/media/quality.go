package media

import (
	"time"

	"github.com/callyard/callyard/internal/callctl"
)

// judgeEvery is how long a stretch is that gets a score of its own.
const judgeEvery = 5 * time.Second

// tally is the scores of what was heard, stretch by stretch: a mean alone hides
// ten bad seconds in a call of ten minutes. Guarded by in.mu.
type tally struct {
	until              time.Duration // the end of this stretch
	expected, received uint64        // at its beginning
	n                  int
	mos, worst         float64 // sum, least
	jitter             time.Duration
}

// judge ends a stretch that is over, with in.mu held.
func (in *inbound) judge(r *remote, now time.Duration) {
	t := &in.tally
	if now < t.until {
		return
	}
	if t.until != 0 {
		in.score(r)
	}
	t.until, t.expected, t.received = now+judgeEvery, in.flow.expected(), in.flow.received
}

// score adds the score of what came since the stretch began, if anything should have.
func (in *inbound) score(r *remote) {
	t := &in.tally
	expected, received := in.flow.expected()-t.expected, in.flow.received-t.received
	if expected == 0 {
		return
	}
	loss := 0.0
	if received < expected {
		loss = 100 * float64(expected-received) / float64(expected)
	}
	jitter := in.flow.jitterOf(r)
	mos := opinion(r.codec.Name, in.peer.rtt, jitter, r.codec.Ptime, loss)
	if t.n == 0 || mos < t.worst {
		t.worst = mos
	}
	t.n++
	t.mos += mos
	t.jitter += jitter
}

// jitterOf is the jitter as a time.
func (f *flow) jitterOf(r *remote) time.Duration { return r.units(f.jitter) }

// units is so much of the RTP clock as a time.
func (r *remote) units(v float64) time.Duration {
	return time.Duration(v / float64(r.codec.Clock) * float64(time.Second))
}

// Quality is how the leg was until now.
func (p *Port) Quality() callctl.Quality {
	s := p.Stats()
	q := callctl.Quality{
		Codec: s.Codec, Sent: s.Sent, Received: s.Received, Lost: s.Lost, LossPercent: s.LossPercent,
		Jitter: s.Jitter, RTT: s.RTT, MOS: s.MOS, WorstMOS: s.MOS, FarLoss: s.RemoteLoss, FarJitter: s.RemoteJitter, Transcoded: s.Transcoded,
	}
	r := p.remote.Load()
	if r == nil {
		return q
	}
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	in := p.in.tally // with the stretch that has begun, but not for good
	whole := inbound{tally: in, flow: p.in.flow, peer: p.in.peer}
	whole.score(r)
	if t := whole.tally; t.n > 0 {
		q.MOS, q.WorstMOS, q.Jitter = t.mos/float64(t.n), t.worst, t.jitter/time.Duration(t.n)
	}
	return q
}
