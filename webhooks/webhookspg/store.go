// Package webhookspg keeps webhooks and their deliveries in Postgres, and turns
// the ledger into deliveries.
package webhookspg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/webhooks"
)

// Store keeps webhooks. Safe for use by many goroutines and many nodes.
type Store struct{ db *pg.DB }

var _ webhooks.Outbox = (*Store)(nil)

// New makes a store on a migrated database.
func New(db *pg.DB) *Store { return &Store{db} }

const columns = `id, url, description, events, enabled, disabled, disabled_at, failing_since, secret, old_secret, old_until, created_at, updated_at`

func scan(row pgx.CollectableRow) (w webhooks.Webhook, err error) {
	var disabled, failing, old *time.Time
	err = row.Scan(&w.ID, &w.URL, &w.Description, &w.Events, &w.Enabled, &w.Disabled, &disabled, &failing,
		&w.Secret, &w.OldSecret, &old, &w.CreatedAt, &w.UpdatedAt)
	w.DisabledAt, w.FailingSince, w.OldUntil = known(disabled), known(failing), known(old)
	w.CreatedAt, w.UpdatedAt = w.CreatedAt.UTC(), w.UpdatedAt.UTC()
	return w, err
}

func known(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Webhook is one of them. *webhooks.UnknownError.
func (s *Store) Webhook(ctx context.Context, id string) (webhooks.Webhook, error) {
	rows, _ := s.db.Pool.Query(ctx, `select `+columns+` from webhooks where id = $1`, id)
	return one(rows, id)
}

// Webhooks is all of them, the oldest first.
func (s *Store) Webhooks(ctx context.Context) ([]webhooks.Webhook, error) {
	rows, _ := s.db.Pool.Query(ctx, `select `+columns+` from webhooks order by id`)
	all, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	return all, nil
}

func one(rows pgx.Rows, id string) (webhooks.Webhook, error) {
	w, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return w, &webhooks.UnknownError{What: "webhook", ID: id}
	}
	if err != nil {
		return w, fmt.Errorf("webhook %s: %w", id, err)
	}
	return w, nil
}

// Create keeps a new webhook. Facts go to it that are written from now on.
func (s *Store) Create(ctx context.Context, w webhooks.Webhook) (webhooks.Webhook, error) {
	w.ID, w.UpdatedAt = call.NewID("whk", w.CreatedAt), w.CreatedAt
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		if err := await(ctx, tx); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, `
			insert into webhooks (id, url, description, events, enabled, secret, created_at, updated_at, begun)
			values ($1, $2, $3, $4, $5, $6, $7, $7, pg_current_snapshot()) returning `+columns,
			w.ID, w.URL, w.Description, w.Events, w.Enabled, string(w.Secret), w.CreatedAt)
		var err error
		w, err = one(rows, w.ID)
		return err
	})
	return w, err
}

// Change saves what do makes of a webhook. When it enables it, facts go to it that
// are written from now on. *webhooks.UnknownError, or the error of do.
func (s *Store) Change(ctx context.Context, id string, do func(webhooks.Webhook) (webhooks.Webhook, error)) (webhooks.Webhook, error) {
	var after webhooks.Webhook
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		if err := await(ctx, tx); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, `select `+columns+` from webhooks where id = $1 for update`, id)
		before, err := one(rows, id)
		if err != nil {
			return err
		}
		w, err := do(before)
		if err != nil {
			return err
		}
		if w.Enabled && !before.Enabled {
			w.Disabled, w.DisabledAt, w.FailingSince = "", time.Time{}, time.Time{}
		}
		if !w.Enabled && before.Enabled {
			w.Disabled, w.DisabledAt = "", w.UpdatedAt
		}
		rows, _ = tx.Query(ctx, `
			update webhooks set url = $2, description = $3, events = $4, disabled = $6, disabled_at = $7,
				failing_since = $8, secret = $9, old_secret = $10, old_until = $11, updated_at = $12,
				begun = case when $5 and not enabled then pg_current_snapshot() else begun end, enabled = $5
			where id = $1 returning `+columns,
			id, w.URL, w.Description, w.Events, w.Enabled, w.Disabled, moment(w.DisabledAt), moment(w.FailingSince),
			string(w.Secret), string(w.OldSecret), moment(w.OldUntil), w.UpdatedAt)
		after, err = one(rows, id)
		return err
	})
	return after, err
}

// Delete forgets a webhook and its deliveries. *webhooks.UnknownError.
func (s *Store) Delete(ctx context.Context, id string) error {
	n, err := s.db.Exec(ctx, `delete from webhooks where id = $1`, id)
	if err != nil {
		return fmt.Errorf("delete webhook %s: %w", id, err)
	}
	if n == 0 {
		return &webhooks.UnknownError{What: "webhook", ID: id}
	}
	return nil
}

// Disable implements webhooks.Outbox.
func (s *Store) Disable(ctx context.Context, id, why string, now time.Time) error {
	if _, err := s.db.Pool.Exec(ctx, `
		update webhooks set enabled = false, disabled = $2, disabled_at = $3, updated_at = $3 where id = $1 and enabled`, id, why, now); err != nil {
		return fmt.Errorf("disable webhook %s: %w", id, err)
	}
	return nil
}
