package softphone

import (
	"encoding/binary"
	"math"
	"testing"
	"time"
)

// heardOf is what a hearing makes of sounds that follow each other, each 400 ms long,
// sent in 20 ms packets.
func heardOf(c codec, sounds ...func(sample int) float64) []Segment {
	h, now := newHearing(), time.Unix(1000, 0)
	for _, sound := range sounds {
		for f := range 20 {
			payload := make([]byte, frameSize)
			for i := range payload {
				payload[i] = c.encode(int16(sound(f*frameSize + i)))
			}
			now = now.Add(frame)
			h.sound(c.decode, payload, now)
		}
	}
	return h.segments(time.Time{})
}

func sine(hz, amplitude float64) func(int) float64 {
	return func(i int) float64 { return amplitude * math.Sin(2*math.Pi*hz*float64(i)/8000) }
}

func TestHearing(t *testing.T) {
	for _, c := range []codec{pcmu, pcma} {
		for hz := 200.0; hz < 3500; hz += 137 {
			got := heardOf(c, sine(hz, 6000))
			if len(got) != 1 || math.Abs(got[0].Hz-hz) > 3 || got[0].To.Sub(got[0].From) != 400*time.Millisecond {
				t.Errorf("%s: %.0f Hz heard as %v", c.name, hz, got)
			}
		}
	}
	silence := sine(0, 0)
	chord := func(i int) float64 { return sine(440, 4000)(i) + sine(660, 4000)(i) + sine(880, 4000)(i) }
	for name, test := range map[string]struct {
		sounds []func(int) float64
		want   []float64
	}{
		"silence":            {[]func(int) float64{silence}, nil},
		"a whisper":          {[]func(int) float64{sine(440, 40)}, nil},
		"music is no tone":   {[]func(int) float64{chord}, []float64{0}},
		"a tone, a pause":    {[]func(int) float64{sine(440, 6000), silence, sine(440, 6000)}, []float64{440, 440}},
		"one after another":  {[]func(int) float64{sine(440, 6000), sine(700, 6000)}, []float64{440, 700}},
		"a change of volume": {[]func(int) float64{sine(440, 6000), sine(440, 3000)}, []float64{440}},
	} {
		t.Run(name, func(t *testing.T) {
			got := heardOf(pcmu, test.sounds...)
			if len(got) != len(test.want) {
				t.Fatalf("heard %v", got)
			}
			for i, hz := range test.want {
				if math.Abs(got[i].Hz-hz) > 3 {
					t.Errorf("heard %v", got)
				}
			}
		})
	}
	t.Run("a tone that is waited for is found in a mixture that it dominates", func(t *testing.T) {
		h := newHearing()
		h.wanted[440] = 1
		for i := range h.buf {
			h.buf[i] = int16(sine(440, 6000)(i) + sine(2000, 3000)(i))
		}
		h.n = windowSize
		h.judge(time.Unix(1000, 0))
		if w := h.windows[0]; math.Abs(w.Hz-440) > tolerance {
			t.Errorf("heard %v", w)
		}
	})
}

func TestPacketStats(t *testing.T) {
	a, err := openAudio("127.0.0.1", []codec{pcmu})
	must(t, err)
	defer a.close()
	now := time.Unix(1000, 0)
	packet := func(payloadType byte, seq uint16, ssrc uint32, after time.Duration) {
		b := make([]byte, 12+frameSize)
		b[0], b[1] = 0x80, payloadType
		binary.BigEndian.PutUint16(b[2:], seq)
		binary.BigEndian.PutUint32(b[8:], ssrc)
		now = now.Add(after)
		a.receive(b, "127.0.0.1:4000", now)
	}
	packet(0, 65534, 7, 0)
	packet(0, 65535, 7, frame)
	packet(0, 1, 7, 60*time.Millisecond) // 0 is missing
	packet(0, 4, 7, frame)               // 2 and 3 are missing
	packet(0, 2, 7, frame)               // late
	packet(200, 5, 7, time.Second)       // RTCP
	packet(0, 900, 8, frame)             // another source is no loss
	s := a.heard.stats
	if s.Received != 6 || s.Lost != 2 || len(s.SSRCs) != 2 || s.MaxGap != time.Second+frame {
		t.Errorf("stats %+v", s)
	}
	for _, bad := range [][]byte{nil, {0x80}, make([]byte, 12), append([]byte{0xB0, 0}, make([]byte, 11)...), append([]byte{0x9F, 0}, make([]byte, 14)...)} {
		a.receive(bad, "127.0.0.1:4000", now)
	}
	if a.heard.stats.Received != 6 {
		t.Errorf("counted nonsense: %+v", a.heard.stats)
	}
}
