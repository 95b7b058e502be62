// Package jobs runs the jobs that stores have written: River with our queues,
// retry policy and punctuality, and the watch over nodes that died at work.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
)

// Bounds of the queue.
const (
	attemptTimeout = 15 * time.Second // of one attempt, unless its Policy says otherwise
	softStop       = 10 * time.Second // then what still runs is cut off and made available again
	rescueAfter    = 30 * time.Second // River's own rescue, behind the reaper
	keepCompleted  = 24 * time.Hour
	keepCancelled  = time.Hour
	keepDiscarded  = 30 * 24 * time.Hour
)

// Connections is how many of the database's a Runner has for itself, beside the
// stores' pool.
const Connections = 8

// queues of every node. Work on live calls is polled often, because a poll is
// what fetches a job that was written ahead of its time; the cool-down is set per
// queue, as the client's own also sets how often inserts are announced.
func queues(node call.NodeID) map[string]river.QueueConfig {
	punctual := river.QueueConfig{MaxWorkers: 100, FetchPollInterval: 20 * time.Millisecond, FetchCooldown: 5 * time.Millisecond}
	return map[string]river.QueueConfig{
		job.OfNode(string(node)): punctual,
		// Its jobs are announced as they are written; only those for later wait for a poll.
		job.Dispatch: {MaxWorkers: 100, FetchPollInterval: 100 * time.Millisecond, FetchCooldown: 5 * time.Millisecond},
		job.Default:  {MaxWorkers: 20, FetchPollInterval: 250 * time.Millisecond, FetchCooldown: 50 * time.Millisecond},
		job.CRM:      {MaxWorkers: 16, FetchPollInterval: time.Second, FetchCooldown: 150 * time.Millisecond},
		job.Webhooks: {MaxWorkers: 8, FetchPollInterval: time.Second},
	}
}

// Runner is one node's share of the work. Register with Handle, then Start.
type Runner struct {
	db      *pg.DB
	node    call.NodeID
	log     *slog.Logger
	observe func(Attempt)
	workers *river.Workers
	wrong   []error // of Handle, told by Start

	mu    sync.Mutex // guards what follows: Start and Stop may meet
	pool  *pgxpool.Pool
	river *river.Client[pgx.Tx]
	quit  context.CancelFunc
	beats chan struct{} // closed when the heartbeat has ended
}

// Option changes what New makes.
type Option func(*Runner)

// WithObserver has f told of every attempt, from many goroutines.
func WithObserver(f func(Attempt)) Option { return func(r *Runner) { r.observe = f } }

// Attempt is one execution of a job, for metrics.
type Attempt struct {
	Kind, Queue string
	N           int           // 1 for the first
	Late        time.Duration // from when it was due until it began
	Took        time.Duration
	Err         error
}

// New makes a runner for a node, whose name must be made of a-z, 0-9, "_" and "-".
func New(db *pg.DB, node call.NodeID, log *slog.Logger, opts ...Option) *Runner {
	r := &Runner{db: db, node: node, log: log, observe: func(Attempt) {}, workers: river.NewWorkers()}
	for _, o := range opts {
		o(r)
	}
	return r
}

// Start reports the node as alive and begins to work. It returns once the node
// takes jobs; ctx bounds the starting, not the work.
func (r *Runner) Start(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := errors.Join(r.wrong...); err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	if r.river != nil {
		return errors.New("jobs: started twice")
	}
	// River has connections of its own: workers that hold all of the stores' must
	// not keep it from fetching, completing and electing.
	cfg := r.db.Pool.Config()
	cfg.MaxConns = Connections
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), cfg)
	if err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	client, err := r.client(pool)
	if err != nil {
		pool.Close()
		return fmt.Errorf("jobs of node %s: %w", r.node, err)
	}
	// Before the first job is taken, or others would take it for a dead node's.
	if err := r.appear(ctx); err != nil {
		pool.Close()
		return fmt.Errorf("jobs: report node %s: %w", r.node, err)
	}
	run, quit := context.WithCancel(context.WithoutCancel(ctx))
	if err := client.Start(run); err != nil {
		quit()
		pool.Close()
		return fmt.Errorf("jobs: %w", err)
	}
	r.pool, r.river, r.quit, r.beats = pool, client, quit, make(chan struct{})
	go func() {
		defer close(r.beats)
		r.live(run)
	}()
	return nil
}

// Stop takes no more jobs, waits for those that run, and reports the node as
// gone. What does not end in time is cut off and left to the others. A second
// Stop does nothing.
func (r *Runner) Stop(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.river == nil {
		return nil
	}
	err := r.river.Stop(ctx)
	if err != nil { // ctx ended first: now or never
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		_ = r.river.StopAndCancel(hard)
		cancel()
	}
	r.quit()
	<-r.beats
	if err == nil {
		err = r.vanish(ctx)
		r.pool.Close()
	} else {
		go r.pool.Close() // waits for work that ignores its context
	}
	r.river = nil
	if err != nil {
		return fmt.Errorf("stop jobs: %w", err)
	}
	return nil
}

func (r *Runner) client(pool *pgxpool.Pool) (*river.Client[pgx.Tx], error) {
	return river.NewClient(riverpgxv5.New(pool), &river.Config{
		ID:                          string(r.node),
		Queues:                      queues(r.node),
		Workers:                     r.workers,
		FetchOnlyKnownKinds:         true, // a newer node's kinds are left to it
		Hooks:                       []rivertype.Hook{&pg.OnTime{}},
		Middleware:                  []rivertype.Middleware{&observer{seen: r.observe}},
		ErrorHandler:                &failures{log: r.log},
		JobTimeout:                  attemptTimeout,
		RescueStuckJobsAfter:        rescueAfter,
		SoftStopTimeout:             softStop,
		CompletedJobRetentionPeriod: keepCompleted,
		CancelledJobRetentionPeriod: keepCancelled,
		DiscardedJobRetentionPeriod: keepDiscarded,
		Logger:                      slog.New(newWarnings(r.log.Handler())),
	})
}

// observer times each attempt.
type observer struct {
	river.MiddlewareDefaults
	seen func(Attempt)
}

// Work is River's middleware around each attempt.
func (o *observer) Work(ctx context.Context, row *rivertype.JobRow, next func(context.Context) error) error {
	began := time.Now()
	err := next(ctx)
	o.seen(Attempt{Kind: row.Kind, Queue: row.Queue, N: row.Attempt, Late: began.Sub(row.ScheduledAt), Took: time.Since(began), Err: err})
	return err
}

// failures logs what went wrong, and louder when it was the last attempt.
type failures struct{ log *slog.Logger }

// HandleError is River's hook for an attempt that returned an error.
func (f *failures) HandleError(ctx context.Context, row *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	f.report(ctx, row, "err", err)
	return nil
}

// HandlePanic is River's hook for an attempt that panicked.
func (f *failures) HandlePanic(ctx context.Context, row *rivertype.JobRow, v any, trace string) *river.ErrorHandlerResult {
	f.report(ctx, row, "panic", v, "trace", trace)
	return nil
}

func (f *failures) report(ctx context.Context, row *rivertype.JobRow, what ...any) {
	attrs := append([]any{"kind", row.Kind, "job", row.ID, "attempt", row.Attempt, "attempts", row.MaxAttempts}, what...)
	if row.Attempt >= row.MaxAttempts {
		f.log.ErrorContext(ctx, "job given up", attrs...)
		return
	}
	f.log.WarnContext(ctx, "job failed; it is tried again", attrs...)
}
