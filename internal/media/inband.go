package media

import "math"

// toneHearing finds keys in the sound itself, for phones that know no
// telephone-event. It goes by 20 ms at a time (Goertzel): a key is two tones of
// about the same strength and hardly anything else, twice in a row.
type toneHearing struct {
	n       int
	s1, s2  [8]float32
	energy  float32
	last    byte // what the newest stretch held, 0 for no key
	pressed byte
}

const stretch = 160

var (
	toneHz  = [8]float64{697, 770, 852, 941, 1209, 1336, 1477, 1633}
	pad     = [4][4]byte{{'1', '2', '3', 'A'}, {'4', '5', '6', 'B'}, {'7', '8', '9', 'C'}, {'*', '0', '#', 'D'}}
	twoCos  = cosines()
	faint   = float32(stretch) * 300 * 300 / 2 // an amplitude of 300: −41 dBFS
	apart   = float32(6.3)                     // 8 dB
	partial = float32(0.7)                     // of the energy is in the two tones
)

func cosines() (c [8]float32) {
	for i, hz := range toneHz {
		c[i] = float32(2 * math.Cos(2*math.Pi*hz/rate))
	}
	return c
}

// hear takes a sample at 8 kHz, and returns the key that has just been pressed, 0
// if none.
func (t *toneHearing) hear(sample int16) rune {
	x := float32(sample)
	t.energy += x * x
	for i, c := range twoCos {
		t.s1[i], t.s2[i] = x+c*t.s1[i]-t.s2[i], t.s1[i]
	}
	if t.n++; t.n < stretch {
		return 0
	}
	key := t.step(t.judge())
	*t = toneHearing{last: t.last, pressed: t.pressed}
	return rune(key)
}

// step says which key a stretch makes pressed: one that is heard twice in a row,
// and again only after two stretches without it.
func (t *toneHearing) step(now byte) (key byte) {
	before := t.last
	t.last = now
	switch {
	case now != before:
	case now == 0:
		t.pressed = 0
	case now != t.pressed:
		t.pressed = now
		return now
	}
	return 0
}

// judge names the key that the stretch holds, 0 for none.
func (t *toneHearing) judge() byte {
	if t.energy < 2*faint {
		return 0
	}
	var power [8]float32
	for i, c := range twoCos {
		power[i] = t.s1[i]*t.s1[i] + t.s2[i]*t.s2[i] - c*t.s1[i]*t.s2[i]
	}
	row, column := strongest(power[:4]), strongest(power[4:])
	if row < 0 || column < 0 {
		return 0
	}
	low, high := power[row], power[4+column]
	if low > high*apart || high > low*apart || low+high < partial*t.energy*stretch/2 {
		return 0
	}
	return pad[row][column]
}

// strongest is the one that stands out, -1 if none does.
func strongest(power []float32) int {
	best := 0
	for i, p := range power {
		if p > power[best] {
			best = i
		}
	}
	for i, p := range power {
		if i != best && p*apart > power[best] {
			return -1
		}
	}
	return best
}
