package callpg

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
)

// Cursor is a place in the ledger between two events. The zero value is before
// the first. Events are read in the order of (Tx, ID) because of those that are
// committed late: their ids are smaller than ids already read, but a reader never
// goes past a transaction that is still open.
type Cursor struct {
	Tx uint64 // the writing transaction of the last event read
	ID int64  // and its id
}

// String is the cursor as text, for clients to hand back.
func (c Cursor) String() string { return fmt.Sprintf("%d-%d", c.Tx, c.ID) }

// ParseCursor reads what String wrote. The error is ErrCursor.
func ParseCursor(s string) (Cursor, error) {
	tx, id, ok := strings.Cut(s, "-")
	c := Cursor{}
	var terr, ierr error
	c.Tx, terr = strconv.ParseUint(tx, 10, 64)
	c.ID, ierr = strconv.ParseInt(id, 10, 64)
	if !ok || terr != nil || ierr != nil {
		return Cursor{}, ErrCursor
	}
	return c, nil
}

// entry is an event as it comes from the table.
type entry struct {
	call.Event
	CallID call.ID `db:"call_id"`
	AgeMS  int64   `db:"age_ms"`
	Tx     uint64
}

const entries = `id, call_id, seq, at, type, leg, park, lot, slot, queue, actor, age_ms, flow, version, node, cause, data, tx`

func (e entry) event() call.Event {
	e.Call, e.Age = e.CallID, time.Duration(e.AgeMS)*time.Millisecond
	if len(e.Data) == 0 {
		e.Data = nil
	}
	return e.Event
}

// Timeline is all that is noted of one call, in order. An unknown call has none.
func (b *Book) Timeline(ctx context.Context, id call.ID) ([]call.Event, error) {
	rows, err := b.db.Pool.Query(ctx, `select `+entries+` from call_events where call_id = $1 order by seq`, id)
	if err != nil {
		return nil, fmt.Errorf("timeline of %s: %w", id, err)
	}
	events, err := collect(rows, entry.event)
	if err != nil {
		return nil, fmt.Errorf("timeline of %s: %w", id, err)
	}
	return events, nil
}

// Since reads on from a cursor: at most limit events, and the cursor behind the
// last of them. None is overlooked and none comes twice. Events that were
// committed while an older transaction is still open wait for it, so fewer than
// limit does not mean that there are no more: Follow knows.
func (b *Book) Since(ctx context.Context, from Cursor, limit int) ([]call.Event, Cursor, error) {
	rows, err := b.db.Pool.Query(ctx, `select `+entries+` from call_events
		where (tx, id) > ($1, $2) and tx < pg_snapshot_xmin(pg_current_snapshot())
		order by tx, id limit $3`, from.Tx, from.ID, limit)
	if err != nil {
		return nil, from, fmt.Errorf("ledger since %s: %w", from, err)
	}
	next := from
	events, err := collect(rows, func(e entry) call.Event {
		next = Cursor{e.Tx, e.ID}
		return e.event()
	})
	if err != nil {
		return nil, from, fmt.Errorf("ledger since %s: %w", from, err)
	}
	return events, next, nil
}

// More reports whether more than n events come after one place and up to another.
func (b *Book) More(ctx context.Context, from, to Cursor, n int) (bool, error) {
	var id int64 // not "exists", see waiting
	err := b.db.Pool.QueryRow(ctx, `select id from call_events where (tx, id) > ($1, $2) and (tx, id) <= ($3, $4)
		order by tx, id offset $5 limit 1`, from.Tx, from.ID, to.Tx, to.ID, n).Scan(&id)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("ledger from %s to %s: %w", from, to, err)
	}
	return true, nil
}

// Tip is a cursor behind all events that can be seen now, give or take those of
// transactions still open: what is committed after Tip returns comes after it,
// what was committed before may.
func (b *Book) Tip(ctx context.Context) (Cursor, error) {
	var xmin uint64
	if err := b.db.Pool.QueryRow(ctx, `select pg_snapshot_xmin(pg_current_snapshot())`).Scan(&xmin); err != nil {
		return Cursor{}, fmt.Errorf("tip of the ledger: %w", err)
	}
	return Cursor{Tx: xmin - 1, ID: math.MaxInt64}, nil
}

// ErrNoEvent is returned for an id that no event has.
var ErrNoEvent = errors.New("no such event")

// After is the cursor behind the event with an id, for a client that remembers
// only that.
func (b *Book) After(ctx context.Context, id int64) (Cursor, error) {
	c := Cursor{ID: id}
	err := b.db.Pool.QueryRow(ctx, `select tx from call_events where id = $1`, id).Scan(&c.Tx)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNoEvent
	}
	if err != nil {
		return Cursor{}, fmt.Errorf("event %d: %w", id, err)
	}
	return c, nil
}

// Bounds of Follow.
const (
	followBatch = 500
	followHeld  = 10 * time.Millisecond // between looks while events wait for an open transaction
	followHeldM = 500 * time.Millisecond
	followRetry = time.Second // after the database failed
)

// Follow reads the ledger on for as long as ctx lives and hands each lot of
// events to f with the cursor behind it. It returns with the error of f or of ctx;
// when the database is away it waits for it.
func (b *Book) Follow(ctx context.Context, from Cursor, f func([]call.Event, Cursor) error) error {
	ctx, cancel := context.WithCancel(ctx)
	grown, heard := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(heard)
		_ = b.db.Listen(ctx, pg.LedgerChannel, func(string) {
			select {
			case grown <- struct{}{}:
			default: // it is told already
			}
		})
	}()
	defer func() { cancel(); <-heard }()
	held := followHeld
	for {
		events, next, err := b.Since(ctx, from, followBatch)
		waiting := false
		if err == nil && len(events) < followBatch {
			waiting, err = b.waiting(ctx, next)
		}
		if len(events) > 0 {
			held = followHeld
			if err := f(events, next); err != nil {
				return err
			}
			from = next
		}
		var again <-chan time.Time
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			again = time.After(followRetry)
		case waiting:
			again = time.After(held)
			held = min(2*held, followHeldM)
		case len(events) == followBatch:
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-grown:
		case <-again:
		}
	}
}

// waiting says whether events behind a cursor are committed but held back by an
// open transaction, whose end nobody may announce.
func (b *Book) waiting(ctx context.Context, from Cursor) (yes bool, err error) {
	// Not "exists": that is planned as a walk through the whole table.
	var id int64
	err = b.db.Pool.QueryRow(ctx, `select id from call_events where (tx, id) > ($1, $2) order by tx, id limit 1`, from.Tx, from.ID).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
