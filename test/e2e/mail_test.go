package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
	"github.com/callyard/callyard/internal/softphone"
)

func (h *hub) mailFile(box string, id call.ID) string {
	return filepath.Join(h.dir, "voicemail", box, string(id)+".wav")
}

// recording tells whether a message is being recorded.
func (h *hub) recording(box string, id call.ID) bool {
	_, err := os.Stat(h.mailFile(box, id) + ".part")
	return err == nil
}

// hasMessage reads the message and listens for the caller's tone.
func (h *hub) hasMessage(box string, id call.ID, hz int) {
	h.t.Helper()
	b, err := os.ReadFile(h.mailFile(box, id))
	if err != nil {
		h.t.Fatal(err)
	}
	sound, err := wav.Parse(b)
	if err != nil {
		h.t.Fatal(err)
	}
	pcm := wav.Resample(sound.PCM, sound.Rate, 8000)
	if len(pcm) < 8000 || !tone.Has(pcm[len(pcm)/4:], float64(hz)) {
		h.t.Errorf("a message of %d samples without the caller's %d Hz", len(pcm), hz)
	}
}

// A call that nobody takes goes to voicemail at the ladder's last step.
func TestLastStepTakesAMessage(t *testing.T) {
	t.Parallel()
	h := start(t, `
flows:
  - schema: callflow/v1
    name: climbs
    entry: park
    handlers: {hangup: bye, error: bye}
    nodes:
      park: {type: park, cfg: {lot: sales, max_park_s: 10, ladder: [{after_s: 10, do: goto, outcome: expired}]}, on: {retrieved: bye, expired: mail, default: bye}}
      mail: {type: voicemail, cfg: {box: sales}, on: {default: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
numbers:
  - {number: "+12025550120", flow: climbs}
`)
	caller := h.calls(h.callers(), climbs)
	id := h.newCall()
	hears(t, "the parked caller", caller, musicHz)
	eventuallyFor(t, 25*time.Second, "the recording begins", func() bool { return h.recording("sales", id) })
	if err := caller.HearsNothing(within(t, 20*time.Second), 1500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	// The hub hangs up as soon as it knows the key, while it is still being pressed.
	if err := caller.SendDigits(within(t, 15*time.Second), "#"); err != nil && !errors.Is(err, softphone.ErrEnded) {
		t.Fatal(err)
	}
	ends(t, "the caller", caller)
	h.over(id, "voicemail")
	h.hasMessage("sales", id, callerHz)
	if got := h.parkReasons(id); len(got) != 1 || got[0] != "expired_voicemail" {
		t.Error(got)
	}
}
