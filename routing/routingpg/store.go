// Package routingpg keeps call flows, calendars, numbers and trunks in Postgres: drafts
// that are edited, and versions that never change.
package routingpg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/routing"
)

// Store is the routing configuration in one database.
type Store struct{ db *pg.DB }

// New opens the store.
func New(db *pg.DB) *Store { return &Store{db} }

// Errors that callers tell apart with errors.As.
type (
	// NotFoundError: there is no such flow, version, number, trunk or calendar.
	NotFoundError struct {
		What string // "flow", "version", "number", "trunk", "calendar"
		Name string
	}
	// StaleError: the draft has been saved by somebody else since it was read.
	StaleError struct {
		Flow string
		ETag int // of the draft as it is; 0 if there is none
	}
	// LintError: the flow has errors, or tests that fail, and is not published.
	LintError struct {
		Flow     string
		Findings routing.Findings // warnings too
	}
	// InvalidError: a value cannot be stored.
	InvalidError struct{ What, Field, Why string }
	// TakenError: another number or trunk is called so.
	TakenError struct{ What, Name string }
	// InUseError: numbers still lead to the flow, or other flows call it.
	InUseError struct {
		Flow    string
		Callers []string // none: numbers lead to it
	}
	// CanaryError: what new calls run cannot be changed while a canary is tried.
	CanaryError struct {
		Flow    string
		Version int // of the canary
	}
)

func (e *NotFoundError) Error() string { return fmt.Sprintf("there is no %s %q", e.What, e.Name) }
func (e *StaleError) Error() string {
	return fmt.Sprintf("the draft of flow %s has changed: it is now at %d", e.Flow, e.ETag)
}

func (e *LintError) Error() string {
	errs := e.Findings.Errors()
	s := fmt.Sprintf("flow %s is not published: %d errors", e.Flow, len(errs))
	if len(errs) > 0 {
		s += fmt.Sprintf(", the first at %s: %s", errs[0].Location, errs[0].Message)
	}
	return s
}
func (e *InvalidError) Error() string { return fmt.Sprintf("%s: %s %s", e.What, e.Field, e.Why) }
func (e *TakenError) Error() string   { return fmt.Sprintf("there is another %s %q", e.What, e.Name) }

func (e *InUseError) Error() string {
	if len(e.Callers) > 0 {
		return fmt.Sprintf("flow %s is called by %s: take out the subflow nodes and publish", e.Flow, strings.Join(e.Callers, ", "))
	}
	return fmt.Sprintf("numbers lead to flow %s", e.Flow)
}

func (e *CanaryError) Error() string {
	return fmt.Sprintf("flow %s has a canary, version %d: promote it or abort it first, or publish a version that is not live", e.Flow, e.Version)
}

// SQLSTATEs that stand for domain errors.
const (
	uniqueViolation     = "23505"
	foreignKeyViolation = "23503"
)

func state(err error) string {
	if pgErr := (*pgconn.PgError)(nil); errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// querier is the pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// one reads a single row, and says what was not found.
func one[T any](ctx context.Context, q querier, scan pgx.RowToFunc[T], missing *NotFoundError, sql string, args ...any) (T, error) {
	rows, _ := q.Query(ctx, sql, args...) // the error is in rows
	v, err := pgx.CollectExactlyOneRow(rows, scan)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return v, missing
	case err != nil:
		return v, fmt.Errorf("read %s %s: %w", missing.What, missing.Name, err)
	}
	return v, nil
}

func list[T any](ctx context.Context, q querier, what string, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, _ := q.Query(ctx, sql, args...) // the error is in rows
	vs, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", what, err)
	}
	return vs, nil
}
