package pg

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// LedgerChannel is the Postgres channel that says the ledger has grown. Its
// payload is empty: a listener reads on from its own cursor.
const LedgerChannel = "callyard_ledger"

// announcePause is how long further commits wait to share one NOTIFY. Live views
// are late by that much at most; every NOTIFY makes every listener read.
const announcePause = 60 * time.Millisecond

// announcer notifies after commits, not in them: a NOTIFY inside a transaction
// makes all commits queue behind one lock. Many commits become one NOTIFY.
type announcer struct {
	pool *pgxpool.Pool
	log  *slog.Logger
	wake chan struct{}
	once sync.Once
	quit chan struct{}
	done chan struct{}
}

func newAnnouncer(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) *announcer {
	a := &announcer{pool: pool, log: log, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go a.run(ctx)
	return a
}

func (a *announcer) poke() {
	select {
	case a.wake <- struct{}{}:
	default: // one is due already
	}
}

func (a *announcer) run(ctx context.Context) {
	defer close(a.done)
	for {
		select {
		case <-a.quit:
			return
		case <-a.wake:
		}
		soon, cancel := context.WithTimeout(ctx, 2*time.Second)
		if _, err := a.pool.Exec(soon, `select pg_notify($1, '')`, LedgerChannel); err != nil {
			a.log.Debug("ledger not announced; readers poll", "err", err)
		}
		cancel()
		select {
		case <-a.quit:
			return
		case <-time.After(announcePause):
		}
	}
}

func (a *announcer) stop() {
	a.once.Do(func() { close(a.quit) })
	<-a.done
}
