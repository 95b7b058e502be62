// Package pg is what every store shares: the pool, transactions that carry
// ledger events and jobs with the change that made them, listening, and
// migrations. Besides it only the <domain>pg packages import pgx.
package pg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
)

// DB is one Postgres database. Safe for use by many goroutines.
type DB struct {
	Pool *pgxpool.Pool

	log       *slog.Logger
	jobs      *river.Client[pgx.Tx] // inserts only; workers run in internal/jobs
	announcer *announcer
}

// Open connects to the database and checks that it answers.
func Open(ctx context.Context, url string, log *slog.Logger) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database address: %w", err)
	}
	// pgxpool's default of one connection per core is fewer than there are calls
	// at a busy moment. An address that says pool_max_conns=… is believed.
	if !strings.Contains(url, "pool_max_conns") {
		cfg.MaxConns = max(cfg.MaxConns, 24)
	}
	cfg.MaxConnIdleTime = 5 * time.Minute
	cfg.HealthCheckPeriod = 5 * time.Second
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("database: %w", err)
	}
	inserter, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Hooks:  []rivertype.Hook{&OnTime{}},
		Logger: log,
	})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("job queue: %w", err)
	}
	return &DB{Pool: pool, log: log, jobs: inserter, announcer: newAnnouncer(context.WithoutCancel(ctx), pool, log)}, nil
}

// Close ends all connections.
func (db *DB) Close() {
	db.announcer.stop()
	db.Pool.Close()
}

// In runs f in one transaction. What f notes and enqueues is written with it or
// not at all; listeners are told after the commit.
func (db *DB) In(ctx context.Context, f func(*Tx) error) error {
	noted := false
	err := pgx.BeginFunc(ctx, db.Pool, func(tx pgx.Tx) error {
		t := &Tx{Tx: tx, db: db}
		err := f(t)
		noted = t.noted
		return err
	})
	if err == nil && noted {
		db.Announce()
	}
	return err
}

// Announce tells the listeners on all nodes that the ledger has grown. In does
// it by itself; it is for stores that note in a single statement without In.
func (db *DB) Announce() { db.announcer.poke() }

// Tx is a transaction that can also write to the ledger and enqueue jobs.
type Tx struct {
	pgx.Tx
	db    *DB
	noted bool
}

// Note appends facts to the ledgers of their calls, in one statement. Age, Seq
// and ID are stored by it; a fact about an unknown call is dropped. The calls are
// locked until the transaction ends: one that notes facts of several calls does
// it in one Note, which takes them in the same order as every other.
func (tx *Tx) Note(ctx context.Context, events ...call.Event) error {
	n := len(events)
	if n == 0 {
		return nil
	}
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b call.Event) int { return strings.Compare(string(a.Call), string(b.Call)) })
	calls, kinds := make([]string, n), make([]string, n)
	at, docs := make([]time.Time, n), make([][]byte, n)
	for i, e := range events {
		doc, err := EventJSON(e)
		if err != nil {
			return err
		}
		calls[i], at[i], kinds[i], docs[i] = string(e.Call), e.At, string(e.Type), doc
	}
	var err error
	if n == 1 {
		_, err = tx.Exec(ctx, `select note($1, $2, $3, $4)`, calls[0], at[0], kinds[0], docs[0])
	} else {
		_, err = tx.Exec(ctx, `select note_all($1, $2, $3, $4)`, calls, at, kinds, docs)
	}
	if err != nil {
		return fmt.Errorf("note %s of %s: %w", events[0].Type, events[0].Call, err)
	}
	tx.noted = true
	return nil
}

// EventJSON is the fourth argument of the SQL function note: everything of an
// event but its call, time and type.
func EventJSON(e call.Event) ([]byte, error) {
	doc := struct {
		call.Event
		AgeMS int64 `json:"age_ms,omitempty"`
	}{e, e.Age.Milliseconds()}
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", e.Type, err)
	}
	return b, nil
}

// Enqueue inserts jobs, those that need not be unique in one statement, and
// returns their ids in the same order.
func (tx *Tx) Enqueue(ctx context.Context, jobs ...job.Job) ([]int64, error) {
	if len(jobs) < 2 || slices.ContainsFunc(jobs, func(j job.Job) bool { return j.Unique }) {
		return tx.enqueueEach(ctx, jobs) // River's insert of many stumbles over two that are alike
	}
	params := make([]river.InsertManyParams, len(jobs))
	for i, j := range jobs {
		params[i] = river.InsertManyParams{Args: j.Args, InsertOpts: InsertOpts(j)}
	}
	results, err := tx.db.jobs.InsertManyTx(ctx, tx.Tx, params)
	if err != nil {
		return nil, fmt.Errorf("enqueue %s: %w", jobs[0].Args.Kind(), err)
	}
	ids := make([]int64, len(results))
	for i, r := range results {
		ids[i] = r.Job.ID
	}
	return ids, nil
}

func (tx *Tx) enqueueEach(ctx context.Context, jobs []job.Job) ([]int64, error) {
	ids := make([]int64, 0, len(jobs))
	for _, j := range jobs {
		r, err := tx.db.jobs.InsertTx(ctx, tx.Tx, j.Args, InsertOpts(j))
		if err != nil {
			return nil, fmt.Errorf("enqueue %s: %w", j.Args.Kind(), err)
		}
		ids = append(ids, r.Job.ID)
	}
	return ids, nil
}

// CancelJobs takes jobs back. One that has run or is unknown is no error.
func (tx *Tx) CancelJobs(ctx context.Context, ids ...int64) error {
	for _, id := range ids {
		if id == 0 {
			continue
		}
		if _, err := tx.db.jobs.JobCancelTx(ctx, tx.Tx, id); err != nil && !errors.Is(err, rivertype.ErrNotFound) {
			return fmt.Errorf("cancel job %d: %w", id, err)
		}
	}
	return nil
}

// ErrNoJob is returned for a job that is unknown or in no state for what is asked.
var ErrNoJob = errors.New("no such job")

// RetryJob makes a discarded job available for one more attempt.
func (tx *Tx) RetryJob(ctx context.Context, id int64) error {
	row, err := tx.db.jobs.JobGetTx(ctx, tx.Tx, id)
	switch {
	case errors.Is(err, rivertype.ErrNotFound):
		return fmt.Errorf("retry job %d: %w", id, ErrNoJob)
	case err != nil:
		return fmt.Errorf("retry job %d: %w", id, err)
	case row.State != rivertype.JobStateDiscarded: // River would also run one again that has done its work
		return fmt.Errorf("retry job %d, which is %s: %w", id, row.State, ErrNoJob)
	}
	if _, err := tx.db.jobs.JobRetryTx(ctx, tx.Tx, id); err != nil {
		return fmt.Errorf("retry job %d: %w", id, err)
	}
	return nil
}
