package speech_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
	"github.com/callyard/callyard/internal/speech"
)

// TestMain makes the test's own binary the program that speaks: it notes what it
// was asked for and hums.
func TestMain(m *testing.M) {
	if log := os.Getenv("SPEAK_LOG"); log != "" {
		os.Exit(hum(log))
	}
	os.Exit(m.Run())
}

func hum(log string) int {
	text, _ := io.ReadAll(os.Stdin)
	f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return 2
	}
	fmt.Fprintf(f, "%s|%s\n", os.Args[1], text)
	if strings.Contains(string(text), "fail") {
		fmt.Fprintln(os.Stderr, "no such voice")
		return 3
	}
	_, _ = os.Stdout.Write(wav.Linear(tone.Generate(500, 200*time.Millisecond, 16000), 16000))
	return 0
}

func speaker(t *testing.T) (s *speech.Speaker, said func() []string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	t.Setenv("SPEAK_LOG", log)
	said = func() []string {
		b, _ := os.ReadFile(log)
		return strings.Split(strings.TrimSpace(string(b)), "\n")
	}
	return speech.New([]string{exe, "{lang}"}, filepath.Join(dir, "spoken")), said
}

func TestSay(t *testing.T) {
	t.Run("a text is spoken once, however many want it", func(t *testing.T) {
		s, said := speaker(t)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				b, err := s.Say(t.Context(), "Good morning", "pt-BR")
				if err != nil {
					t.Error(err)
					return
				}
				a, err := wav.Parse(b)
				if err != nil {
					t.Error(err)
					return
				}
				if hz, _ := tone.Detect(a.PCM, a.Rate); hz < 490 || hz > 510 {
					t.Errorf("heard %v Hz", hz)
				}
			})
		}
		wg.Wait()
		if _, err := s.Say(t.Context(), " Good morning\n", "pt-BR"); err != nil {
			t.Error(err)
		}
		if got := said(); len(got) != 1 || got[0] != "pt-BR|Good morning" {
			t.Errorf("said %q", got)
		}
	})
	t.Run("another text or language is another sound", func(t *testing.T) {
		s, said := speaker(t)
		for _, w := range [][2]string{{"one", ""}, {"two", ""}, {"two", "es"}} {
			if _, err := s.Say(t.Context(), w[0], w[1]); err != nil {
				t.Fatal(err)
			}
		}
		if got := said(); len(got) != 3 {
			t.Errorf("said %q", got)
		}
	})
	t.Run("a program that fails is named with what it said, and asked again", func(t *testing.T) {
		s, said := speaker(t)
		for range 2 {
			if _, err := s.Say(t.Context(), "fail", "en"); err == nil || !strings.Contains(err.Error(), "no such voice") {
				t.Errorf("%v", err)
			}
		}
		if len(said()) != 2 {
			t.Errorf("said %q", said())
		}
	})
	t.Run("what cannot be spoken is refused before", func(t *testing.T) {
		s, _ := speaker(t)
		for text, want := range map[string]error{strings.Repeat("a", 1201): speech.ErrTooLong} {
			if _, err := s.Say(t.Context(), text, "en"); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		for _, lang := range []string{"--help", "en us", "../../x", strings.Repeat("a", 30)} {
			if _, err := s.Say(t.Context(), "hello", lang); !errors.Is(err, speech.ErrLanguage) {
				t.Errorf("%s: %v", lang, err)
			}
		}
		t.Setenv("PATH", "")
		if _, err := speech.New(nil, t.TempDir()).Say(t.Context(), "hello", "en"); !errors.Is(err, speech.ErrNoCommand) {
			t.Errorf("%v", err)
		}
	})
	t.Run("who cannot wait does not spoil it for others", func(t *testing.T) {
		s, _ := speaker(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = s.Say(ctx, "hello", "en")
		if _, err := s.Say(t.Context(), "hello", "en"); err != nil {
			t.Error(err)
		}
	})
}

func TestTidy(t *testing.T) {
	s, said := speaker(t)
	for range 2 {
		if _, err := s.Say(t.Context(), "hello", "en"); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Tidy(time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("%d removed, %v", n, err)
	}
	if n, err := s.Tidy(time.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("%d removed, %v", n, err)
	}
	if _, err := s.Say(t.Context(), "hello", "en"); err != nil || len(said()) != 2 {
		t.Errorf("%v, said %q", err, said())
	}
}
