package pg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Bounds of Listen: how long it waits before it connects again, and how often it
// calls on although nothing was said, in case a connection died in silence.
const (
	listenRetryMin = 100 * time.Millisecond
	listenRetryMax = 5 * time.Second
	listenAnyway   = 15 * time.Second
)

// Listen calls on once it listens to the channel, again after every lost
// connection, at each notification with what it says, and now and then for safety:
// on is to read from where it stopped, not to count its calls. It is told "" when
// nothing was said, or something may have been missed. Listen holds one connection of its
// own, outside the pool, and returns when ctx ends, with its error; on is never
// called by two goroutines at once.
func (db *DB) Listen(ctx context.Context, channel string, on func(said string)) error {
	for wait := listenRetryMin; ; {
		connected, err := db.listenOnce(ctx, channel, on)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if connected {
			wait = listenRetryMin
		}
		db.log.Warn("not listening; connecting again", "channel", channel, "in", wait, "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, listenRetryMax)
	}
}

func (db *DB) listenOnce(ctx context.Context, channel string, on func(said string)) (connected bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, db.Pool.Config().ConnConfig)
	if err != nil {
		return false, err
	}
	defer func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(bye)
	}()
	if _, err := conn.Exec(ctx, `listen `+pgx.Identifier{channel}.Sanitize()); err != nil {
		return false, fmt.Errorf("listen to %s: %w", channel, err)
	}
	for said := ""; ; {
		on(said)
		idle, cancel := context.WithTimeout(ctx, listenAnyway)
		n, err := conn.WaitForNotification(idle)
		cancel()
		if err == nil {
			said = n.Payload
			continue
		}
		said = ""
		// pgx closes a connection whose wait was cut off by anything but its
		// deadline; a live one is asked, so that a dead one is noticed.
		if idle.Err() == nil || ctx.Err() != nil || conn.IsClosed() {
			return true, err
		}
		ping, cancel := context.WithTimeout(ctx, listenAnyway)
		err = conn.Ping(ping)
		cancel()
		if err != nil {
			return true, err
		}
	}
}
