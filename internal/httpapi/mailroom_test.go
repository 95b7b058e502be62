package httpapi_test

import (
	"context"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/media"
	"github.com/callyard/callyard/voicemail"
	"github.com/callyard/callyard/voicemail/voicemailpg"
)

// mailroom keeps messages, and greetings that are WAV files.
type mailroom struct {
	*voicemailpg.Store
	sounds *media.Library
}

func (m mailroom) Sound(voicemail.Message) ([]byte, error) {
	return nil, &voicemail.NoSoundError{What: "the message"}
}

func (m mailroom) HasGreeting(box string) bool { return m.sounds.Has(box) }

func (m mailroom) Greeting(_ context.Context, box string) ([]byte, error) {
	return nil, &voicemail.NoSoundError{What: "the greeting of " + box}
}

func (m mailroom) SetGreeting(_ context.Context, box string, wav []byte) error {
	if err := m.sounds.Add(box, wav); err != nil {
		return &voicemail.BadSoundError{Err: err}
	}
	return nil
}

func (m mailroom) DropGreeting(_ context.Context, box string) error {
	m.sounds.Remove(box)
	return nil
}

// message has a caller leave a message.
func (h *hub) message(id string, of call.ID) {
	h.t.Helper()
	m := voicemail.Message{ID: id, Box: "sales", Call: of, Node: node, File: id + ".wav", Length: time.Second, LeftAt: time.Now()}
	if err := voicemailpg.New(h.db).Keep(h.t.Context(), m, call.Event{At: m.LeftAt, Call: of, Type: call.VoicemailNew}); err != nil {
		h.t.Fatal(err)
	}
}
