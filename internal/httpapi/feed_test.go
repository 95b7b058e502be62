package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callpg"
)

// growing is a ledger that grows by what is sent to it.
type growing chan call.Event

func (g growing) Since(_ context.Context, from callpg.Cursor, _ int) ([]call.Event, callpg.Cursor, error) {
	return nil, from, nil
}

func (g growing) Tip(context.Context) (callpg.Cursor, error) { return callpg.Cursor{Tx: 1}, nil }

func (g growing) After(context.Context, int64) (callpg.Cursor, error) { return callpg.Cursor{}, nil }

func (g growing) More(context.Context, callpg.Cursor, callpg.Cursor, int) (bool, error) {
	return false, nil
}

func (g growing) Follow(ctx context.Context, from callpg.Cursor, f func([]call.Event, callpg.Cursor) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-g:
			from.Tx++
			if err := f([]call.Event{e}, from); err != nil {
				return err
			}
		}
	}
}

func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := make(growing)
		f := NewFeed(g, slog.New(slog.DiscardHandler))
		if _, err := f.join(); !errors.Is(err, errNotRunning) {
			t.Errorf("joined a feed that does not run: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- f.Run(ctx) }()
		synctest.Wait()

		slow, err := f.join()
		if err != nil {
			t.Fatal(err)
		}
		quick, err := f.join()
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for i := range 2 * backlog {
			g <- call.Event{ID: int64(i)}
			synctest.Wait()
			select {
			case l, ok := <-quick.lots:
				if !ok || l.events[0].ID != int64(i) {
					t.Fatalf("event %d: %v, %v", i, l, ok)
				}
				got++
			default:
			}
		}
		if got != 2*backlog {
			t.Errorf("who keeps up was told %d events", got)
		}
		held := 0
		for range slow.lots { // ends: it was sent away
			held++
		}
		if held != backlog || f.Clients() != 1 {
			t.Errorf("the slow client held %d lots, %d clients are left", held, f.Clients())
		}
		f.leave(slow) // harmless
		cancel()
		synctest.Wait()
		if _, ok := <-quick.lots; ok {
			t.Error("a client outlives the feed")
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("feed ended with %v", err)
		}
		if _, err := f.join(); !errors.Is(err, errNotRunning) {
			t.Errorf("joined a feed that has ended: %v", err)
		}
	})
}
