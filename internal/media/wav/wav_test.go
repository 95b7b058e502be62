package wav

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/media/tone"
)

func TestLinearRoundTrip(t *testing.T) {
	pcm := tone.Generate(440, 100*time.Millisecond, 8000)
	got, err := Parse(Linear(pcm, 8000))
	if err != nil {
		t.Fatal(err)
	}
	if got.Rate != 8000 || !slices.Equal(got.PCM, pcm) {
		t.Errorf("%d samples at %d came back from %d", len(got.PCM), got.Rate, len(pcm))
	}
}

func TestUlawRoundTripKeepsTheTone(t *testing.T) {
	got, err := Parse(Ulaw(tone.Generate(700, time.Second, 8000), 8000))
	if err != nil {
		t.Fatal(err)
	}
	if hz, _ := tone.Detect(got.PCM, got.Rate); math.Abs(hz-700) > 1 {
		t.Errorf("heard %v Hz", hz)
	}
}

func TestParseReadsWhatOthersWrite(t *testing.T) {
	pcm := []int16{100, 200, 300, 400}
	plain := Linear(pcm, 8000)

	t.Run("stereo is averaged", func(t *testing.T) {
		b := slices.Clone(plain)
		binary.LittleEndian.PutUint16(b[22:], 2)
		got, err := Parse(b)
		if err != nil || !slices.Equal(got.PCM, []int16{150, 350}) {
			t.Errorf("%v, %v", got.PCM, err)
		}
	})
	t.Run("unknown chunks are passed over", func(t *testing.T) {
		b := slices.Concat(plain[:36], []byte("LIST\x03\x00\x00\x00abc\x00"), plain[36:])
		got, err := Parse(b)
		if err != nil || !slices.Equal(got.PCM, pcm) {
			t.Errorf("%v, %v", got.PCM, err)
		}
	})
	t.Run("a cut-off file is read as far as it goes", func(t *testing.T) {
		got, err := Parse(plain[:len(plain)-2])
		if err != nil || !slices.Equal(got.PCM, pcm[:3]) {
			t.Errorf("%v, %v", got.PCM, err)
		}
	})
}

func TestParseRefuses(t *testing.T) {
	good := Linear([]int16{1, 2}, 8000)
	float := slices.Clone(good)
	float[20] = 3
	for name, b := range map[string][]byte{
		"nothing": nil, "text": []byte("hello, this is no sound at all"),
		"a header alone": good[:36], "floats": float, "a huge chunk": append(slices.Clone(good[:16]), 0xff, 0xff, 0xff, 0xff),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse(b); err != nil && !errors.Is(err, ErrFormat) || err == nil {
				t.Errorf("err = %v", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Linear([]int16{1, 2, 3}, 8000))
	f.Add(Ulaw([]int16{1, 2, 3}, 8000))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Parse(b)
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("err = %v", err)
		}
		if len(a.PCM) > len(b) {
			t.Errorf("%d samples from %d bytes", len(a.PCM), len(b))
		}
	})
}

func TestResample(t *testing.T) {
	for _, rate := range []int{11025, 16000, 44100, 48000} {
		out := Resample(tone.Generate(1000, 500*time.Millisecond, rate), rate, 8000)
		if len(out) < 3999 || len(out) > 4000 {
			t.Errorf("half a second at %d became %d samples", rate, len(out))
		}
		hz, level := tone.Detect(out, 8000)
		if math.Abs(hz-1000) > 1 || math.Abs(level+15) > 0.5 {
			t.Errorf("from %d: %v Hz at %v dBFS", rate, hz, level)
		}
	}
	t.Run("up as well", func(t *testing.T) {
		for _, hz := range []float64{300, 1000, 3300} {
			out := Resample(tone.Generate(hz, 500*time.Millisecond, 8000), 8000, 16000)
			if got, level := tone.Detect(out, 16000); len(out) != 8000 || math.Abs(got-hz) > 1 || math.Abs(level+15) > 0.5 {
				t.Errorf("%v Hz: %v Hz at %v dBFS in %d samples", hz, got, level, len(out))
			}
			if image := tone.Power(out, 8000-hz, 16000); image > tone.Power(out, hz, 16000)/1e5 {
				t.Errorf("%v Hz: an image at %v Hz", hz, 8000-hz)
			}
		}
	})
	t.Run("what cannot be carried is removed, not folded", func(t *testing.T) {
		out := Resample(tone.Generate(6000, time.Second, 48000), 48000, 8000)
		if l := tone.Level(out); l > -55 {
			t.Errorf("6 kHz left %v dBFS", l)
		}
	})
}
