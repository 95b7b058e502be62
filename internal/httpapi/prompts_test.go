package httpapi_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/media/clip"
	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
)

func TestPrompts(t *testing.T) {
	h := newHub(t)
	file := string(wav.Linear(tone.Generate(600, 1500*time.Millisecond, 44100), 44100))
	a := h.must(200, "PUT", "/v1/prompts/welcome", file, "Content-Type", "audio/wav")
	if a.doc["length_ms"] != 1500.0 || a.doc["name"] != "welcome" {
		t.Errorf("%s", a.body)
	}
	got, err := wav.Parse([]byte(h.must(200, "GET", "/v1/prompts/welcome/audio", nil).body))
	if err != nil || got.Rate != clip.Rate {
		t.Fatalf("%d Hz, %v", got.Rate, err)
	}
	if hz, _ := tone.Detect(got.PCM, got.Rate); hz < 597 || hz > 603 {
		t.Errorf("heard %v Hz", hz)
	}
	h.must(200, "GET", "/v1/prompts/welcome", nil)
	if h.changes() != 1 {
		t.Error("the hub was not told")
	}
	mp3, err := os.ReadFile("../media/clip/testdata/tone600.mp3")
	if err != nil {
		t.Fatal(err)
	}
	h.must(200, "PUT", "/v1/prompts/jingle", string(mp3), "Content-Type", "audio/mpeg")
	if a := h.must(200, "POST", "/v1/prompts/closed/speech", map[string]any{"text": "We are closed.", "lang": "en"}); a.doc["text"] != "We are closed." {
		t.Errorf("%s", a.body)
	}
	t.Run("the list has those that ship, too", func(t *testing.T) {
		names := ""
		for _, p := range h.must(200, "GET", "/v1/prompts", nil).data() {
			names += p["name"].(string) + " "
		}
		if names != "beep closed jingle welcome " {
			t.Errorf("%q", names)
		}
	})
	t.Run("what cannot be played is refused with the reason", func(t *testing.T) {
		a := h.problem(422, "not_a_sound", "PUT", "/v1/prompts/bad", "no sound", "Content-Type", "audio/wav")
		if !strings.Contains(a.body, "MP3") {
			t.Error(a.body)
		}
		h.problem(422, "validation_failed", "PUT", "/v1/prompts/Bad", file, "Content-Type", "audio/wav")
		h.problem(422, "validation_failed", "POST", "/v1/prompts/x/speech", map[string]any{"text": ""})
		h.problem(422, "validation_failed", "POST", "/v1/prompts/x/speech", map[string]any{"text": "hello", "lang": "--help"})
	})
	t.Run("a file longer than other requests may be is taken", func(t *testing.T) {
		h.must(200, "PUT", "/v1/prompts/long", string(wav.Linear(tone.Generate(600, 40*time.Second, 16000), 16000)), "Content-Type", "audio/wav")
	})
	t.Run("one that is played is not deleted", func(t *testing.T) {
		h.must(200, "PUT", "/v1/lots/sales", map[string]any{"first": 701, "last": 709, "music": "jingle"})
		if a := h.problem(409, "prompt_in_use", "DELETE", "/v1/prompts/jingle", nil); !strings.Contains(a.body, "lot sales") {
			t.Error(a.body)
		}
		h.must(204, "DELETE", "/v1/prompts/welcome", nil)
		h.problem(404, "prompt_not_found", "GET", "/v1/prompts/welcome", nil)
		h.problem(404, "prompt_not_found", "GET", "/v1/prompts/welcome/audio", nil)
		h.problem(404, "prompt_not_found", "DELETE", "/v1/prompts/welcome", nil)
	})
}
