package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
)

func TestFollow(t *testing.T) {
	var mu sync.Mutex
	var asked []string // Last-Event-ID of each connection
	c := hub(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Header.Get("Last-Event-ID"))
		switch len(asked) {
		case 1:
			_, _ = io.WriteString(w, "id: 7-1\nevent: snapshot\ndata: {}\n\nid: 8\nevent: park.parked\ndata: {}\n\nid: 9\nevent: park.cl")
		case 2:
			http.Error(w, `{"status":503,"code":"starting"}`, http.StatusServiceUnavailable)
		case 3:
			_, _ = io.WriteString(w, "id: 9\nevent: park.claimed\ndata: {}\n\nevent: resync\ndata: {}\n\n")
		default:
			_, _ = io.WriteString(w, "id: 10\nevent: call.ended\ndata: {}\n\n")
		}
	})
	enough := errors.New("enough")
	var got []string
	broken := 0
	err := c.Follow(t.Context(), Listening{Type: "park.*"}, func(error) { broken++ }, func(m Message) error {
		got = append(got, m.Event+" "+m.ID)
		if m.Event == "call.ended" {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || broken != 3 {
		t.Errorf("%v after %d broken connections", err, broken)
	}
	if want := []string{"snapshot 7-1", "park.parked 8", "park.claimed 9", "resync ", "call.ended 10"}; !slices.Equal(got, want) {
		t.Errorf("told of %q", got)
	}
	if want := []string{"", "8", "8", "9"}; !slices.Equal(asked, want) {
		t.Errorf("went on behind %q", asked)
	}
}

func TestFollowGivesUp(t *testing.T) {
	never := func(m Message) error { return fmt.Errorf("told %+v", m) }
	again := func(err error) { t.Errorf("tries again after %v", err) }
	t.Run("when the hub refuses", func(t *testing.T) {
		c := hub(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
		var p *Problem
		if err := c.Follow(t.Context(), Listening{}, again, never); !errors.As(err, &p) || p.Status != http.StatusForbidden {
			t.Errorf("%v", err)
		}
	})
	t.Run("when there is none", func(t *testing.T) {
		var gone *UnreachableError
		if err := (&Client{URL: "http://127.0.0.1:1"}).Follow(t.Context(), Listening{}, again, never); !errors.As(err, &gone) {
			t.Errorf("%v", err)
		}
	})
	t.Run("when nobody wants to know any more", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := hub(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "id: 7-1\nevent: snapshot\ndata: {}\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		err := c.Follow(ctx, Listening{}, again, func(Message) error { cancel(); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}
