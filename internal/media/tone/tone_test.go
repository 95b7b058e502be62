package tone

import (
	"math"
	"testing"
	"time"
)

func TestDetectFindsWhatWasGenerated(t *testing.T) {
	for _, hz := range []float64{100, 350, 440, 600, 900, 1633, 3400} {
		got, level := Detect(Generate(hz, 500*time.Millisecond, 8000), 8000)
		if math.Abs(got-hz) > 1 {
			t.Errorf("%v Hz heard as %v", hz, got)
		}
		if math.Abs(level+15) > 0.5 {
			t.Errorf("%v Hz at %v dBFS, want -15", hz, level)
		}
	}
}

func TestHasTellsTonesApart(t *testing.T) {
	a, b := Generate(600, time.Second, 8000), Generate(900, time.Second, 8000)
	both := make([]int16, len(a))
	for i := range both {
		both[i] = a[i]/2 + b[i]/2
	}
	for _, c := range []struct {
		name string
		pcm  []int16
		hz   float64
		want bool
	}{
		{"the tone itself", a, 600, true},
		{"another tone", a, 900, false},
		{"a near tone", a, 640, false},
		{"one of two", both, 600, true},
		{"the other of two", both, 900, true},
		{"silence", make([]int16, 8000), 600, false},
		{"nothing", nil, 600, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Has(c.pcm, c.hz); got != c.want {
				t.Errorf("Has(%v) = %v", c.hz, got)
			}
		})
	}
}

func TestSilenceHasNoTone(t *testing.T) {
	if hz, level := Detect(make([]int16, 4000), 8000); hz != 0 || level > -100 {
		t.Errorf("silence heard as %v Hz at %v dBFS", hz, level)
	}
}
