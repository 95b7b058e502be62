package media

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/media/g711"
	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
)

func TestTheBuiltInSounds(t *testing.T) {
	t.Parallel()
	l, err := NewLibrary()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"default", "tone440", "beep", "ringback", "busy", "parked-at", "leave-message", "goodbye", "invalid", "recorded", "unavailable"}
	for d := range 10 {
		names = append(names, "digits/"+string(rune('0'+d)))
	}
	for _, name := range names {
		s := l.sound(name)
		if s == nil {
			t.Errorf("no %s", name)
			continue
		}
		if level := tone.Level(g711.FromUlaw(s.mu)); level < -32 || level > -10 {
			t.Errorf("%s at %.1f dBFS", name, level)
		}
		if len(s.mu) != len(s.alaw) || len(s.mu) != len(s.wide) || len(s.mu) != s.frames*frameSamples {
			t.Errorf("%s: %d and %d bytes for %d frames", name, len(s.mu), len(s.alaw), s.frames)
		}
	}
	for _, name := range []string{"default", "tone440", "ringback", "busy"} { // what loops
		pcm := g711.FromUlaw(l.sound(name).mu)
		if d := int(pcm[0]) - int(pcm[len(pcm)-1]); d > 3500 || d < -3500 {
			t.Errorf("%s clicks by %d where it loops", name, d)
		}
	}
	if n := l.sound("default").frames; n < 16*framesPerSecond || n > 24*framesPerSecond {
		t.Errorf("the music is %d frames", n)
	}
}

func TestLibraryAdd(t *testing.T) {
	t.Parallel()
	l, err := NewLibrary()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("another rate", func(t *testing.T) {
		if err := l.Add("welcome", wav.Linear(tone.Generate(500, 505*time.Millisecond, 44100), 44100)); err != nil {
			t.Fatal(err)
		}
		s := l.sound("welcome")
		if !tone.Has(g711.FromAlaw(s.alaw), 500) || s.frames != 26 {
			t.Errorf("%d frames", s.frames)
		}
	})
	t.Run("what is no sound", func(t *testing.T) {
		if err := l.Add("x", []byte("text")); !errors.Is(err, wav.ErrFormat) || l.Has("x") {
			t.Errorf("err = %v", err)
		}
		if err := l.Add("x", wav.Linear(nil, 8000)); !errors.Is(err, wav.ErrFormat) {
			t.Errorf("err = %v", err)
		}
		if err := l.Add("x", wav.Ulaw(make([]int16, longest/2+1), 4000)); !errors.Is(err, ErrTooLong) {
			t.Errorf("err = %v", err)
		}
	})
	t.Run("too short to be heard", func(t *testing.T) {
		if err := l.Add("click", wav.Linear([]int16{9000, 9000}, 44100)); err != nil {
			t.Fatal(err)
		}
		e := newEngine(t, Config{Library: l})
		p, ph := connected(t, e, pcmu)
		p.Music("click") // there is a frame to repeat
		ph.hear(3)
	})
	t.Run("from a folder", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "jazz.WAV"), wav.Ulaw(tone.Generate(440, time.Second, 8000), 8000), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "readme.txt"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := New(Config{IP: loopback, Music: dir})
		if err != nil {
			t.Fatal(err)
		}
		if !e.Library().Has("jazz") || !e.Library().Has("default") || e.Library().Has("readme") {
			t.Errorf("names: %v", e.Library().Names())
		}
	})
	t.Run("a folder that is not there", func(t *testing.T) {
		if _, err := New(Config{IP: loopback, Music: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("err = %v", err)
		}
	})
}
