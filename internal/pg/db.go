// Package pg is what every store shares: the pool, transactions that carry
// ledger events and jobs with the change that made them, listening, and
// migrations. Besides it only the <domain>pg packages import pgx.
package pg

import (
	"context"
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

	"github.com/callyard/callyard/internal/job"
)

// DB is one Postgres database. Safe for use by many goroutines.
type DB struct {
	Pool *pgxpool.Pool

	log       *slog.Logger
	jobs      *river.Client[pgx.Tx] // inserts only; workers run in internal/jobs
	announcer *announcer
	alone     chan struct{} // see Alone
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
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, bySystem)
		return err
	}
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
	return &DB{Pool: pool, log: log, jobs: inserter, announcer: newAnnouncer(context.WithoutCancel(ctx), pool, log), alone: make(chan struct{}, aloneMany)}, nil
}

// Close ends all connections.
func (db *DB) Close() {
	db.announcer.stop()
	db.Pool.Close()
}

// In runs f in one transaction. What f notes, puts off and enqueues is written
// with it or not at all; listeners are told after the commit.
func (db *DB) In(ctx context.Context, f func(*Tx) error) error {
	conn, err := db.Pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	way := depart(conn.Conn())
	defer way.rollback(ctx) // does nothing after the commit
	tx := &Tx{Tx: way, db: db, way: way}
	if err := tx.sign(ctx); err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.commit(ctx); err != nil {
		return err
	}
	if len(tx.facts) > 0 {
		db.Announce()
	}
	return nil
}

// Announce tells the listeners on all nodes that the ledger has grown. In does
// it by itself; it is for stores that note in a single statement without In.
func (db *DB) Announce() { db.announcer.poke() }

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
