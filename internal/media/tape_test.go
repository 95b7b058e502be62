package media

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
)

// stereo reads both channels of a file.
func stereo(t *testing.T, path string) (left, right []int16) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := binary.LittleEndian.Uint16(b[22:]); n != 2 {
		t.Fatalf("%d channels", n)
	}
	for b = b[wav.HeaderSize:]; len(b) >= 4; b = b[4:] {
		left = append(left, int16(binary.LittleEndian.Uint16(b)))
		right = append(right, int16(binary.LittleEndian.Uint16(b[2:])))
	}
	return left, right
}

func TestRecordWith(t *testing.T) {
	t.Parallel()
	onEachNetwork(t, func(t *testing.T, e *Engine) {
		a, ann := connected(t, e, pcmu)
		b, bob := connected(t, e, wideband)
		a.Join(b)
		path := filepath.Join(t.TempDir(), "talk.wav")
		r, err := a.RecordWith(b, path, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		said := ann.say(700, 60)
		<-bob.say(1200, 60)
		<-said
		eventually(t, "all of it", func() bool { return a.Stats().Received == 60 && b.Stats().Received == 60 })
		length, err := r.Stop()
		if err != nil || length < 1200*time.Millisecond || length > 1500*time.Millisecond {
			t.Errorf("%v long, %v", length, err)
		}
		left, right := stereo(t, path)
		for name, c := range map[string]struct {
			pcm []int16
			hz  float64
		}{"left": {left, 700}, "right": {right, 1200}} {
			if hz, _ := tone.Detect(c.pcm, rate); hz < c.hz-3 || hz > c.hz+3 {
				t.Errorf("%s: %v Hz, want %v", name, hz, c.hz)
			}
		}
		if _, err := a.RecordWith(b, path, time.Minute); err != nil { // both are free again
			t.Error(err)
		}
	})
}

func TestPausedIsSilent(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	p, ph := connected(t, e, pcmu)
	q, _ := connected(t, e, pcmu)
	path := filepath.Join(t.TempDir(), "talk.wav")
	r, err := p.RecordWith(q, path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for i, pause := range []bool{false, true, false} {
		r.Pause(pause)
		<-ph.say(700, 25)
		eventually(t, "all of it", func() bool { return p.Stats().Received == uint64(25*(i+1)) })
	}
	if _, err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	left, _ := stereo(t, path)
	loud := func(pcm []int16) int {
		n := 0
		for _, s := range pcm {
			if s > 500 || s < -500 {
				n++
			}
		}
		return n
	}
	if n := len(left); n < 11000 { // on a busy machine there is more silence between the packets
		t.Fatalf("%d samples", n)
	}
	first, last, all := loud(left[:3500]), loud(left[len(left)-3000:]), loud(left)
	if first < 1000 || last < 1000 || all > 5*first/2 { // two thirds of it are said, not all
		t.Errorf("loud samples %d, %d of %d", first, last, all)
	}
}

func TestTape(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.wav")
	tp, err := newTape(path, 2, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	put := func(channel int, at int64, n int, v int16) {
		t.Helper()
		pcm := make([]int16, n)
		for i := range pcm {
			pcm[i] = v
		}
		if err := tp.write(channel, at, pcm); err != nil {
			t.Fatal(err)
		}
	}
	put(0, 0, 160, 1)
	put(1, 80, 160, 2)
	put(0, 3*rate, 160, 3)    // a long pause
	put(1, 3*rate-160, 80, 4) // late, but within the last half second
	put(0, rate/2, 160, 5)    // far too late
	put(0, 10*rate-80, 160, 6)
	put(0, 60*rate, 160, 7) // beyond the limit
	if err := tp.complete(); err != nil {
		t.Fatal(err)
	}
	left, right := stereo(t, path)
	if len(left) != 10*rate {
		t.Fatalf("%d samples", len(left))
	}
	for at, want := range map[int][2]int16{
		0: {1, 0}, 80: {1, 2}, 200: {0, 2}, 1000: {0, 0}, rate / 2: {0, 0}, 3*rate - 100: {0, 4}, 3 * rate: {3, 0}, 10*rate - 1: {6, 0},
	} {
		if left[at] != want[0] || right[at] != want[1] {
			t.Errorf("at %d: %d, %d, want %v", at, left[at], right[at], want)
		}
	}
}
