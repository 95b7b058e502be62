// Package speech turns text into sound by a program of the operator's choice,
// and keeps what was spoken: the same text is spoken once.
package speech

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/media/clip"
	"github.com/callyard/callyard/internal/media/wav"
)

const (
	// longestText is about a minute and a half of speech.
	longestText = 1200
	// timeout bounds one run of the program.
	timeout = 10 * time.Second
	// atOnce bounds how many programs run: callers' audio goes first.
	atOnce = 2
	// mostOutput is what a program may write: far more than longestText needs.
	mostOutput = 64 << 20
)

var (
	// ErrNoCommand: there is no program to speak with.
	ErrNoCommand = errors.New("no text-to-speech program: install espeak-ng, or name one in tts.command")
	// ErrTooLong is a text of more than 1,200 characters.
	ErrTooLong = errors.New("text of more than 1200 characters")
	// ErrLanguage is a language that is no language tag.
	ErrLanguage = errors.New("not a language such as en or pt-BR")
)

// Speaker speaks texts. Safe for use by many goroutines.
type Speaker struct {
	command []string // "{lang}" stands for the language; the text comes on standard input, WAV is expected on standard output
	dir     string
	slots   chan struct{}

	mu      sync.Mutex
	current map[string]*speaking
}

// speaking is a text that is being spoken, for all who want it.
type speaking struct {
	done chan struct{}
	wav  []byte
	err  error
}

// New makes a speaker that keeps its sounds in dir. An empty command is espeak-ng
// if that is installed.
func New(command []string, dir string) *Speaker {
	if len(command) == 0 {
		if path, err := exec.LookPath("espeak-ng"); err == nil {
			command = []string{path, "-v", "{lang}", "-s", "155", "--stdin", "--stdout"}
		}
	}
	return &Speaker{command: command, dir: dir, slots: make(chan struct{}, atOnce), current: map[string]*speaking{}}
}

// Can reports whether there is a program to speak with.
func (s *Speaker) Can() bool { return len(s.command) > 0 }

// Name is what the sound of a text is called: the same for the same text.
func (s *Speaker) Name(text, lang string) string {
	sum := sha256.Sum256([]byte(strings.Join(s.command, "\x00") + "\x00" + lang + "\x00" + strings.TrimSpace(text)))
	return hex.EncodeToString(sum[:16])
}

// Say is the text as a WAV file, from the folder if it was spoken before. Lang is
// a language tag, English if empty.
func (s *Speaker) Say(ctx context.Context, text, lang string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if lang == "" {
		lang = "en"
	}
	switch {
	case !s.Can():
		return nil, ErrNoCommand
	case len([]rune(text)) > longestText:
		return nil, ErrTooLong
	case !tag(lang):
		return nil, fmt.Errorf("%q: %w", lang, ErrLanguage)
	}
	name := s.Name(text, lang)
	file := filepath.Join(s.dir, name[:2], name+".wav")
	if b, err := os.ReadFile(file); err == nil {
		now := time.Now()
		_ = os.Chtimes(file, now, now) // what is used is kept
		return b, nil
	}
	s.mu.Lock()
	now := s.current[name]
	if now == nil {
		now = &speaking{done: make(chan struct{})}
		s.current[name] = now
		go s.speak(now, name, file, text, lang) //nolint:contextcheck // others may wait for it too
	}
	s.mu.Unlock()
	select {
	case <-now.done:
		return now.wav, now.err
	case <-ctx.Done():
		return nil, fmt.Errorf("speak: %w", ctx.Err())
	}
}

func (s *Speaker) speak(sp *speaking, name, file, text, lang string) {
	defer func() {
		s.mu.Lock()
		delete(s.current, name)
		s.mu.Unlock()
		close(sp.done)
	}()
	s.slots <- struct{}{}
	defer func() { <-s.slots }()
	raw, err := s.run(text, lang)
	if err == nil {
		var pcm []int16
		if pcm, err = clip.Read(raw); err == nil {
			sp.wav = wav.Linear(pcm, clip.Rate)
			err = keep(file, sp.wav)
		}
	}
	if err != nil {
		sp.wav, sp.err = nil, fmt.Errorf("speak with %s: %w", s.command[0], err)
	}
}

// run has the program speak. The text is no part of its command line: whatever it
// holds, it is only read aloud.
func (s *Speaker) run(text, lang string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	args := make([]string, len(s.command))
	for i, a := range s.command {
		args[i] = strings.ReplaceAll(a, "{lang}", lang)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.WaitDelay = time.Second
	out, complaint := &bounded{most: mostOutput}, &bounded{most: 2000}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text), out, complaint
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("it took more than %v", timeout)
		}
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(complaint.b.String()))
	}
	return out.b.Bytes(), nil
}

// keep writes the file whole or not at all.
func keep(file string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), "*.part")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}

// tag reports whether a text looks like a language tag (RFC 5646), so that it is
// safe as an argument.
func tag(lang string) bool {
	if len(lang) > 20 || lang[0] == '-' {
		return false
	}
	for _, r := range lang {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}

// bounded keeps the first bytes that are written, and refuses more.
type bounded struct {
	b    bytes.Buffer
	most int
}

func (w *bounded) Write(p []byte) (int, error) {
	if w.b.Len()+len(p) > w.most {
		return 0, errors.New("too much output")
	}
	return w.b.Write(p)
}

// Tidy forgets what nobody has wanted since a time, and returns how much that was.
func (s *Speaker) Tidy(since time.Time) (int, error) {
	root, err := os.OpenRoot(s.dir)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil // nothing was ever spoken
	}
	if err != nil {
		return 0, fmt.Errorf("tidy speech: %w", err)
	}
	defer func() { _ = root.Close() }()
	n := 0
	err = fs.WalkDir(root.FS(), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		i, err := d.Info()
		if err != nil || i.ModTime().After(since) {
			return err
		}
		n++
		return root.Remove(file)
	})
	if err != nil {
		return n, fmt.Errorf("tidy speech: %w", err)
	}
	return n, nil
}
