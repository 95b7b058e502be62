package callctl

import (
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Quality is how a leg's audio was until now: what came from it, and by its own
// reports (RTCP) what reached it.
type Quality struct {
	Codec       string
	Sent        uint64 // packets
	Received    uint64
	Lost        uint64 // of those that should have been received
	LossPercent float64
	Jitter      time.Duration // RFC 3550 §6.4.1, the mean
	RTT         time.Duration // 0: the far end does not report
	MOS         float64       // E-model (ITU-T G.107), 1 to 4.5, the mean over the call; 0: nothing was received
	WorstMOS    float64       // of any five seconds
	FarLoss     float64       // percent of ours that did not arrive, of the last report
	FarJitter   time.Duration
	Transcoded  uint64 // packets sent in another codec than they were said in
}

// Heard is a leg of a call and how it was.
type Heard struct {
	Leg    call.LegID
	Agent  string // "" for the caller, and for a number outside
	Device string
	Quality
}

// hear keeps how a leg is, in place of how it was. A leg without audio is left out.
func (c *Call) hear(l Leg) {
	if l == nil {
		return
	}
	m := l.Media()
	if m == nil {
		return
	}
	q := m.Quality()
	if q.Sent == 0 && q.Received == 0 {
		return
	}
	who := l.Remote()
	h := Heard{Leg: l.ID(), Agent: who.Agent, Device: who.Device, Quality: q}
	for i := range c.heard {
		if c.heard[i].Leg == h.Leg {
			c.heard[i] = h
			return
		}
	}
	c.heard = append(c.heard, h)
}

// hearAll is for the end of a call: the legs that ended before it are kept already.
func (c *Call) hearAll() {
	c.hear(c.caller)
	if c.talk != nil {
		c.hear(c.talk.leg)
	}
	if c.taking != nil {
		c.hear(c.taking.leg)
	}
	for _, l := range c.aside {
		c.hear(l)
	}
}
