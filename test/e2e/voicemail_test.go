package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/apitest"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/internal/softphone"
	"github.com/callyard/callyard/voicemail"
)

// rest asks the hub over REST.
func (h *hub) rest(status int, method, path, contentType string, body []byte, into any) []byte {
	h.t.Helper()
	req, err := http.NewRequestWithContext(within(h.t, 10*time.Second), method, "http://"+h.HTTPAddr()+path, bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.APIKey)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := apitest.Client(h.t).Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		h.t.Fatalf("%s %s: %d, want %d: %s %v", method, path, res.StatusCode, status, b, err)
	}
	if into != nil {
		if err := json.Unmarshal(b, into); err != nil {
			h.t.Fatalf("%s %s: %s: %v", method, path, b, err)
		}
	}
	return b
}

// waits waits until a phone shows so many messages.
func waits(t *testing.T, s *softphone.Subscription, counts string) {
	t.Helper()
	n, err := s.Next(within(t, 20*time.Second))
	if err != nil || !strings.Contains(n.Body, "Voice-Message: "+counts+" (0/0)\r\n") {
		t.Fatalf("want %s: %v\n%s", counts, err, n.Body)
	}
}

// A message is left after the box's own greeting, waits on the phones of who may
// hear it, is read over REST, heard, and deleted with its file.
func TestMessageWaits(t *testing.T) {
	t.Parallel()
	h := start(t, `
flows:
  - schema: callflow/v1
    name: mail
    entry: mail
    handlers: {hangup: bye, error: bye}
    nodes:
      mail: {type: voicemail, cfg: {box: team}, on: {default: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
numbers:
  - {number: "+12025550121", flow: mail}
`)
	greeting := wav.Linear(tone.Generate(1500, time.Second, 8000), 8000)
	h.rest(422, "PUT", "/v1/voicemail_boxes/team/greeting", "audio/wav", []byte("no sound"), nil)
	h.rest(404, "GET", "/v1/voicemail_boxes/team/greeting", "", nil, nil)
	h.rest(204, "PUT", "/v1/voicemail_boxes/team/greeting", "audio/wav", greeting, nil)
	if got := h.rest(200, "GET", "/v1/voicemail_boxes/team/greeting", "", nil, nil); !bytes.Equal(got, greeting) {
		t.Error("the greeting is not what was given")
	}

	rep1 := h.rep("rep1", softphone.Manual)
	team, err := rep1.Subscribe(within(t, 15*time.Second), "message-summary", "team", 10*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	waits(t, team, "0/0")
	if _, err := h.rep("rep3", softphone.Manual).Subscribe(within(t, 15*time.Second), "message-summary", "team", time.Minute); err == nil {
		t.Error("rep3 is not of the team")
	}

	caller := h.calls(h.callers(), "+12025550121")
	id := h.newCall()
	hears(t, "the caller", caller, 1500)
	eventually(t, "the recording begins", func() bool { return h.recording("team", id) })
	if err := caller.HearsNothing(within(t, 20*time.Second), 1500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	caller.Hangup()
	h.over(id, "voicemail")
	waits(t, team, "1/0")

	var boxes struct {
		Data []struct {
			Name       string
			New, Heard int
			Greeting   bool
		}
	}
	h.rest(200, "GET", "/v1/voicemail_boxes", "", nil, &boxes)
	if len(boxes.Data) != 1 || boxes.Data[0].Name != "team" || boxes.Data[0].New != 1 || !boxes.Data[0].Greeting {
		t.Errorf("%+v", boxes)
	}
	var list struct {
		Data []struct {
			ID      string `json:"id"`
			Call    string `json:"call_id"`
			Length  int64  `json:"length_ms"`
			HeardBy string `json:"heard_by"`
		}
	}
	h.rest(200, "GET", "/v1/voicemail_messages?box=team&new=true", "", nil, &list)
	if len(list.Data) != 1 || list.Data[0].Call != string(id) || list.Data[0].Length < 1000 {
		t.Fatalf("%+v", list)
	}
	message := "/v1/voicemail_messages/" + list.Data[0].ID
	sound, err := wav.Parse(h.rest(200, "GET", message+"/audio", "", nil, nil))
	if err != nil || !tone.Has(wav.Resample(sound.PCM, sound.Rate, 8000), callerHz) {
		t.Errorf("the message is not what the caller said: %v", err)
	}
	h.rest(200, "PUT", message+"/heard", "application/json", []byte(`{"heard": true, "by": "rep1"}`), nil)
	waits(t, team, "0/1")
	h.rest(200, "GET", "/v1/voicemail_messages?box=team&new=true", "", nil, &list)
	if len(list.Data) != 0 {
		t.Errorf("%+v", list)
	}
	h.rest(200, "PUT", message+"/heard", "application/json", []byte(`{"heard": false}`), nil)
	waits(t, team, "1/0")
	h.rest(204, "DELETE", message, "", nil, nil)
	waits(t, team, "0/0")
	h.rest(404, "GET", message, "", nil, nil)
	h.rest(404, "DELETE", message, "", nil, nil)
	if _, err := os.Stat(h.mailFile("team", id)); !os.IsNotExist(err) {
		t.Errorf("the file of a deleted message: %v", err)
	}
	h.rest(204, "DELETE", "/v1/voicemail_boxes/team/greeting", "", nil, nil)
	h.rest(404, "GET", "/v1/voicemail_boxes/team/greeting", "", nil, nil)
	if files, _ := filepath.Glob(filepath.Join(h.dir, "prompts", "greetings", "*")); len(files) > 0 {
		t.Errorf("left behind: %q", files)
	}
	h.rest(422, "PUT", "/v1/voicemail_boxes/.hidden/greeting", "audio/wav", greeting, nil)
}

// A rep dials *98: they are told how many messages wait, hear each, delete one and
// keep the other; their lamp follows.
func TestRepHearsMessages(t *testing.T) {
	t.Parallel()
	node := ""
	h := start(t, "", func(c *config.Config) { node = c.Node })
	rep1 := h.rep("rep1", softphone.Manual)
	mwi, err := rep1.Subscribe(within(t, 15*time.Second), "message-summary", "rep1", 10*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	waits(t, mwi, "0/0")
	var ids []string
	for i, hz := range []float64{1500, 1900} {
		at := time.Now().Add(time.Duration(i-9) * time.Minute)
		m := voicemail.Message{ID: call.NewID("msg", at), Box: "rep1", Call: "call_x", Node: call.NodeID(node), File: filepath.Join("rep1", strconv.Itoa(i)+".wav"), Length: 8 * time.Second, LeftAt: at}
		file := filepath.Join(h.dir, "voicemail", m.File)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, wav.Linear(tone.Generate(hz, 8*time.Second, 8000), 8000), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := h.Mail.Keep(within(t, 15*time.Second), m, call.Event{At: at, Call: m.Call, Type: call.VoicemailNew}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.ID)
		waits(t, mwi, strconv.Itoa(i+1)+"/0")
	}
	d := h.dialled(rep1, "rep1", voicemail.Code)
	hears(t, "rep1", d, 1500)
	if err := d.SendDigits(within(t, 15*time.Second), "7"); err != nil {
		t.Fatal(err)
	}
	waits(t, mwi, "1/0")
	hears(t, "rep1", d, 1900)
	if err := d.SendDigits(within(t, 15*time.Second), "9"); err != nil {
		t.Fatal(err)
	}
	waits(t, mwi, "0/1")
	if e := ends(t, "rep1", d); !e.Remote {
		t.Errorf("%+v", e)
	}
	h.rest(404, "GET", "/v1/voicemail_messages/"+ids[0], "", nil, nil)
	var m struct {
		HeardBy string `json:"heard_by"`
	}
	h.rest(200, "GET", "/v1/voicemail_messages/"+ids[1], "", nil, &m)
	if m.HeardBy != "rep1" {
		t.Errorf("heard by %q", m.HeardBy)
	}
	if files, _ := filepath.Glob(filepath.Join(h.dir, "voicemail", "rep1", "*")); len(files) != 1 {
		t.Errorf("files: %q", files)
	}
}

// A greeting is all nodes'; a message's sound is its node's, which the others name.
func TestVoicemailOfAnotherNode(t *testing.T) {
	t.Parallel()
	url, node := pgtest.URL(t), ""
	here := start(t, "", func(c *config.Config) { c.Database, node = url, c.Node })
	there := start(t, "", func(c *config.Config) { c.Database = url })
	there.APIKey = here.APIKey // only the first node of a database makes one
	const greeting = "/v1/voicemail_boxes/team/greeting"
	sound := wav.Linear(tone.Generate(1500, time.Second, 8000), 8000)
	here.rest(204, "PUT", greeting, "audio/wav", sound, nil)
	if got := there.rest(200, "GET", greeting, "", nil, nil); !bytes.Equal(got, sound) {
		t.Error("the greeting is another there")
	}
	name := voicemail.Greeting("team")
	eventually(t, "the other node can play it", func() bool { return there.Media.Library().Has(name) })
	there.rest(204, "DELETE", greeting, "", nil, nil)
	eventually(t, "no node plays it any more", func() bool { return !here.Media.Library().Has(name) && !there.Media.Library().Has(name) })

	now := time.Now()
	m := voicemail.Message{ID: call.NewID("msg", now), Box: "team", Call: "call_x", Node: call.NodeID(node), File: "team/x.wav", LeftAt: now}
	if err := here.Mail.Keep(within(t, 15*time.Second), m, call.Event{At: now, Call: m.Call, Type: call.VoicemailNew}); err != nil {
		t.Fatal(err)
	}
	if answer := there.rest(409, "GET", "/v1/voicemail_messages/"+m.ID+"/audio", "", nil, nil); !strings.Contains(string(answer), node) {
		t.Errorf("%s", answer)
	}
	here.rest(404, "GET", "/v1/voicemail_messages/"+m.ID+"/audio", "", nil, nil) // it is here, or was
}
