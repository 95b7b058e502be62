package e2e

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/setup"
)

// telling is a number whose callers are told of by e-mail and in a chat, and
// then put where an alert is due at once.
const telling = `
flows:
  - schema: callflow/v1
    name: tells
    entry: mail
    handlers: {hangup: bye, error: bye}
    nodes:
      mail: {type: notify, cfg: {channel: email, template: call_summary, to: "boss@example.com"}, on: {next: chat}}
      chat: {type: notify, cfg: {channel: "CHAT", template: call_summary}, on: {next: park}}
      park: {type: park, cfg: {lot: sales, max_park_s: 60, ladder: [{after_s: 0, do: alert, to: manager, channel: chat}, {after_s: 60, do: goto, outcome: expired}]}, on: {default: bye}}
      bye: {type: hangup}
numbers:
  - {number: "+12025550152", flow: tells}
`

// letterbox is a mail server's backend.
type letterbox chan string

func (b letterbox) NewSession(*smtp.Conn) (smtp.Session, error) { return b, nil }
func (b letterbox) Mail(string, *smtp.MailOptions) error        { return nil }
func (b letterbox) Rcpt(string, *smtp.RcptOptions) error        { return nil }
func (b letterbox) Reset()                                      {}
func (b letterbox) Logout() error                               { return nil }
func (b letterbox) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	b <- string(text)
	return err
}

func TestAFlowTellsPeople(t *testing.T) {
	t.Parallel()
	letters, said := make(letterbox, 10), make(chan string, 10)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	post := smtp.NewServer(letters)
	go func() { _ = post.Serve(l) }()
	t.Cleanup(func() { _ = post.Close() })
	room := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct{ Text string }
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		said <- m.Text
	}))
	t.Cleanup(room.Close)
	h := start(t, "", func(c *config.Config) {
		c.Mail = config.Mail{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, TLS: "none", From: "calls@example.com"}
		c.Chats = []config.Chat{{Name: "floor", URL: room.URL}, {Name: "boss", URL: room.URL + "/boss"}}
	})
	d, err := setup.Read([]byte(strings.Replace(telling, "CHAT", "chat:nowhere", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Setup(t.Context(), d); err == nil || !strings.Contains(err.Error(), "not configured") {
		t.Errorf("a chat that is not there: %v", err)
	}
	h.apply(strings.Replace(telling, "CHAT", "chat:boss", 1))

	caller := h.calls(h.callers(), "+12025550152")
	id := h.newCall()
	wait := func(what string, from <-chan string, wants ...string) {
		t.Helper()
		select {
		case got := <-from:
			for _, want := range wants {
				if !strings.Contains(got, want) {
					t.Errorf("%s has no %q:\n%s", what, want, got)
				}
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no %s", what)
		}
	}
	wait("letter", letters, "To: <boss@example.com>", "Subject: Call from", string(id))
	wait("word in the chat", said, string(id))
	wait("word in the chat", said, string(id))
	eventually(t, "three facts", func() bool {
		events, err := h.Book.Timeline(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		sent := map[any]int{}
		for _, e := range events {
			if e.Type == call.NotifySent {
				sent[e.Data["channel"]]++
			}
		}
		return sent["email"] == 1 && sent["chat:boss"] == 1 && sent["chat"] == 1
	})
	caller.Hangup()
	h.told(id, call.Ended)
}
