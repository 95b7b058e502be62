// Package voicemailpg keeps messages in Postgres.
package voicemailpg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/voicemail"
)

// Store keeps messages. Safe for use by many goroutines and many nodes. What
// changes is announced like a fact, so that phones' lamps follow on all nodes.
type Store struct{ db *pg.DB }

// New makes a store on a migrated database.
func New(db *pg.DB) *Store { return &Store{db: db} }

// Keep stores a message and the fact that it was left, in one transaction. Done
// twice it is stored once.
func (s *Store) Keep(ctx context.Context, m voicemail.Message, fact call.Event) error {
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		tag, err := tx.Exec(ctx, `
			insert into voicemails (id, box, call_id, node, from_number, from_name, file, length_ms, left_at)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (id) do nothing`,
			m.ID, m.Box, m.Call, m.Node, m.From, m.Name, m.File, m.Length.Milliseconds(), m.LeftAt)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		tx.Note(fact)
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep message of %s: %w", m.Call, err)
	}
	return nil
}

const columns = `id, box, call_id, node, from_number, from_name, file, length_ms, left_at, heard_at, heard_by`

func read(row pgx.CollectableRow) (voicemail.Message, error) {
	var m voicemail.Message
	var ms int64
	var heard *time.Time
	err := row.Scan(&m.ID, &m.Box, &m.Call, &m.Node, &m.From, &m.Name, &m.File, &ms, &m.LeftAt, &heard, &m.HeardBy)
	m.Length, m.LeftAt = time.Duration(ms)*time.Millisecond, m.LeftAt.UTC()
	if heard != nil {
		m.HeardAt = heard.UTC()
	}
	return m, err
}

// Messages lists messages, the latest first.
func (s *Store) Messages(ctx context.Context, f voicemail.Filter) ([]voicemail.Message, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	rows, _ := s.db.Pool.Query(ctx, `select `+columns+` from voicemails
		where ($1 = '' or box = $1) and (not $2 or heard_at is null) and ($3 = '' or id < $3)
		order by id desc limit $4`, f.Box, f.New, f.Before, f.Limit)
	list, err := pgx.CollectRows(rows, read)
	if err != nil {
		return nil, fmt.Errorf("messages: %w", err)
	}
	return list, nil
}

// Message is one message. *voicemail.UnknownError.
func (s *Store) Message(ctx context.Context, id string) (voicemail.Message, error) {
	return s.one(ctx, id, `select `+columns+` from voicemails where id = $1`, id)
}

// Heard marks a message as heard by somebody, the first time only.
// *voicemail.UnknownError.
func (s *Store) Heard(ctx context.Context, id, by string, at time.Time) (voicemail.Message, error) {
	return s.one(ctx, id, `update voicemails set
		heard_by = case when heard_at is null then $2 else heard_by end, heard_at = coalesce(heard_at, $3)
		where id = $1 returning `+columns, id, by, at)
}

// Renew marks a message as new again. *voicemail.UnknownError.
func (s *Store) Renew(ctx context.Context, id string) (voicemail.Message, error) {
	return s.one(ctx, id, `update voicemails set heard_at = null, heard_by = '' where id = $1 returning `+columns, id)
}

// Delete forgets a message and returns what it was; its file is the caller's to
// remove. *voicemail.UnknownError.
func (s *Store) Delete(ctx context.Context, id string) (voicemail.Message, error) {
	return s.one(ctx, id, `delete from voicemails where id = $1 returning `+columns, id)
}

func (s *Store) one(ctx context.Context, id, sql string, args ...any) (voicemail.Message, error) {
	rows, _ := s.db.Pool.Query(ctx, sql, args...)
	list, err := pgx.CollectRows(rows, read)
	switch {
	case err != nil:
		return voicemail.Message{}, fmt.Errorf("message %s: %w", id, err)
	case len(list) == 0:
		return voicemail.Message{}, &voicemail.UnknownError{ID: id}
	}
	if sql[:6] != "select" {
		s.db.Announce()
	}
	return list[0], nil
}

// Boxes counts what is in each box that has messages.
func (s *Store) Boxes(ctx context.Context) ([]voicemail.Count, error) {
	rows, _ := s.db.Pool.Query(ctx, `select box, count(*) filter (where heard_at is null), count(heard_at) from voicemails group by box order by box`)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[voicemail.Count])
	if err != nil {
		return nil, fmt.Errorf("boxes: %w", err)
	}
	return list, nil
}
