package keypg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg"
)

// Answer is what was answered to a request, to be given again.
type Answer struct {
	Status  int
	Headers map[string]string
	Body    []byte
}

// How long answers are kept, and how long a request may run before it is taken
// for lost with its node and run anew.
const (
	AnswerKept = 24 * time.Hour
	RunsAtMost = 2 * time.Minute
)

// Errors of Begin.
var (
	ErrRunning = errors.New("a request with this Idempotency-Key is still running")
	ErrOther   = errors.New("this Idempotency-Key was used for another request")
)

// Begin starts a request with an Idempotency-Key of an API key. It returns the
// answer if the same request was answered within a day, nil if it is to be run:
// then Finish or Forget must follow. ErrRunning, ErrOther.
func (s *Store) Begin(ctx context.Context, apiKey, key string, request []byte, now time.Time) (*Answer, error) {
	var before *Answer
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		_, err := tx.Exec(ctx, `delete from idempotency_keys where ctid in
			(select ctid from idempotency_keys where begun_at < $1 limit 100 for update skip locked)`, now.Add(-AnswerKept))
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `insert into idempotency_keys (api_key, key, request, begun_at) values ($1, $2, $3, $4)
			on conflict (api_key, key) do update set request = excluded.request, begun_at = excluded.begun_at, status = 0, headers = '{}', body = ''
			where idempotency_keys.begun_at < $5 or idempotency_keys.status = 0 and idempotency_keys.begun_at < $6
				and idempotency_keys.request = excluded.request`,
			apiKey, key, request, now, now.Add(-AnswerKept), now.Add(-RunsAtMost))
		if err != nil || tag.RowsAffected() == 1 {
			return err
		}
		rows, err := tx.Query(ctx, `select request = $3 as same, status, headers, body from idempotency_keys
			where api_key = $1 and key = $2`, apiKey, key, request)
		if err != nil {
			return err
		}
		have, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[struct {
			Same bool
			Answer
		}])
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return ErrRunning // it failed this moment: the client tries again
		case err != nil:
			return err
		case !have.Same:
			return ErrOther
		case have.Status == 0:
			return ErrRunning
		}
		before = &have.Answer
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("idempotency key: %w", err)
	}
	return before, nil
}

// Finish keeps the answer to a request that has begun.
func (s *Store) Finish(ctx context.Context, apiKey, key string, a Answer) error {
	_, err := s.db.Pool.Exec(ctx, `update idempotency_keys set status = $3, headers = $4, body = $5 where api_key = $1 and key = $2`,
		apiKey, key, a.Status, a.Headers, a.Body)
	if err != nil {
		return fmt.Errorf("keep the answer: %w", err)
	}
	return nil
}

// Forget drops a request that changed nothing, so that it can be made again.
func (s *Store) Forget(ctx context.Context, apiKey, key string) error {
	if _, err := s.db.Pool.Exec(ctx, `delete from idempotency_keys where api_key = $1 and key = $2 and status = 0`, apiKey, key); err != nil {
		return fmt.Errorf("forget the request: %w", err)
	}
	return nil
}
