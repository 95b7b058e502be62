// Package tone makes and hears steady tones, so that a test can say what came
// out of a call and a phone without telephone-event can still press keys.
package tone

import (
	"math"
	"time"
)

// Generate makes a sine of hz at rate samples per second, at −12 dBFS peak.
func Generate(hz float64, dur time.Duration, rate int) []int16 {
	out := make([]int16, int(dur.Seconds()*float64(rate)))
	for i := range out {
		out[i] = int16(8192 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate)))
	}
	return out
}

// Power is the mean square of the part of pcm that lies at hz (Goertzel): for a
// sine of amplitude a, a²/2. The window is Hann's, so that strong tones nearby
// do not leak in.
func Power(pcm []int16, hz float64, rate int) float64 {
	return goertzel(windowed(pcm), hz, rate)
}

func windowed(pcm []int16) []float64 {
	out := make([]float64, len(pcm))
	for i, v := range pcm {
		out[i] = float64(v) * (0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(len(pcm)-1)))
	}
	return out
}

func goertzel(window []float64, hz float64, rate int) float64 {
	if len(window) < 2 {
		return 0
	}
	coeff := 2 * math.Cos(2*math.Pi*hz/float64(rate))
	var s1, s2 float64
	for _, v := range window {
		s1, s2 = v+coeff*s1-s2, s1
	}
	n := float64(len(window))
	// |X|² = (a·n/4)² for a sine under a Hann window, whose mean is ½.
	return (s1*s1 + s2*s2 - coeff*s1*s2) * 8 / (n * n)
}

// Level is the loudness of pcm in dBFS: 0 for a full square wave, −3 for a full
// sine, −120 for silence.
func Level(pcm []int16) float64 {
	return decibels(meanSquare(pcm))
}

// Detect finds the strongest tone between 80 Hz and just under half of rate, to
// about 1 Hz for half a second of sound, and its level in dBFS; 0 Hz in silence.
func Detect(pcm []int16, rate int) (hz float64, level float64) {
	n := min(len(pcm), rate) // one second is plenty
	pcm = pcm[:n]
	if n < 2 || Level(pcm) < -70 {
		return 0, Level(pcm)
	}
	window := windowed(pcm)
	// The window's main lobe is four bins wide: steps of 1.5 bins miss none.
	step := 1.5 * float64(rate) / float64(n)
	best := 0.0
	for f := 80.0; f < float64(rate)/2-50; f += step {
		if p := goertzel(window, f, rate); p > best {
			hz, best = f, p
		}
	}
	for ; step > 0.25; step /= 2 {
		for _, f := range [...]float64{hz - step/2, hz + step/2} {
			if p := goertzel(window, f, rate); p > best {
				hz, best = f, p
			}
		}
	}
	return hz, decibels(best)
}

// Has reports whether a tone of hz is a good part of pcm (8 kHz): at least a
// sixth of its energy, and above −50 dBFS.
func Has(pcm []int16, hz float64) bool {
	total := meanSquare(pcm)
	p := Power(pcm, hz, 8000)
	return p > total/6 && decibels(p) > -50
}

func meanSquare(pcm []int16) float64 {
	if len(pcm) == 0 {
		return 0
	}
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return sum / float64(len(pcm))
}

func decibels(power float64) float64 {
	return max(-120, 10*math.Log10(power/(32768*32768)+1e-12))
}
