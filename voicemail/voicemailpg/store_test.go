package voicemailpg_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/voicemail"
	"github.com/callyard/callyard/voicemail/voicemailpg"
)

func TestMessages(t *testing.T) {
	db := pgtest.New(t)
	book, s := callpg.New(db, nil), voicemailpg.New(db)
	now := time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(book.Begin(t.Context(), callctl.Opening{ID: "call_1", Node: "n1", At: now}))
	var ms []voicemail.Message
	for i, box := range []string{"sales", "sales", "ann"} {
		m := voicemail.Message{
			ID: call.NewID("msg", now.Add(time.Duration(i)*time.Minute)), Box: box, Call: "call_1", Node: "n1", From: "+34600000001", Name: "Ana",
			File: "sales/call_1.wav", Length: 3 * time.Second, LeftAt: now.Add(time.Duration(i) * time.Minute),
		}
		fact := call.Event{Call: "call_1", Type: call.VoicemailNew, At: m.LeftAt}
		must(s.Keep(t.Context(), m, fact))
		must(s.Keep(t.Context(), m, fact)) // its answer was lost
		ms = append(ms, m)
	}
	if facts, err := book.Timeline(t.Context(), "call_1"); err != nil || len(facts) != 3 {
		t.Errorf("%d facts, want one for each message: %v", len(facts), err)
	}
	list := func(f voicemail.Filter, want ...voicemail.Message) {
		t.Helper()
		got, err := s.Messages(t.Context(), f)
		if err != nil || len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: %+v %v\nwant %+v", f, got, err, want)
		}
	}
	list(voicemail.Filter{}, ms[2], ms[1], ms[0])
	list(voicemail.Filter{Box: "sales", Limit: 1}, ms[1])
	list(voicemail.Filter{Box: "sales", Before: ms[1].ID}, ms[0])

	m, err := s.Heard(t.Context(), ms[0].ID, "ann", now.Add(time.Hour))
	if err != nil || m.HeardBy != "ann" || !m.HeardAt.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v %v", m, err)
	}
	if again, err := s.Heard(t.Context(), ms[0].ID, "bob", now.Add(2*time.Hour)); err != nil || again != m {
		t.Errorf("who heard it first did: %+v %v", again, err)
	}
	list(voicemail.Filter{Box: "sales", New: true}, ms[1])
	if got, err := s.Boxes(t.Context()); err != nil || !reflect.DeepEqual(got, []voicemail.Count{{Box: "ann", New: 1}, {Box: "sales", New: 1, Heard: 1}}) {
		t.Errorf("%+v %v", got, err)
	}
	if back, err := s.Renew(t.Context(), ms[0].ID); err != nil || back != ms[0] {
		t.Errorf("%+v %v", back, err)
	}
	if gone, err := s.Delete(t.Context(), ms[0].ID); err != nil || gone != ms[0] {
		t.Errorf("%+v %v", gone, err)
	}
	var unknown *voicemail.UnknownError
	for what, f := range map[string]func() error{
		"read":   func() error { _, err := s.Message(t.Context(), ms[0].ID); return err },
		"heard":  func() error { _, err := s.Heard(t.Context(), ms[0].ID, "ann", now); return err },
		"renew":  func() error { _, err := s.Renew(t.Context(), ms[0].ID); return err },
		"delete": func() error { _, err := s.Delete(t.Context(), ms[0].ID); return err },
	} {
		if err := f(); !errors.As(err, &unknown) || unknown.ID != ms[0].ID {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestBoxNames(t *testing.T) {
	for name, valid := range map[string]bool{"sales": true, "team:sales": true, "José": true, "": false, "..": false, ".x": false, "a/b": false, "a b": false} {
		if voicemail.ValidBox(name) != valid {
			t.Errorf("%q: %t", name, !valid)
		}
	}
	if voicemail.Folder("../x") != "other" || voicemail.Folder("sales") != "sales" {
		t.Error("a box's folder must stay below that of all messages")
	}
}
