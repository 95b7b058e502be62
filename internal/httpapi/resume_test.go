package httpapi_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/httpapi"
	"github.com/callyard/callyard/internal/keypg"
)

// ids are those of the ledger's events of a type, in the order of the stream.
func (h *hub) ids(ty call.EventType) (ids []string) {
	h.t.Helper()
	rows, err := h.db.Pool.Query(h.t.Context(), `select e.id::text from call_events e where type = $1 order by e.tx, e.id`, string(ty))
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			h.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func TestListenersThatComeAndGoMissNothing(t *testing.T) {
	h := newHub(t)
	const writers, each = 4, 60
	l := h.listen("?type=call.held", "")
	l.next() // the snapshot
	var wg sync.WaitGroup
	for range writers {
		id := h.call()
		wg.Go(func() {
			for range each {
				if err := h.book.Note(t.Context(), call.Event{At: time.Now(), Call: id, Type: call.Held}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var got []string
	for len(got) < writers*each {
		e := l.next()
		if e.event != "call.held" {
			t.Fatalf("after %d events: %+v", len(got), e)
		}
		got = append(got, e.id)
		if len(got)%7 == 0 {
			l.stop()
			l = h.listen("?type=call.held", e.id)
		}
	}
	wg.Wait()
	if want := h.ids(call.Held); !slices.Equal(got, want) {
		t.Errorf("told of %v,\nnoted were %v", got, want)
	}
}

func TestTooFarBehind(t *testing.T) {
	h := newHubWith(t, func(d *httpapi.Deps) { d.Feed.Most = 10 })
	id := h.call()
	l, all := h.listen("", ""), h.listen("?type=call.held", "")
	last := l.next().id
	l.stop()
	all.next()
	held := slices.Repeat([]call.EventType{call.Held}, 10)

	h.note(id, held...)
	l = h.listen("?type=call.held", last)
	for range held {
		if e := l.next(); e.event != "call.held" {
			t.Fatalf("ten were missed, and there comes %+v", e)
		}
	}
	l.stop()
	h.note(id, call.Held)
	for range 11 {
		all.next() // the feed has come so far
	}
	l = h.listen("?type=call.held", last)
	if e := l.next(); e.event != "resync" {
		t.Errorf("eleven were missed, and there comes %+v", e)
	}
	if e := l.next(); e.event != "snapshot" {
		t.Errorf("resync is followed by %+v", e)
	}
	h.note(id, call.Held)
	want := h.ids(call.Held)
	for { // what is in the snapshot may come again
		if e := l.next(); e.id == want[len(want)-1] {
			break
		}
	}
}

// heldBack is a ledger that is followed only once it is let go.
type heldBack struct {
	*callpg.Book
	let chan struct{}
}

func (b heldBack) Follow(ctx context.Context, from callpg.Cursor, f func([]call.Event, callpg.Cursor) error) error {
	select {
	case <-b.let:
	case <-ctx.Done():
		return ctx.Err()
	}
	return b.Book.Follow(ctx, from, f)
}

// A node may be behind the one that a client has come from.
func TestAListenerComesBackOnAnotherNode(t *testing.T) {
	var other httpapi.Deps
	h := newHubWith(t, func(d *httpapi.Deps) { other = *d })
	id := h.call()
	behind := heldBack{h.book, make(chan struct{})}
	other.Feed = httpapi.NewFeed(behind, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = other.Feed.Run(ctx) }()
	srv := httptest.NewServer(httpapi.New(other))
	t.Cleanup(func() { cancel(); <-done; srv.Close() })
	there := &hub{t: t, url: srv.URL, key: h.key}
	there.listen("", "").stop() // it has begun: before what comes now

	l := h.listen("?type=call.held,call.resumed", "")
	l.next()
	h.note(id, call.Held, call.Held, call.Held)
	l.next()
	two := l.next()
	l.stop()
	back := there.listen("?type=call.held,call.resumed", two.id)
	close(behind.let)
	h.note(id, call.Resumed)
	var got []string
	for e := (told{}); e.event != "call.resumed"; {
		e = back.next()
		got = append(got, e.id)
	}
	if want := append(h.ids(call.Held)[2:], h.ids(call.Resumed)...); !slices.Equal(got, want) {
		t.Errorf("told of %v, want %v", got, want)
	}
}

// A client that does not read is sent away, so that it holds up nobody and nothing
// is kept for it; when it comes back it misses nothing.
func TestASlowListenerIsSentAway(t *testing.T) {
	h := newHubWith(t, func(d *httpapi.Deps) { d.Feed.Patience = 3 * time.Second })
	id := h.call()
	u, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET /v1/events?type=call.held HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\r\n\r\n", h.key); err != nil {
		t.Fatal(err)
	}
	stream := bufio.NewReader(conn)
	if _, err := stream.Peek(1); err != nil { // it is listening
		t.Fatal(err)
	}
	quick := h.listen("?type=call.held", "")
	quick.next()
	long := map[string]any{"text": strings.Repeat("all our agents are busy ", 5000)}
	heard := 0
	for h.feed.Clients() > 1 {
		if err := h.book.Note(t.Context(), call.Event{At: time.Now(), Call: id, Type: call.Held, Data: long}); err != nil {
			t.Fatal(err)
		}
		quick.next() // is not held up
		heard++
	}
	res, err := http.ReadResponse(stream, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got []string
	last := ""
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() { // ends, perhaps within an event
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			last = id
		} else if lines.Text() == "" && last != "" {
			got, last = append(got, last), ""
		}
	}
	if len(got) == 0 || len(got) > heard {
		t.Fatalf("the slow client was told %d events of %d", len(got)-1, heard)
	}
	back := h.listen("?type=call.held", got[len(got)-1])
	got = got[1:] // the snapshot
	for len(got) < heard {
		got = append(got, back.next().id)
	}
	if want := h.ids(call.Held); !slices.Equal(got, want) {
		t.Errorf("told of %v,\nnoted were %v", got, want)
	}
}

func TestAStreamEndsWithItsKey(t *testing.T) {
	h := newHubWith(t, func(d *httpapi.Deps) { d.Feed.Ping = 20 * time.Millisecond })
	k, secret, err := h.keys.Create(t.Context(), keypg.Key{Name: "board", Scopes: []keypg.Scope{keypg.Read}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	board := &hub{t: t, url: h.url, key: secret}
	l := board.listen("", "")
	l.next()
	if err := h.keys.Revoke(t.Context(), k.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	select {
	case e, ok := <-l.events:
		if ok {
			t.Errorf("%+v", e)
		}
	case <-time.After(30 * time.Second):
		t.Error("whose key is revoked listens on")
	}
}
