package media

import (
	"math"
	"testing"
	"time"
)

// stretchOf is five seconds of a stream at its pace, with every so many-th packet lost.
func stretchOf(in *inbound, r *remote, now time.Duration, lostEach int) time.Duration {
	for i := range 250 {
		now += 20 * time.Millisecond
		if lostEach == 0 || i%lostEach != 0 {
			in.flow.count(header{seq: uint16(now / (20 * time.Millisecond)), ts: uint32(now.Milliseconds() * 8), ssrc: 1}, now, r.codec.Clock, true)
		}
		in.judge(r, now)
	}
	return now
}

func TestTheWorstStretchIsRemembered(t *testing.T) {
	t.Parallel()
	r := &remote{codec: pcmu}
	in := &inbound{}
	now := time.Second
	in.judge(r, now) // begins the first stretch
	now = stretchOf(in, r, now, 0)
	now = stretchOf(in, r, now, 5)
	for range 8 {
		now = stretchOf(in, r, now, 0)
	}
	mean := in.tally.mos / float64(in.tally.n)
	if in.tally.n != 10 || in.tally.worst > 2.8 || mean < 4 || mean > 4.35 {
		t.Errorf("%d stretches, worst %.2f, mean %.2f", in.tally.n, in.tally.worst, mean)
	}
	t.Run("silence is not judged", func(t *testing.T) {
		in.judge(r, now+time.Minute)
		if in.tally.n != 10 {
			t.Errorf("%d stretches", in.tally.n)
		}
	})
}

func TestQuality(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	p, ph := connected(t, e, pcmu)
	if q := p.Quality(); q.MOS != 0 || q.Codec != "PCMU" {
		t.Errorf("before anything came: %+v", q)
	}
	p.Music("tone440")
	for range 9 {
		ph.frame(make([]byte, frameSamples))
	}
	ph.seq++
	ph.frame(make([]byte, frameSamples))
	eventually(t, "the packets", func() bool { return p.Stats().Received == 10 })
	ph.hear(5)
	p.Close()
	q := p.Quality()
	if q.Received != 10 || q.Lost != 1 || math.Abs(q.LossPercent-100./11) > 0.01 || q.Sent < 5 || q.MOS <= 1 || q.MOS > 4.2 || q.WorstMOS > q.MOS {
		t.Errorf("%+v", q)
	}
}
