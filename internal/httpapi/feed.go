package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callpg"
)

// Ledger is what the feed reads.
type Ledger interface {
	Since(ctx context.Context, from callpg.Cursor, limit int) ([]call.Event, callpg.Cursor, error)
	Tip(ctx context.Context) (callpg.Cursor, error)
	After(ctx context.Context, id int64) (callpg.Cursor, error)
	More(ctx context.Context, from, to callpg.Cursor, n int) (bool, error)
	Follow(ctx context.Context, from callpg.Cursor, f func([]call.Event, callpg.Cursor) error) error
}

// backlog is how many lots of events a client may be behind before it is sent away.
const backlog = 256

// errNotRunning is returned before Run and after it.
var errNotRunning = errors.New("the event feed is not running")

// Feed reads the ledger once for all clients of this process. Its fields may be
// set before it is used.
type Feed struct {
	Patience time.Duration // a client that takes longer for one write is gone; 10 s unless set
	Ping     time.Duration // how often a quiet stream shows that it lives, and asks whether its client still may; 15 s unless set
	Most     int           // events that a client may have missed; beyond, reading all anew is cheaper. 20,000 unless set

	ledger Ledger
	log    *slog.Logger

	mu      sync.Mutex
	running bool
	at      callpg.Cursor // all before it has been handed to the clients
	clients map[*client]struct{}
}

// client is one reader of the feed. lots is closed when it was too slow, or the
// feed has ended.
type client struct {
	from callpg.Cursor // what lots begin after
	lots chan lotOfEvents
}

type lotOfEvents struct {
	events []call.Event
	next   callpg.Cursor
}

// NewFeed makes a feed that Run is to keep going.
func NewFeed(l Ledger, log *slog.Logger) *Feed {
	return &Feed{Patience: 10 * time.Second, Ping: 15 * time.Second, Most: 20_000, ledger: l, log: log, clients: map[*client]struct{}{}}
}

// Run hands on what the ledger grows by, until ctx ends; then all clients are
// sent away, so that the server can stop.
func (f *Feed) Run(ctx context.Context) error {
	tip, err := f.ledger.Tip(ctx)
	if err != nil {
		return fmt.Errorf("event feed: %w", err)
	}
	f.mu.Lock()
	f.running, f.at = true, tip
	f.mu.Unlock()
	defer f.end()
	return f.ledger.Follow(ctx, tip, func(events []call.Event, next callpg.Cursor) error {
		f.hand(lotOfEvents{events, next})
		return nil
	})
}

func (f *Feed) hand(l lotOfEvents) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = l.next
	for c := range f.clients {
		select {
		case c.lots <- l:
		default: // it comes back with Last-Event-ID when it can
			f.drop(c)
			f.log.Debug("event client was too slow")
		}
	}
}

func (f *Feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = false
	for c := range f.clients {
		f.drop(c)
	}
}

func (f *Feed) drop(c *client) {
	if _, ok := f.clients[c]; ok {
		delete(f.clients, c)
		close(c.lots)
	}
}

func (f *Feed) join() (*client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.running {
		return nil, errNotRunning
	}
	c := &client{from: f.at, lots: make(chan lotOfEvents, backlog)}
	f.clients[c] = struct{}{}
	return c, nil
}

func (f *Feed) leave(c *client) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(c)
}

// Clients is how many read the feed.
func (f *Feed) Clients() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.clients)
}

// before reports whether a place of the ledger is before another.
func before(a, b callpg.Cursor) bool { return a.Tx < b.Tx || a.Tx == b.Tx && a.ID < b.ID }
