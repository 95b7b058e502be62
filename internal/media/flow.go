package media

import (
	"math"
	"time"
)

// flow counts a received stream as RFC 3550 appendix A does.
type flow struct {
	any      bool
	ssrc     uint32
	base     uint32 // extended sequence of the first packet
	highest  uint32 // and of the newest
	received uint64
	transit  int64
	jitter   float64 // in timestamp units

	pastExpected uint64 // of streams before this one

	lastExpected, lastReceived uint64 // at the last report

	// Of the remote's last sender report.
	reportNTP uint32
	reportAt  time.Duration
	reportAny bool
}

func (f *flow) count(h header, now time.Duration, clock int, audio bool) {
	if !f.any || f.ssrc != h.ssrc || f.jumped(h.seq) {
		*f = flow{
			any: true, ssrc: h.ssrc, base: 1<<16 + uint32(h.seq), highest: 1<<16 + uint32(h.seq) - 1,
			pastExpected: f.expected(), received: f.received, jitter: f.jitter,
			lastExpected: f.lastExpected, lastReceived: f.lastReceived,
		}
	}
	if d := int16(h.seq - uint16(f.highest)); d > 0 {
		f.highest += uint32(d)
	}
	f.received++
	if !audio { // all packets of a key carry one timestamp
		f.transit = 0
		return
	}
	transit := int64(uint32(now.Microseconds()*int64(clock)/1e6) - h.ts)
	if f.transit != 0 {
		d := math.Abs(float64(int32(uint32(transit) - uint32(f.transit))))
		if d < float64(clock) { // else the source started anew
			f.jitter += (d - f.jitter) / 16
		}
	}
	f.transit = transit
}

// jumped reports a sequence that does not continue: the source started anew.
func (f *flow) jumped(seq uint16) bool {
	d := int16(seq - uint16(f.highest))
	return d > 3000 || d < -100
}

func (f *flow) expected() uint64 {
	if !f.any {
		return 0
	}
	return f.pastExpected + uint64(f.highest-f.base) + 1
}

func (f *flow) lost() uint64 {
	if e := f.expected(); e > f.received {
		return e - f.received
	}
	return 0
}

func (f *flow) lossPercent() float64 {
	if e := f.expected(); e > 0 {
		return 100 * float64(f.lost()) / float64(e)
	}
	return 0
}

// opinion is the mean opinion score by the E-model (ITU-T G.107, narrowband):
// what a listener with a jitter buffer and loss concealment would say.
func opinion(codec string, rtt, jitter, ptime time.Duration, lossPercent float64) float64 {
	if ptime == 0 {
		ptime = 20 * time.Millisecond
	}
	delay := float64((rtt/2 + 2*jitter + 2*ptime).Microseconds()) / 1000
	impaired := 0.024 * delay
	if delay > 177.3 {
		impaired += 0.11 * (delay - 177.3)
	}
	robust := 25.1 // G.711 with concealment (G.113 appendix I); estimates for the others
	switch codingOf(codec) {
	case codeG722:
		robust = 10
	case codeOpus, codeNone:
		robust = 15
	case codeUlaw, codeAlaw:
	}
	loss := 95 * lossPercent / (lossPercent + robust)
	rating := 93.2 - impaired - loss
	score := 1 + 0.035*rating + 7e-6*rating*(rating-60)*(100-rating)
	return max(1, min(4.5, score))
}
