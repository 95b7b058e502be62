package app

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/promptpg"
	"github.com/callyard/callyard/internal/speech"
)

const (
	// spokenInMemory is how many texts that flows had spoken are kept encoded.
	spokenInMemory = 200
	// spokenOnDisk is how long one that nobody hears any more is kept as a file.
	spokenOnDisk = 30 * 24 * time.Hour
)

// library is what of the media engine's sounds is needed here.
type library interface {
	Add(name string, file []byte) error
	Remove(name string)
	Has(name string) bool
}

// sounds keeps the media engine's library in line with the prompts in the
// database, and has texts spoken.
type sounds struct {
	store   *promptpg.Store
	speaker *speech.Speaker

	mu      sync.Mutex
	library library           // nil before the media engine has started
	have    map[string]string // prompt → hash
	spoken  []string          // names in the library, the one used last at the end
}

func (a *App) startSounds(ctx context.Context) error {
	if err := a.sounds.fill(ctx, a.Media.Library()); err != nil {
		return err
	}
	if n, err := a.sounds.speaker.Tidy(time.Now().Add(-spokenOnDisk)); err != nil {
		a.log.Warn("old speech is not removed", "err", err)
	} else if n > 0 {
		a.log.Info("old speech removed", "files", n)
	}
	return nil
}

func newSounds(store *promptpg.Store, command []string, dir string) *sounds {
	return &sounds{store: store, speaker: speech.New(command, filepath.Join(dir, "speech")), have: map[string]string{}}
}

// fill takes the library that is to be kept in line, and brings it there.
func (s *sounds) fill(ctx context.Context, l library) error {
	s.mu.Lock()
	s.library = l
	s.mu.Unlock()
	return s.load(ctx)
}

// load reads the prompts that changed.
func (s *sounds) load(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.library == nil {
		return nil // the media engine is still to come
	}
	all, err := s.store.Prompts(ctx)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, p := range all {
		there[p.Name] = true
		if s.have[p.Name] == p.Hash {
			continue
		}
		file, err := s.store.Sound(ctx, p.Name)
		if err != nil {
			return err
		}
		if err := s.library.Add(p.Name, file); err != nil {
			return err
		}
		s.have[p.Name] = p.Hash
	}
	for name := range s.have {
		if !there[name] {
			s.library.Remove(name)
			delete(s.have, name)
		}
	}
	return nil
}

// say has a text spoken and returns the name under which it can be played.
func (s *sounds) say(ctx context.Context, text, lang string) (string, error) {
	name := "say/" + s.speaker.Name(text, lang)
	if !s.library.Has(name) {
		file, err := s.speaker.Say(ctx, text, lang)
		if err != nil {
			return "", err
		}
		if err := s.library.Add(name, file); err != nil {
			return "", fmt.Errorf("speak: %w", err)
		}
	}
	s.used(name)
	return name, nil
}

// used keeps the texts heard last in memory, and lets go of one for each that is
// too much: a text with a caller's name in it is heard once.
func (s *sounds) used(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, n := range s.spoken {
		if n == name {
			s.spoken = append(s.spoken[:i], s.spoken[i+1:]...)
			break
		}
	}
	s.spoken = append(s.spoken, name)
	if len(s.spoken) > spokenInMemory {
		s.library.Remove(s.spoken[0])
		s.spoken = s.spoken[1:]
	}
}
