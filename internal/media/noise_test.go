package media

import (
	"testing"
	"time"
)

func TestComfortNoise(t *testing.T) {
	quiets := pcmu
	quiets.CN = true
	noise := func(ph *peer, level byte) {
		b := make([]byte, headerSize+1)
		put(b, false, comfortNoise, ph.seq, ph.ts, ph.ssrc)
		b[headerSize] = level
		ph.send(b)
		ph.seq++
	}
	t.Run("passes to who takes it", func(t *testing.T) {
		e := newEngine(t, Config{})
		a, pa := connected(t, e, quiets)
		b, pb := connected(t, e, quiets)
		a.Join(b)
		pa.frame(make([]byte, frameSamples))
		noise(pa, 55)
		heard := pb.hear(2)
		if heard[1].pt != comfortNoise || heard[1].payload[0] != 55 {
			t.Errorf("type %d, % x", heard[1].pt, heard[1].payload)
		}
		// The partner says nothing more: the noise goes on as it was.
		if p := pb.hear(1)[0]; p.pt != comfortNoise || p.payload[0] != 55 || p.seq != heard[1].seq+1 || p.ts == heard[1].ts {
			t.Errorf("%+v % x", p.header, p.payload)
		}
		// A pause is no loss, and its length is in the timestamps.
		pa.ts += 4000
		pa.frame(make([]byte, frameSamples))
		for {
			p := pb.hear(1)[0]
			if p.pt == comfortNoise {
				continue
			}
			if d := p.ts - heard[0].ts; d < 160 || !p.marker {
				t.Errorf("%d later, marker %v", d, p.marker)
			}
			break
		}
		if s := a.Stats(); s.Lost != 0 || s.Received != 3 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("not to others, for whom it is no loss", func(t *testing.T) {
		for name, c := range map[string]Codec{"as it is": pcmu, "translated": wideband} {
			t.Run(name, func(t *testing.T) {
				e := newEngine(t, Config{})
				a, pa := connected(t, e, quiets)
				b, pb := connected(t, e, c)
				a.Join(b)
				pa.frame(make([]byte, frameSamples))
				noise(pa, 55)
				pa.ts += 4000
				pa.frame(make([]byte, frameSamples))
				heard := pb.hear(2)
				continuousSequence(t, heard)
				if !heard[1].marker || heard[1].pt == comfortNoise {
					t.Errorf("%+v", heard[1].header)
				}
			})
		}
	})
	t.Run("is made when nothing is sent", func(t *testing.T) {
		e := newEngine(t, Config{})
		p, ph := connected(t, e, quiets)
		p.Music("tone440")
		last := ph.hear(3)[2]
		p.Silence()
		for last.pt == 0 {
			got := ph.hear(1)[0]
			if got.seq != last.seq+1 {
				t.Errorf("seq %d after %d", got.seq, last.seq)
			}
			last = got
		}
		if last.pt != comfortNoise || len(last.payload) != 1 {
			t.Errorf("type %d, % x", last.pt, last.payload)
		}
	})
	t.Run("is not made for who did not ask", func(t *testing.T) {
		e := newEngine(t, Config{})
		p, ph := connected(t, e, pcmu)
		p.Play(nil, nil)
		p.SendDTMF("1")
		ph.hear(keyFrames + 2)
		if got, more := ph.next(400 * time.Millisecond); more {
			t.Errorf("type %d", got.pt)
		}
	})
}
