package clip

import (
	_ "embed"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
)

// tone600 is half a second of 600 Hz at 22,050 Hz, one channel, 32 kbit/s, written
// by LAME.
//
//go:embed testdata/tone600.mp3
var tone600 []byte

func scaled(pcm []int16, factor float64) []int16 {
	out := make([]int16, len(pcm))
	for i, s := range pcm {
		out[i] = int16(float64(s) * factor)
	}
	return out
}

func TestRead(t *testing.T) {
	t.Run("an MP3 file", func(t *testing.T) {
		pcm, err := Read(tone600)
		if err != nil {
			t.Fatal(err)
		}
		if hz, _ := tone.Detect(pcm[Rate/10:Rate*4/10], Rate); math.Abs(hz-600) > 3 {
			t.Errorf("heard %v Hz", hz)
		}
		if d := time.Duration(len(pcm)) * time.Second / Rate; d < 450*time.Millisecond || d > 650*time.Millisecond {
			t.Errorf("it lasts %v", d)
		}
	})
	t.Run("soft and loud files come out alike", func(t *testing.T) {
		voice := tone.Generate(700, 2*time.Second, 44100)
		var levels []float64
		for _, factor := range []float64{0.03, 0.3, 1.4} {
			pcm, err := Read(wav.Linear(scaled(voice, factor), 44100))
			if err != nil {
				t.Fatal(err)
			}
			levels = append(levels, loudness(pcm))
		}
		for _, l := range levels {
			if math.Abs(l-speech) > 0.5 {
				t.Errorf("levels %.1f, want %.1f", levels, speech)
			}
		}
	})
	t.Run("pauses do not make it louder", func(t *testing.T) {
		word := tone.Generate(700, time.Second, Rate)
		pcm, err := Read(wav.Linear(slices.Concat(word, make([]int16, 5*Rate), word), Rate))
		if err != nil {
			t.Fatal(err)
		}
		if l := loudness(pcm[:Rate]); math.Abs(l-speech) > 0.5 {
			t.Errorf("the word is at %.1f dB", l)
		}
	})
	t.Run("peaks are not clipped", func(t *testing.T) {
		pcm := scaled(tone.Generate(300, 2*time.Second, Rate), 0.02)
		pcm[Rate] = 32000
		out, err := Read(wav.Linear(pcm, Rate))
		if err != nil {
			t.Fatal(err)
		}
		if got := float64(slices.Max(out)); got > 32768*math.Pow(10, ceiling/20)+1 {
			t.Errorf("a peak of %v", got)
		}
	})
}

func TestReadRefuses(t *testing.T) {
	long := wav.Linear(make([]int16, 31*60*4000), 4000)
	for name, c := range map[string]struct {
		file []byte
		err  error
	}{
		"nothing":        {nil, ErrFormat},
		"a text":         {[]byte("hello, this is no sound at all"), ErrFormat},
		"a broken WAV":   {[]byte("RIFF\x00\x00\x00\x00WAVE"), ErrFormat},
		"a broken MP3":   {append([]byte{0xff, 0xfb, 0x90, 0x00}, make([]byte, 500)...), nil},
		"silence":        {wav.Linear(make([]int16, Rate), Rate), ErrSilent},
		"an hour of WAV": {long, ErrTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(c.file)
			if err == nil || (c.err != nil && !errors.Is(err, c.err)) {
				t.Errorf("%v, want %v", err, c.err)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(tone600)
	f.Add(wav.Linear(tone.Generate(600, 20*time.Millisecond, 8000), 8000))
	f.Fuzz(func(_ *testing.T, file []byte) {
		if len(file) < 1<<16 {
			_, _ = Read(file)
		}
	})
}
