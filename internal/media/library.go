package media

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/callyard/callyard/internal/media/assets"
	"github.com/callyard/callyard/internal/media/g711"
	"github.com/callyard/callyard/internal/media/g722"
	"github.com/callyard/callyard/internal/media/wav"
)

const (
	rate         = 8000
	frameSamples = rate / framesPerSecond
	// longest is half an hour: 43 MB of memory.
	longest = 30 * 60 * rate
)

// ErrTooLong is a sound of more than half an hour.
var ErrTooLong = errors.New("longer than 30 minutes")

// sound is a clip or music, encoded once for all who hear it. A frame has 160
// bytes in each coding.
type sound struct {
	frames         int
	mu, alaw, wide []byte // PCMU, PCMA, G.722
}

func (s *sound) frame(c coding, i int) []byte {
	at := i * frameSamples
	switch c {
	case codeUlaw:
		return s.mu[at : at+frameSamples]
	case codeAlaw:
		return s.alaw[at : at+frameSamples]
	case codeG722: // who comes in midway hears the decoder settle for a moment
		return s.wide[at : at+frameSamples]
	case codeNone, codeOpus:
	}
	return nil
}

// Library is the sounds that can be sent, by name: "default", "digits/7". Music
// and prompts share the names; any sound can be either. Safe for concurrent use;
// what is being heard goes on being heard when its name gets another sound.
type Library struct {
	mu     sync.RWMutex
	sounds map[string]*sound
}

// NewLibrary has the sounds that ship with the program: default, tone440, beep,
// ringback, busy, digits/0 to digits/9, parked-at, leave-message, goodbye,
// invalid, recorded and unavailable.
func NewLibrary() (*Library, error) {
	sounds, err := builtIn()
	if err != nil {
		return nil, fmt.Errorf("load built-in sounds: %w", err)
	}
	return &Library{sounds: maps.Clone(sounds)}, nil
}

// builtIn is encoded once in the life of the program: it never changes.
var builtIn = sync.OnceValues(func() (map[string]*sound, error) {
	l := &Library{sounds: map[string]*sound{}}
	return l.sounds, l.Load(assets.Files)
})

// Load adds every WAV file of a folder and those below it, named by its path
// without the extension.
func (l *Library) Load(files fs.FS) error {
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.EqualFold(path.Ext(name), ".wav") {
			return err
		}
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		return l.Add(strings.TrimSuffix(name, path.Ext(name)), b)
	})
}

// Add decodes a WAV file and keeps it under a name, in place of what had it.
// Stereo is mixed to one channel, other rates are resampled to 8 kHz and, for
// G.722, to 16.
// wav.ErrFormat and ErrTooLong say what is wrong with a file.
func (l *Library) Add(name string, file []byte) error {
	a, err := wav.Parse(file)
	if err != nil {
		return fmt.Errorf("add sound %q: %w", name, err)
	}
	if len(a.PCM) > longest/rate*a.Rate {
		return fmt.Errorf("add sound %q: %w", name, ErrTooLong)
	}
	if len(a.PCM) == 0 {
		return fmt.Errorf("add sound %q: it is empty: %w", name, wav.ErrFormat)
	}
	s := encoded(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sounds[name] = s
	return nil
}

func encoded(a wav.Audio) *sound {
	narrow, wide := wav.Resample(a.PCM, a.Rate, rate), wav.Resample(a.PCM, a.Rate, g722.Rate)
	// A sound too short to be heard is a frame of silence: it is no reason to fail.
	s := &sound{frames: max(1, (len(narrow)+frameSamples-1)/frameSamples)}
	whole := func(pcm []int16, perFrame int) []int16 { // a frame that is not full ends in silence
		n := s.frames * perFrame
		return append(slices.Clip(pcm[:min(len(pcm), n)]), make([]int16, max(0, n-len(pcm)))...)
	}
	narrow = whole(narrow, frameSamples)
	s.mu, s.alaw = g711.Ulaw(narrow), g711.Alaw(narrow)
	s.wide = encodeAll(codeG722, whole(wide, 2*frameSamples))
	return s
}

// Has reports whether there is a sound of that name.
func (l *Library) Has(name string) bool { return l.sound(name) != nil }

// Names is all names, sorted.
func (l *Library) Names() []string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Sorted(maps.Keys(l.sounds))
}

func (l *Library) sound(name string) *sound {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.sounds[name]
}

func (l *Library) music(name string) *sound {
	if s := l.sound(name); s != nil {
		return s
	}
	return l.sound("default")
}

// Remove takes a sound away. One that ships with the program comes back in its
// place. Whoever hears it hears it to its end.
func (l *Library) Remove(name string) {
	shipped, err := builtIn()
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := shipped[name]; err == nil && s != nil {
		l.sounds[name] = s
		return
	}
	delete(l.sounds, name)
}
