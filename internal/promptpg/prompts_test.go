package promptpg_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/internal/promptpg"
)

func TestStore(t *testing.T) {
	t.Parallel()
	s, at := promptpg.New(pgtest.New(t)), time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	first, err := s.Save(t.Context(), promptpg.Prompt{Name: "welcome", Text: "Hello", Lang: "en", Length: 1500 * time.Millisecond, SavedAt: at}, []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Prompt(t.Context(), "welcome"); err != nil || got != first || got.Length != 1500*time.Millisecond {
		t.Errorf("%+v, %v", got, err)
	}
	second, err := s.Save(t.Context(), promptpg.Prompt{Name: "welcome", Length: time.Second, SavedAt: at.Add(time.Hour)}, []byte("two"))
	if err != nil || second.Hash == first.Hash {
		t.Fatalf("another sound has another hash: %+v, %v", second, err)
	}
	if _, err := s.Save(t.Context(), promptpg.Prompt{Name: "a/first", SavedAt: at}, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Prompts(t.Context()); err != nil || len(all) != 2 || all[0].Name != "a/first" || all[1] != second {
		t.Errorf("%+v, %v", all, err)
	}
	if b, err := s.Sound(t.Context(), "welcome"); err != nil || !bytes.Equal(b, []byte("two")) {
		t.Errorf("%q, %v", b, err)
	}
	if err := s.Delete(t.Context(), "welcome"); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"delete": s.Delete(t.Context(), "welcome"),
		"read":   func() error { _, err := s.Prompt(t.Context(), "welcome"); return err }(),
		"sound":  func() error { _, err := s.Sound(t.Context(), "welcome"); return err }(),
	} {
		if !errors.Is(err, promptpg.ErrUnknown) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
