package main

import "math"

// The music is eight bars of three seconds: a soft pad of sines that holds each
// chord, and a plucked arpeggio of eighth notes over it. It is rendered into a
// ring, so that what still sounds at the end is heard at the beginning and the
// loop has no seam.
const (
	bars       = 8
	barSeconds = 3.0
	eighth     = barSeconds / 8
)

// chords as MIDI notes: the bass, then four voices that the arpeggio climbs.
var chords = [bars][5]int{
	{36, 60, 64, 67, 71}, // C maj7
	{45, 57, 60, 64, 67}, // A m7
	{41, 57, 60, 64, 65}, // F maj7
	{43, 59, 62, 64, 67}, // G 6
	{40, 59, 62, 64, 67}, // E m7
	{45, 57, 60, 64, 69}, // A m
	{38, 57, 60, 62, 65}, // D m7
	{43, 59, 62, 65, 67}, // G 7
}

// figures are the voices plucked on each eighth note, for odd and even bars; -1 rests.
var figures = [2][8]int{
	{1, 2, 3, 4, 3, 2, 3, -1},
	{1, 3, 2, 4, -1, 3, 2, 3},
}

func music() []int16 {
	ring := make([]float64, int(bars*barSeconds*rate))
	for bar, chord := range chords {
		start := float64(bar) * barSeconds
		for voice, note := range chord {
			pad(ring, start, note, 0.10/float64(1+voice/3))
		}
		for i, voice := range figures[bar%2] {
			if voice >= 0 {
				// The first note of a bar is a little louder, as a hand would play it.
				loud := 0.30
				if i == 0 {
					loud = 0.36
				}
				pluck(ring, start+float64(i)*eighth, chord[voice]+12*(i/4*(bar%2)), loud)
			}
		}
	}
	out := make([]int16, len(ring))
	for i, v := range ring {
		out[i] = int16(8000 * math.Tanh(v))
	}
	return level(out, -18)
}

// pad holds a note for its bar, swelling in and dying away into the next.
func pad(ring []float64, start float64, note int, loud float64) {
	const attack, release = 0.8, 1.4
	hz := pitch(note)
	for i := range int((barSeconds + release) * rate) {
		t := float64(i) / rate
		env := min(1, t/attack)
		if t > barSeconds {
			env *= 1 - (t-barSeconds)/release
		}
		env *= env
		// Two sines a hair apart beat slowly: the warmth of a chorus.
		v := math.Sin(2*math.Pi*hz*t) + math.Sin(2*math.Pi*hz*1.002*t) + 0.3*math.Sin(4*math.Pi*hz*t)
		add(ring, start, i, loud*env*v)
	}
}

// pluck strikes a note: overtones that die the faster the higher they are.
func pluck(ring []float64, start float64, note int, loud float64) {
	hz := pitch(note)
	for i := range int(2.5 * rate) {
		t := float64(i) / rate
		var v float64
		for k := 1.0; k <= 5 && k*hz < 3300; k++ {
			v += math.Sin(2*math.Pi*k*hz*t) * math.Exp(-t*(1.6+1.9*k)) / (k * k)
		}
		add(ring, start, i, loud*v*min(1, t/0.004)*min(1, (2.5-t)/0.1))
	}
}

func add(ring []float64, start float64, i int, v float64) {
	ring[(int(math.Round(start*rate))+i)%len(ring)] += v
}

func pitch(note int) float64 { return 440 * math.Pow(2, float64(note-69)/12) }

// level scales pcm to a loudness in dBFS (RMS), and keeps peaks within bounds.
func level(pcm []int16, dbfs float64) []int16 {
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	if sum == 0 {
		return pcm
	}
	gain := 32768 * math.Pow(10, dbfs/20) / math.Sqrt(sum/float64(len(pcm)))
	for i, v := range pcm {
		pcm[i] = int16(max(-32000, min(32000, float64(v)*gain)))
	}
	return pcm
}
