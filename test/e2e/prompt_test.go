package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/client"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
)

// What an administrator uploads, and what a flow says, is heard by the next caller.
func TestUploadedAndSpokenPromptsAreHeard(t *testing.T) {
	t.Parallel()
	// A program that says everything in the same voice: 1700 Hz.
	voice := filepath.Join(t.TempDir(), "voice.wav")
	if err := os.WriteFile(voice, wav.Linear(tone.Generate(1700, 3*time.Second, 16000), 16000), 0o644); err != nil {
		t.Fatal(err)
	}
	h := start(t, "", func(c *config.Config) { c.TTS.Command = []string{"cat", voice} })
	hub := &client.Client{URL: "http://" + h.HTTPAddr(), Key: h.APIKey}
	put := client.Request{Method: "PUT", Path: "/v1/prompts/welcome", Body: client.File{Type: "audio/wav", Data: wav.Linear(tone.Generate(700, 3*time.Second, 44100), 44100)}}
	if _, err := hub.Do(within(t, 20*time.Second), put, nil); err != nil {
		t.Fatal(err)
	}
	h.apply(`
flows:
  - schema: callflow/v1
    name: greets
    entry: welcome
    handlers: {hangup: bye, error: bye}
    nodes:
      welcome: {type: play, cfg: {prompt: welcome}, on: {next: hello}}
      hello: {type: play, cfg: {say: "Hello {{call.from}}", lang: en}, on: {next: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
numbers:
  - {number: "+12025550131", flow: greets}
`)
	caller := h.calls(h.callers(), "+12025550131")
	hears(t, "the caller", caller, 700)
	hears(t, "the caller", caller, 1700)
	ends(t, "the caller", caller)
}
