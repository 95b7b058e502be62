package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/client"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
	"github.com/callyard/callyard/internal/softphone"
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

// Whoever answers a call with a whisper is told it before they hear the caller, who
// is told nothing of it.
func TestWhisperIsHeard(t *testing.T) {
	t.Parallel()
	voice := filepath.Join(t.TempDir(), "voice.wav")
	if err := os.WriteFile(voice, wav.Linear(tone.Generate(1700, 3*time.Second, 16000), 16000), 0o644); err != nil {
		t.Fatal(err)
	}
	h := start(t, `
flows:
  - schema: callflow/v1
    name: says
    entry: say
    handlers: {hangup: bye, error: bye}
    nodes:
      say: {type: play, cfg: {say: "a call for sales"}, on: {next: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
  - schema: callflow/v1
    name: whispers
    entry: rep
    handlers: {hangup: bye, error: bye}
    nodes:
      rep: {type: dial, cfg: {targets: ["agent:rep1"], ring_s: 60, whisper: "a call for sales"}, on: {answered: bye, default: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
numbers:
  - {number: "+12025550132", flow: says}
  - {number: "+12025550133", flow: whispers}
`, func(c *config.Config) { c.TTS.Command = []string{"cat", voice} })
	trunk := h.callers()
	first := h.calls(trunk, "+12025550132") // from now on the words are spoken at once
	hears(t, "the first caller", first, 1700)
	first.Hangup()
	h.over(h.newCall(), "abandoned")

	rep1 := h.rep("rep1", softphone.Manual)
	caller := h.dials(trunk, "+12025550133")
	at := offeredTo(t, "rep1", rep1)
	if err := at.Answer(); err != nil {
		t.Fatal(err)
	}
	hears(t, "rep1", at, 1700)
	hears(t, "rep1, after the whisper", at, callerHz)
	hears(t, "the caller", caller, repHz["rep1"])
	for _, s := range caller.Heard() {
		if s.Hz == 1700 {
			t.Errorf("the caller has heard the whisper: %v", caller.Heard())
		}
	}
	id := h.newCall()
	h.told(id, call.Whispered)
	caller.Hangup()
	ends(t, "rep1", at)
	h.over(id, "answered")
}
