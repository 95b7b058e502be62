package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/apitest"
	"github.com/callyard/callyard/internal/call"
)

// told is one server-sent event.
type told struct{ id, event, data string }

// listener is a client of the stream.
type listener struct {
	t      testing.TB
	events chan told
	stop   func()
}

func (h *hub) listen(query, lastID string) *listener {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	deadline := time.Now().Add(10 * time.Second)
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/v1/events"+query, nil)
		if err != nil {
			h.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+h.key)
		if lastID != "" {
			req.Header.Set("Last-Event-ID", lastID)
		}
		res, err := apitest.Client(h.t).Do(req) // closed by stop, or below
		if err != nil {
			h.t.Fatal(err)
		}
		if res.StatusCode == http.StatusServiceUnavailable && time.Now().Before(deadline) {
			res.Body.Close() // the feed has not begun
			continue
		}
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
			h.t.Fatalf("%d %v", res.StatusCode, res.Header)
		}
		l := &listener{t: h.t, events: make(chan told, 1000), stop: func() { cancel(); res.Body.Close() }}
		h.t.Cleanup(l.stop)
		go func() {
			defer close(l.events)
			var e told
			lines := bufio.NewScanner(res.Body)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				switch key, value, _ := strings.Cut(lines.Text(), ": "); {
				case lines.Text() == "" && e.event != "":
					l.events <- e
					e = told{}
				case key == "id":
					e.id = value
				case key == "event":
					e.event = value
				case key == "data":
					e.data = value
				}
			}
		}()
		return l
	}
}

func (l *listener) next() told {
	l.t.Helper()
	select {
	case e, ok := <-l.events:
		if !ok {
			l.t.Fatal("the stream has ended")
		}
		return e
	case <-time.After(10 * time.Second):
		l.t.Fatal("nothing came")
	}
	return told{}
}

// after is the next event that is not of the types given: a snapshot is followed
// by what it holds already when a transaction of somebody else was open.
func (l *listener) after(types ...string) told {
	l.t.Helper()
	for {
		if e := l.next(); !slices.Contains(types, e.event) {
			return e
		}
	}
}

func (h *hub) note(id call.ID, types ...call.EventType) {
	h.t.Helper()
	for _, ty := range types {
		if err := h.book.Note(h.t.Context(), call.Event{At: time.Now(), Call: id, Type: ty, Lot: "sales", Age: 1500 * time.Millisecond}); err != nil {
			h.t.Fatal(err)
		}
	}
}

func TestEvents(t *testing.T) {
	h := newHub(t)
	h.must(200, "PUT", "/v1/lots/sales", map[string]any{"first": 701, "last": 709})
	first := h.call()
	h.must(201, "POST", "/v1/parked_calls", map[string]any{"call_id": first, "lot": "sales"})

	l := h.listen("?type=park.*,call.ended", "")
	snap := l.next()
	var s struct {
		Parked []map[string]any `json:"parked_calls"`
		Live   []map[string]any `json:"live_calls"`
		Cursor string
	}
	if err := json.Unmarshal([]byte(snap.data), &s); err != nil {
		t.Fatal(err)
	}
	if snap.event != "snapshot" || snap.id != s.Cursor || len(s.Parked) != 1 || len(s.Live) != 1 {
		t.Fatalf("%+v", snap)
	}
	h.note(first, call.Ringing, call.Parked, call.ParkClaimed)
	one, two := l.next(), l.next()
	if one.event != "park.parked" || two.event != "park.claimed" {
		t.Fatalf("%+v, %+v", one, two)
	}
	var e map[string]any
	if err := json.Unmarshal([]byte(one.data), &e); err != nil || e["call"] != string(first) || e["age_ms"] != 1500.0 || e["lot"] != "sales" {
		t.Errorf("%v, %v", e, err)
	}

	t.Run("who comes back is told what was missed, once", func(t *testing.T) {
		l.stop()
		h.note(first, call.ParkReleased, call.ParkReminded)
		back := h.listen("?type=park.*", one.id)
		h.note(first, call.ParkRetrieved)
		for _, want := range []string{"park.claimed", "park.released", "park.reminded", "park.retrieved"} {
			if got := back.next(); got.event != want {
				t.Errorf("%s, want %s", got.event, want)
			}
		}
		h.note(first, call.ParkFailed)
		if got := back.next(); got.event != "park.failed" {
			t.Errorf("%s came twice", got.event)
		}
	})
	t.Run("a snapshot's cursor is a place to go on from", func(t *testing.T) {
		back := h.listen("", s.Cursor)
		for _, want := range []string{"call.ringing", "park.parked", "park.claimed"} {
			if got := back.after("call.offered"); got.event != want {
				t.Errorf("%s, want %s", got.event, want)
			}
		}
	})
	t.Run("an unknown place means reading all anew", func(t *testing.T) {
		for _, id := range []string{"99999999", "nonsense", "18446744073709551615-1"} {
			back := h.listen("", id)
			if got := back.next(); got.event != "resync" {
				t.Errorf("%s: %s", id, got.event)
			}
			if got := back.next(); got.event != "snapshot" {
				t.Errorf("%s: %s", id, got.event)
			}
			back.stop()
		}
	})
	t.Run("only of one call", func(t *testing.T) {
		other := h.call()
		only := h.listen("?call="+string(other), "")
		if got := only.next(); !strings.Contains(got.data, `"parked_calls":[]`) {
			t.Error(got.data)
		}
		h.note(first, call.Held)
		h.note(other, call.Resumed)
		if got := only.after("call.offered"); got.event != "call.resumed" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("many listeners, all facts", func(t *testing.T) {
		all := make([]*listener, 10)
		for i := range all {
			all[i] = h.listen("?type=call.held", "")
			if got := all[i].next(); got.event != "snapshot" {
				t.Fatal(got)
			}
		}
		for range 50 {
			h.note(first, call.Held)
		}
		for _, l := range all {
			last := ""
			for range 50 {
				e := l.next()
				if e.id == last {
					t.Fatalf("%s came twice", e.id)
				}
				last = e.id
			}
		}
	})
}
