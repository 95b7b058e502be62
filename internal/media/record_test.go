package media

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
)

func TestRecord(t *testing.T) {
	t.Parallel()
	onEachNetwork(t, func(t *testing.T, e *Engine) {
		for name, c := range map[string]Codec{"PCMU": pcmu, "PCMA": pcma, "G.722": wideband} {
			t.Run(name, func(t *testing.T) {
				p, ph := connected(t, e, c)
				path := filepath.Join(t.TempDir(), "voicemail.wav")
				stop, err := p.Record(path, time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := p.Record(path+"2", time.Minute); !errors.Is(err, ErrRecording) {
					t.Errorf("a second recording: %v", err)
				}
				<-ph.say(700, 25)
				eventually(t, "all of it", func() bool { return p.Stats().Received == 25 })
				if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
					t.Error("it has its name before it is complete")
				}
				length, err := stop()
				if err != nil {
					t.Fatal(err)
				}
				a := readWAV(t, path)
				if hz, _ := tone.Detect(a.PCM, a.Rate); hz < 699 || hz > 701 || a.Rate != rate {
					t.Errorf("%v Hz at rate %d", hz, a.Rate)
				}
				if got := time.Duration(len(a.PCM)) * time.Second / rate; got != length || length < 500*time.Millisecond || length > 10*time.Second {
					t.Errorf("%v in the file, %v told", got, length)
				}
				if again, err := stop(); again != length || err != nil {
					t.Errorf("a second stop: %v, %v", again, err)
				}
				if left, _ := filepath.Glob(filepath.Dir(path) + "/*"); len(left) != 1 {
					t.Errorf("files left: %v", left)
				}
				// And it can be recorded again.
				stop, err = p.Record(path, time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				if length, err := stop(); length != 0 || err != nil {
					t.Errorf("an empty recording: %v, %v", length, err)
				}
			})
		}
	})
}

func readWAV(t *testing.T, path string) wav.Audio {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a, err := wav.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOpusIsRecorded(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	p, ph := connected(t, e, opus48)
	path := filepath.Join(t.TempDir(), "r.wav")
	stop, err := p.Record(path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	<-ph.sayAll(opusPackets(t, "music.opus")[:25], 48000)
	eventually(t, "all of it", func() bool { return p.Stats().Received == 25 })
	if length, err := stop(); err != nil || length < 500*time.Millisecond || length > 10*time.Second {
		t.Errorf("%v, %v", length, err)
	}
	if a := readWAV(t, path); !tone.Has(a.PCM, 600) {
		t.Error("not what was said")
	}
}

func TestGapsAreSilence(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	p, ph := connected(t, e, pcmu)
	path := filepath.Join(t.TempDir(), "r.wav")
	stop, err := p.Record(path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	loud := make([]byte, frameSamples) // 0x00 is the loudest negative sample
	ph.frame(loud)
	ph.seq += 2 // two lost
	ph.ts += 2 * frameSamples
	late := *ph
	ph.seq++
	ph.ts += frameSamples
	ph.frame(loud)
	late.frame(loud) // belongs before the last
	eventually(t, "three packets", func() bool { return p.Stats().Received == 3 })
	if _, err := stop(); err != nil {
		t.Fatal(err)
	}
	pcm := readWAV(t, path).PCM
	for len(pcm) > 0 && pcm[0] == 0 { // until the first came
		pcm = pcm[1:]
	}
	want := []bool{true, false, false, true, true}
	if len(pcm) != len(want)*frameSamples {
		t.Fatalf("%d samples", len(pcm))
	}
	for i, loud := range want {
		if frame := pcm[i*frameSamples]; (frame != 0) != loud {
			t.Errorf("frame %d: %d", i, frame)
		}
	}
}

func TestASourceThatStartsAnewIsPlacedByTheClock(t *testing.T) {
	t.Parallel()
	file, err := newTape(filepath.Join(t.TempDir(), "r"), 1, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer file.discard()
	r := &recorder{tape: file}
	tr := &track{rec: r}
	for _, c := range []struct {
		at       time.Duration
		ts, ssrc uint32
		ends     int64 // of the recording, in samples
	}{
		{20 * time.Millisecond, 1000, 1, 160},
		{40 * time.Millisecond, 1160, 1, 320},
		{2 * time.Second, 99, 2, 16160}, // another source
		{2040 * time.Millisecond, 259, 2, 16320},
		{5 * time.Second, 900000, 2, 40160}, // a jump
		{5 * time.Second, 0, 2, 40320},      // back, at the same instant: after what there is
		{70 * time.Second, 0, 3, 40320},     // beyond the limit
	} {
		if err := r.write(&recorded{track: tr, at: c.at, ts: c.ts, ssrc: c.ssrc, code: codeUlaw, tick: rate, n: frameSamples}); err != nil {
			t.Fatal(err)
		}
		if file.length != c.ends {
			t.Errorf("at %v: %d samples, want %d", c.at, file.length, c.ends)
		}
	}
}

func TestRecordingEnds(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	record := func(p *Port, max time.Duration) (string, func() (time.Duration, error)) {
		path := filepath.Join(t.TempDir(), "r.wav")
		stop, err := p.Record(path, max)
		if err != nil {
			t.Fatal(err)
		}
		return path, stop
	}
	t.Run("by itself when it is full", func(t *testing.T) {
		p, ph := connected(t, e, pcmu)
		path, stop := record(p, 200*time.Millisecond)
		said := ph.say(700, 20)
		eventually(t, "the file", func() bool { _, err := os.Stat(path); return err == nil })
		<-said
		if length, err := stop(); err != nil || length > 200*time.Millisecond || length < 140*time.Millisecond {
			t.Errorf("%v, %v", length, err)
		}
	})
	t.Run("with the port", func(t *testing.T) {
		p, ph := connected(t, e, pcmu)
		path, stop := record(p, time.Minute)
		<-ph.say(700, 3)
		eventually(t, "three packets", func() bool { return p.Stats().Received == 3 })
		p.Close()
		eventually(t, "the file", func() bool { _, err := os.Stat(path); return err == nil })
		if length, err := stop(); err != nil || length < 60*time.Millisecond {
			t.Errorf("%v, %v", length, err)
		}
		if _, err := p.Record(path, time.Minute); !errors.Is(err, ErrClosed) {
			t.Errorf("recording a closed port: %v", err)
		}
	})
	t.Run("with an error when the folder goes", func(t *testing.T) {
		p, _ := connected(t, e, pcmu)
		path, stop := record(p, time.Minute)
		if err := os.RemoveAll(filepath.Dir(path)); err != nil {
			t.Fatal(err)
		}
		if _, err := stop(); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("err = %v", err)
		}
	})
	t.Run("before it began when there is no folder", func(t *testing.T) {
		p, _ := connected(t, e, pcmu)
		if _, err := p.Record(filepath.Join(t.TempDir(), "no", "r.wav"), time.Minute); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("err = %v", err)
		}
	})
}

func TestASlowDiskDropsAndNeverBlocks(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	p, _ := connected(t, e, pcmu)
	r := &track{port: p, rec: &recorder{engine: e, frames: make(chan recorded, recordQueue)}} // nobody writes
	for range recordQueue + 7 {
		r.push(header{ts: 1, ssrc: 1}, &remote{code: codeUlaw, codec: pcmu}, make([]byte, frameSamples))
	}
	if d := p.Stats().RecordDropped; d != 7 {
		t.Errorf("%d dropped", d)
	}
}
