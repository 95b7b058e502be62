// Package auditpg reads the audit log: who changed what of the configuration. It
// is written by the database itself, with the change (migrations/0011_access.sql).
package auditpg

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg"
)

// Event is one change.
type Event struct {
	N         int64 // grows; "aud_" before it is its id
	At        time.Time
	Kind      string          // "key", "user", "setup", "system", "database"
	Actor     string          // id of the key or user
	ActorName string          // as it was called then
	Action    string          // "created", "changed", "published" …
	Object    string          // "lot", "flow" …
	Name      string          // of the object
	Before    json.RawMessage // of a change what changed, of what was deleted all; nil: nothing
	After     json.RawMessage
	IP        string
	RequestID string
	Node      string
}

// Prefix begins the ids of events.
const Prefix = "aud_"

// ID is the event's identifier.
func (e Event) ID() string { return Prefix + strconv.FormatInt(e.N, 10) }

// Filter says which events are wanted; what is zero does not matter.
type Filter struct {
	Actor  string // id or name
	Action string
	Object string
	Name   string
	Since  time.Time // at or after
	Until  time.Time // before
	Before int64     // N below it
	Limit  int
}

// Log is the audit log of a database.
type Log struct{ db *pg.DB }

// New reads the log of a migrated database.
func New(db *pg.DB) *Log { return &Log{db} }

// Events lists events, the latest first.
func (l *Log) Events(ctx context.Context, f Filter) ([]Event, error) {
	var where []string
	var args []any
	and := func(sql string, v any) {
		args = append(args, v)
		where = append(where, strings.ReplaceAll(sql, "?", "$"+strconv.Itoa(len(args))))
	}
	for _, c := range []struct{ sql, v string }{
		{"(actor = ? or actor_name = ?)", f.Actor},
		{"action = ?", f.Action},
		{"object = ?", f.Object},
		{"name = ?", f.Name},
	} {
		if c.v != "" {
			and(c.sql, c.v)
		}
	}
	if !f.Since.IsZero() {
		and("at >= ?", f.Since)
	}
	if !f.Until.IsZero() {
		and("at < ?", f.Until)
	}
	if f.Before > 0 {
		and("n < ?", f.Before)
	}
	sql := `select n, at, kind, actor, actor_name, action, object, name, before, after, ip, request_id, node from audit_events`
	if len(where) > 0 {
		sql += ` where ` + strings.Join(where, " and ")
	}
	args = append(args, f.Limit)
	rows, _ := l.db.Pool.Query(ctx, sql+` order by n desc limit $`+strconv.Itoa(len(args)), args...) // the error is in rows
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Event])
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	return list, nil
}
