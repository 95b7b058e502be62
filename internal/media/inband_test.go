package media

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/callyard/callyard/internal/media/assets"
	"github.com/callyard/callyard/internal/media/wav"
)

// keyTones is a key of so many ms at a peak amplitude for each tone, then a pause.
func keyTones(key byte, ms int, low, high float64) (pcm []int16) {
	for row := range pad {
		for column, k := range pad[row] {
			if k != key {
				continue
			}
			for i := range ms * 8 {
				t := 2 * math.Pi * float64(i) / rate
				pcm = append(pcm, int16(low*math.Sin(t*float64(toneHz[row]))+high*math.Sin(t*float64(toneHz[4+column]))))
			}
		}
	}
	return append(pcm, make([]int16, 50*8)...)
}

func keysIn(pcm []int16) (keys string) {
	var t toneHearing
	for _, v := range pcm {
		if k := t.hear(v); k != 0 {
			keys += string(k)
		}
	}
	return keys
}

func TestKeysInTheSound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ms        int
		low, high float64
		hiss      int
		heard     bool
	}{
		"as phones send them":    {80, 6000, 7000, 0, true},
		"the shortest":           {60, 6000, 6000, 0, true},
		"faint":                  {80, 500, 500, 0, true},
		"one louder by 6 dB":     {80, 4000, 8000, 0, true},
		"with noise":             {80, 6000, 6000, 2000, true},
		"too faint":              {80, 100, 100, 0, false},
		"one tone":               {80, 6000, 0, 0, false},
		"one louder by 12 dB":    {80, 2000, 8000, 0, false},
		"drowned":                {80, 2000, 2000, 16000, false},
		"a click of the tones":   {20, 6000, 6000, 0, false},
		"held for two seconds":   {2000, 6000, 6000, 0, true},
		"the same after a pause": {100, 6000, 6000, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			const all = "1234567890*#ABCD11"
			want := ""
			if c.heard {
				want = all
			}
			var pcm []int16
			for _, k := range []byte(all) {
				pcm = append(pcm, keyTones(k, c.ms, c.low, c.high)...)
			}
			random := rand.New(rand.NewPCG(1, 2))
			for i := range pcm {
				pcm[i] += int16(random.IntN(c.hiss+1) - c.hiss/2)
			}
			if got := keysIn(pcm); got != want {
				t.Errorf("heard %q", got)
			}
		})
	}
}

func TestSpeechAndMusicAreNoKeys(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"default", "leave-message", "unavailable", "invalid", "goodbye", "recorded", "ringback", "busy", "digits/7"} {
		b, err := assets.Files.ReadFile(name + ".wav")
		if err != nil {
			t.Fatal(err)
		}
		a, err := wav.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if got := keysIn(a.PCM); got != "" {
			t.Errorf("%s: heard %q", name, got)
		}
	}
}

func TestAPhoneWithoutTelephoneEventPressesKeys(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Codec{"PCMU": {Name: "PCMU"}, "PCMA": {Name: "PCMA", PT: 8}} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, Config{})
			a, pa := connected(t, e, c)
			b, pb := connected(t, e, pcmu)
			keys := make(chan rune, 20)
			a.OnDigit(func(r rune) { keys <- r })
			a.Join(b)
			var pcm []int16
			for _, k := range []byte("*72") {
				pcm = append(pcm, keyTones(k, 100, 6000, 6000)...)
			}
			payload := encodeAll(codingOf(c.Name), pcm)
			frames := len(payload) / 240
			for i := range frames { // 30 ms at a time
				pa.frame(payload[240*i : 240*(i+1)])
			}
			for _, want := range "*72" {
				if got := <-keys; got != want {
					t.Errorf("heard %q", got)
				}
			}
			for _, p := range pb.hear(frames) {
				if p.pt != 0 {
					t.Error("sent to the partner once more, as an event")
				}
			}
		})
	}
	t.Run("not one that knows it", func(t *testing.T) {
		e := newEngine(t, Config{})
		p, ph := connected(t, e, pcmu)
		p.OnDigit(func(r rune) { t.Errorf("heard %q", r) })
		pcm := encodeAll(codeUlaw, keyTones('5', 200, 6000, 6000))
		for i := 0; i+frameSamples <= len(pcm); i += frameSamples {
			ph.frame(pcm[i : i+frameSamples])
		}
		eventually(t, "all of it", func() bool { return p.Stats().Received == uint64(len(pcm)/frameSamples) })
	})
}
