package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg"
)

// Failed is a job that was given up: all attempts used, or Discard.
type Failed struct {
	ID       int64           `json:"id"`
	Kind     string          `json:"kind"`
	Queue    string          `json:"queue"`
	Args     json.RawMessage `json:"args"`
	Attempts int             `json:"attempts"`
	Error    string          `json:"error"` // of the last attempt
	At       time.Time       `json:"at"`    // given up
}

// Discarded lists the jobs that were given up, the latest first. They are kept
// for 30 days.
func (r *Runner) Discarded(ctx context.Context, limit int) ([]Failed, error) {
	rows, err := r.db.Pool.Query(ctx, `
		select id, kind, queue, args, attempt as attempts,
		       coalesce(errors[array_upper(errors, 1)]->>'error', '') as error, finalized_at as at
		from river_job where state = 'discarded'
		order by finalized_at desc, id desc limit $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("discarded jobs: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Failed])
	if err != nil {
		return nil, fmt.Errorf("discarded jobs: %w", err)
	}
	return list, nil
}

// Retry gives a discarded job one more attempt, now. The error is pg.ErrNoJob if
// there is no such job or it is not discarded.
func (r *Runner) Retry(ctx context.Context, id int64) error {
	return r.db.In(ctx, func(tx *pg.Tx) error { return tx.RetryJob(ctx, id) })
}
