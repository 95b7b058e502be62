package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/media"
	"github.com/callyard/callyard/internal/promptpg"
	"github.com/callyard/callyard/voicemail"
	"github.com/callyard/callyard/voicemail/voicemailpg"
)

// mailroom is the messages with the files that belong to them.
type mailroom struct {
	*voicemailpg.Store
	node    call.NodeID
	dir     string                      // of messages
	prompts *promptpg.Store             // has the greetings among other sounds
	changed func(context.Context) error // has all nodes look at it
	sounds  *media.Library
}

func (a *App) newMailroom() *mailroom {
	return &mailroom{
		Store: a.Mail, node: call.NodeID(a.cfg.Node), dir: filepath.Join(a.cfg.DataDir, "voicemail"),
		prompts: a.sounds.store, changed: func(ctx context.Context) error { return a.plan.Changed(ctx, "prompts") }, sounds: a.Media.Library(),
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

// Unheard lists a box's messages that nobody has heard, the oldest first: as many
// as somebody might sit through.
func (m *mailroom) Unheard(ctx context.Context, box string) ([]voicemail.Message, error) {
	list, err := m.Messages(ctx, voicemail.Filter{Box: box, New: true, Limit: 100})
	slices.Reverse(list)
	return list, err
}

// Load has a message's sound in the library until drop. Two phones that hear the
// same message have it twice.
func (m *mailroom) Load(_ context.Context, msg voicemail.Message) (prompt string, drop func(), err error) {
	wav, err := m.Sound(msg)
	if err != nil {
		return "", nil, err
	}
	prompt = heardNow + call.NewID("heard", time.Now())
	if err := m.sounds.Add(prompt, wav); err != nil {
		return "", nil, &voicemail.BadSoundError{Err: err}
	}
	return prompt, func() { m.sounds.Remove(prompt) }, nil
}

// heardNow is where the library has messages while they are played.
const heardNow = "message/"

// HasGreeting says whether a box has one of its own.
func (m *mailroom) HasGreeting(box string) bool { return m.sounds.Has(voicemail.Greeting(box)) }

// greets names the sound that a box's callers hear, "" for the usual one.
func (m *mailroom) greets(box string) string {
	if name := voicemail.Greeting(box); m.sounds.Has(name) {
		return name
	}
	return ""
}

// Greeting is a box's own greeting as a WAV file.
func (m *mailroom) Greeting(ctx context.Context, box string) ([]byte, error) {
	wav, err := m.prompts.Sound(ctx, voicemail.Greeting(box))
	if errors.Is(err, promptpg.ErrUnknown) {
		err = &voicemail.NoSoundError{What: "the greeting of " + box}
	}
	return wav, err
}

// SetGreeting has a box's callers greeted by a WAV file from now on, on all nodes.
func (m *mailroom) SetGreeting(ctx context.Context, box string, wav []byte) error {
	now := time.Now()
	probe := heardNow + call.NewID("greeting", now)
	if err := m.sounds.Add(probe, wav); err != nil { // what no node could play is not kept
		return &voicemail.BadSoundError{Err: err}
	}
	m.sounds.Remove(probe)
	if _, err := m.prompts.Save(ctx, promptpg.Prompt{Name: voicemail.Greeting(box), SavedAt: now}, wav); err != nil {
		return fmt.Errorf("greeting of %s: %w", box, err)
	}
	return m.changed(ctx)
}

// DropGreeting has them greeted as usual again.
func (m *mailroom) DropGreeting(ctx context.Context, box string) error {
	if err := m.prompts.Delete(ctx, voicemail.Greeting(box)); err != nil && !errors.Is(err, promptpg.ErrUnknown) {
		return fmt.Errorf("greeting of %s: %w", box, err)
	}
	return m.changed(ctx)
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
