package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/media"
	"github.com/callyard/callyard/voicemail"
	"github.com/callyard/callyard/voicemail/voicemailpg"
)

// mailroom is the messages with the files that belong to them.
type mailroom struct {
	*voicemailpg.Store
	node    call.NodeID
	dir     string // of messages
	prompts string // of greetings among other sounds
	sounds  *media.Library
}

func (a *App) newMailroom() *mailroom {
	return &mailroom{
		Store: a.Mail, node: call.NodeID(a.cfg.Node), dir: filepath.Join(a.cfg.DataDir, "voicemail"),
		prompts: filepath.Join(a.cfg.DataDir, "prompts"), sounds: a.Media.Library(),
	}
}

// Sound is a message as a WAV file.
func (m *mailroom) Sound(msg voicemail.Message) ([]byte, error) {
	if msg.Node != m.node {
		return nil, &voicemail.ElsewhereError{Node: msg.Node}
	}
	return read(filepath.Join(m.dir, msg.File), "message "+msg.ID)
}

// Delete forgets a message and removes its file, in this order: a file without a
// message is found by nobody, a message without a file by everybody.
func (m *mailroom) Delete(ctx context.Context, id string) (voicemail.Message, error) {
	msg, err := m.Message(ctx, id)
	if err != nil {
		return msg, err
	}
	if msg.Node != m.node {
		return msg, &voicemail.ElsewhereError{Node: msg.Node}
	}
	if msg, err = m.Store.Delete(ctx, id); err != nil {
		return msg, err
	}
	return msg, remove(filepath.Join(m.dir, msg.File))
}

// HasGreeting says whether a box has one of its own.
func (m *mailroom) HasGreeting(box string) bool { return m.sounds.Has(voicemail.Greeting(box)) }

// greets names the sound that a box's callers hear, "" for the usual one.
func (m *mailroom) greets(box string) string {
	if name := voicemail.Greeting(box); m.sounds.Has(name) {
		return name
	}
	return ""
}

func (m *mailroom) greetingFile(box string) string {
	return filepath.Join(m.prompts, filepath.FromSlash(voicemail.Greeting(box))+".wav")
}

// Greeting is a box's own greeting as a WAV file.
func (m *mailroom) Greeting(box string) ([]byte, error) {
	return read(m.greetingFile(box), "the greeting of "+box)
}

// SetGreeting has a box's callers greeted by a WAV file from now on.
func (m *mailroom) SetGreeting(box string, wav []byte) error {
	file := m.greetingFile(box)
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return fmt.Errorf("greeting of %s: %w", box, err)
	}
	part := file + ".part"
	if err := os.WriteFile(part, wav, 0o600); err != nil {
		return fmt.Errorf("greeting of %s: %w", box, err)
	}
	if err := m.sounds.Add(voicemail.Greeting(box), wav); err != nil {
		return errors.Join(&voicemail.BadSoundError{Err: err}, remove(part))
	}
	if err := os.Rename(part, file); err != nil {
		return fmt.Errorf("greeting of %s: %w", box, err)
	}
	return nil
}

// DropGreeting has them greeted as usual again.
func (m *mailroom) DropGreeting(box string) error {
	m.sounds.Remove(voicemail.Greeting(box))
	return remove(m.greetingFile(box))
}

func read(file, what string) ([]byte, error) {
	b, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &voicemail.NoSoundError{What: what}
	case err != nil:
		return nil, fmt.Errorf("sound of %s: %w", what, err)
	}
	return b, nil
}

// remove is os.Remove for what may be gone already.
func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a sound: %w", err)
	}
	return nil
}
