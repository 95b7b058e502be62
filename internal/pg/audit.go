package pg

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Author is who is at work: what the audit log says of a change beside the change
// itself. It is set where a request comes in, and found by In.
type Author struct {
	Kind      string    `json:"kind"`           // "key", "user", "setup", "system"
	ID        string    `json:"id,omitempty"`   // of the key or user
	Name      string    `json:"name,omitempty"` // of the key, the user, or the set-up file
	IP        string    `json:"ip,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Node      string    `json:"node,omitempty"`
	At        time.Time `json:"at"`
}

// bySystem is the author of what the hub does by itself, set once for every
// connection: the database tells it from what is done past the hub.
const bySystem = `set callyard.author = '{"kind": "system"}'`

type authorKey struct{}

// By is a context whose transactions are an author's. Triggers on the tables
// that are configuration write the audit log (migrations/0011_access.sql): no
// store has to think of it, and none can forget it.
func By(ctx context.Context, a Author) context.Context {
	return context.WithValue(ctx, authorKey{}, a)
}

// sign tells the database who is at work.
func (tx *Tx) sign(ctx context.Context) error {
	a, ok := ctx.Value(authorKey{}).(Author)
	if !ok {
		return nil
	}
	doc, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("author of a change: %w", err)
	}
	tx.Later(`select set_config('callyard.author', $1, true)`, string(doc))
	return nil
}

// Audit writes a line of what no row of a table tells, such as how much came of
// an import. before and after are shown as JSON; nil is nothing.
func (tx *Tx) Audit(action, object, name string, before, after any) {
	tx.Later(`select audit($1, $2, $3, $4, $5)`, action, object, name, before, after)
}

// Exec runs one statement in a transaction of its own that knows its author, in one
// round trip.
func (db *DB) Exec(ctx context.Context, sql string, args ...any) (affected int64, err error) {
	err = db.In(ctx, func(tx *Tx) error {
		tx.way.later.Queue(sql, args...).Exec(func(tag pgconn.CommandTag) error {
			affected = tag.RowsAffected()
			return nil
		})
		return nil
	})
	return affected, err
}
