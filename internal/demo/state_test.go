package demo

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/client"
)

func TestState(t *testing.T) {
	t.Run("what was saved is found while its process lives", func(t *testing.T) {
		dir := t.TempDir()
		want := State{PID: os.Getpid(), URL: "http://127.0.0.1:8080", Key: "ck_x", SIP: "127.0.0.1:5060", Number: Number}
		if err := want.Save(dir); err != nil {
			t.Fatal(err)
		}
		got, err := Running(dir)
		if err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	})

	t.Run("only its owner can read it, and nothing else is left behind", func(t *testing.T) {
		dir := t.TempDir()
		for range 2 {
			if err := (State{Key: "ck_x"}).Save(dir); err != nil {
				t.Fatal(err)
			}
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%v, %v", entries, err)
		}
		st, err := entries[0].Info()
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", st.Mode(), err)
		}
	})

	t.Run("no demo, a stopped demo and a killed demo do not run", func(t *testing.T) {
		for name, s := range map[string]*State{"none": nil, "stopped": {Key: "ck_x"}, "killed": {PID: 1 << 30, Key: "ck_x"}} {
			dir := t.TempDir()
			if s != nil {
				if err := s.Save(dir); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Running(dir); !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), "make run") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})

	t.Run("the key outlives the demo", func(t *testing.T) {
		dir := t.TempDir()
		if err := (State{Key: "ck_x"}).Save(dir); err != nil {
			t.Fatal(err)
		}
		if s, err := ReadState(dir); err != nil || s.Key != "ck_x" {
			t.Errorf("%+v, %v", s, err)
		}
	})

	t.Run("a spoilt file is named with its cure", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(stateFile(dir), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Running(dir); err == nil || !strings.Contains(err.Error(), "remove the file") {
			t.Errorf("%v", err)
		}
	})
}

func TestFollow(t *testing.T) {
	t.Run("a hub that is just starting is waited for", func(t *testing.T) {
		asked := 0
		hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if asked++; asked < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = w.Write([]byte("event: snapshot\ndata: {}\n\n"))
		}))
		defer hub.Close()
		events, err := follow(t.Context(), &client.Client{URL: hub.URL})
		if err != nil {
			t.Fatal(err)
		}
		events.Close()
	})

	t.Run("a hub that is gone is no running demo", func(t *testing.T) {
		hub := httptest.NewServer(http.NotFoundHandler())
		hub.Close()
		if _, err := follow(t.Context(), &client.Client{URL: hub.URL}); !errors.Is(err, ErrNotRunning) {
			t.Errorf("%v", err)
		}
	})
}
