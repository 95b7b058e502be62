package media

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/media/g722"
	"github.com/callyard/callyard/internal/media/tone"
)

var (
	wideband = Codec{Name: "G722", PT: 9, Clock: 8000, DTMFPT: 101}
	opus48   = Codec{Name: "opus", PT: 111, Clock: 48000, DTMFPT: 110}
)

// opusPackets are those of an Ogg file (RFC 3533), without its two headers.
func opusPackets(t testing.TB, name string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var packets [][]byte
	var packet []byte
	for len(b) > 27 {
		segments := b[27 : 27+int(b[26])]
		b = b[27+len(segments):]
		for _, n := range segments {
			packet, b = append(packet, b[:n]...), b[n:]
			if n < 255 {
				packets, packet = append(packets, packet), nil
			}
		}
	}
	return packets[2:]
}

func TestDecoding(t *testing.T) {
	t.Parallel()
	pcm := tone.Generate(600, time.Second, rate)
	wide := tone.Generate(600, time.Second, g722.Rate)
	chop := func(b []byte) (packets [][]byte) {
		for ; len(b) >= frameSamples; b = b[frameSamples:] {
			packets = append(packets, b[:frameSamples])
		}
		return packets
	}
	for name, c := range map[string]struct {
		code    coding
		packets [][]byte
	}{
		"PCMU":           {codeUlaw, chop(encodeAll(codeUlaw, pcm))},
		"PCMA":           {codeAlaw, chop(encodeAll(codeAlaw, pcm))},
		"G.722":          {codeG722, chop(encodeAll(codeG722, wide))},
		"Opus of speech": {codeOpus, opusPackets(t, "speech.opus")},
		"Opus of music":  {codeOpus, opusPackets(t, "music.opus")},
	} {
		t.Run(name, func(t *testing.T) {
			for _, hz := range []int{8000, 16000} {
				d := newDecoder(c.code, hz)
				var got []int16
				for _, p := range c.packets {
					n := len(got)
					got = d.decode(got, p)
					if len(got)-n != hz/framesPerSecond {
						t.Fatalf("a frame of %d samples at %d Hz", len(got)-n, hz)
					}
				}
				if f, level := tone.Detect(got[hz/4:], hz); math.Abs(f-600) > 1 || math.Abs(level+15) > 1 {
					t.Errorf("at %d: %.1f Hz at %.1f dBFS", hz, f, level)
				}
			}
		})
	}
}

func TestOpusThatIsNoneIsSurvived(t *testing.T) {
	t.Parallel()
	d := newDecoder(codeOpus, rate)
	good := opusPackets(t, "speech.opus")
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		b := make([]byte, random.IntN(200))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		if got := d.decode(nil, b); len(got) > 120*rate/1000 {
			t.Fatalf("%d samples", len(got))
		}
	}
	if got := d.decode(nil, good[3]); len(got) != frameSamples {
		t.Errorf("%d samples of a good packet afterwards", len(got))
	}
}

// sines is as faithful as a half-band filter has to be.
func TestBetween8And16kHz(t *testing.T) {
	t.Parallel()
	for _, hz := range []float64{200, 1000, 3300} {
		up := (&doubler{}).double(nil, tone.Generate(hz, 100*time.Millisecond, 8000))
		if got, level := tone.Detect(up[100:], 16000); len(up) != 1600 || math.Abs(got-hz) > 3 || math.Abs(level+15) > 0.5 {
			t.Errorf("up: %v Hz became %.1f at %.1f dBFS, %d samples", hz, got, level, len(up))
		}
		if image := tone.Power(up, 8000-hz, 16000); image > tone.Power(up, hz, 16000)/1e4 {
			t.Errorf("up: an image of %v Hz", hz)
		}
		down := (&halver{}).halve(nil, tone.Generate(hz, 100*time.Millisecond, 16000))
		if got, level := tone.Detect(down[100:], 8000); len(down) != 800 || math.Abs(got-hz) > 3 || math.Abs(level+15) > 0.5 {
			t.Errorf("down: %v Hz became %.1f at %.1f dBFS, %d samples", hz, got, level, len(down))
		}
	}
	var folded halver
	if l := tone.Level(folded.halve(nil, tone.Generate(5000, 100*time.Millisecond, 16000))[100:]); l > -60 {
		t.Errorf("5 kHz left %v dBFS", l)
	}
	t.Run("frame by frame it is the same", func(t *testing.T) {
		in := tone.Generate(700, 200*time.Millisecond, 8000)
		var a, b doubler
		whole := a.double(nil, in)
		var parts []int16
		for i := 0; i < len(in); i += 80 {
			parts = b.double(parts, in[i:i+80])
		}
		for i := range whole {
			if whole[i] != parts[i] {
				t.Fatalf("sample %d: %d and %d", i, whole[i], parts[i])
			}
		}
	})
}
