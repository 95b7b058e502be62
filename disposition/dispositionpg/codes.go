// Package dispositionpg keeps the codes of dispositions, what was said, and the
// asks that are open, in Postgres.
package dispositionpg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
)

// Revise tells the CRM, within the transaction in which it was said, what came of
// a call that it has logged already.
type Revise func(context.Context, *pg.Tx, call.ID, disposition.Said) error

// Store keeps dispositions. Safe for use by many goroutines and many nodes.
type Store struct {
	db     *pg.DB
	revise Revise
}

// New makes a store on a migrated database. With a nil revise no CRM hears of what
// is said after the end of a call.
func New(db *pg.DB, revise Revise) *Store {
	if revise == nil {
		revise = func(context.Context, *pg.Tx, call.ID, disposition.Said) error { return nil }
	}
	return &Store{db, revise}
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func codes(ctx context.Context, q querier) (disposition.List, error) {
	rows, _ := q.Query(ctx, `select code, label, category from dispositions order by position`)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[disposition.Code])
	if err != nil {
		return nil, fmt.Errorf("read dispositions: %w", err)
	}
	if len(list) == 0 {
		return disposition.Defaults(), nil
	}
	return list, nil
}

// Codes are those that reps choose from now.
func (s *Store) Codes(ctx context.Context) (disposition.List, error) { return codes(ctx, s.db.Pool) }

// SaveCodes replaces the list; an empty one brings the defaults back. What was
// said keeps its label and category.
func (s *Store) SaveCodes(ctx context.Context, l disposition.List) error {
	if err := l.Validate(); err != nil {
		return err
	}
	l = l.WithDefaults()
	names, labels, categories := l.Names(), make([]string, len(l)), make([]string, len(l))
	for i, c := range l {
		labels[i], categories[i] = c.Label, string(c.Category)
	}
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, `lock table dispositions in share row exclusive mode`); err != nil { // two lists never mix
			return err
		}
		tx.Later(`delete from dispositions where code <> all ($1::text[])`, names)
		tx.Later(`insert into dispositions (code, label, category, position)
			select * from unnest($1::text[], $2::text[], $3::text[]) with ordinality
			on conflict (code) do update set label = excluded.label, category = excluded.category, position = excluded.position`, names, labels, categories)
		return nil
	})
	if err != nil {
		return fmt.Errorf("save dispositions: %w", err)
	}
	return nil
}
