package jobs_test

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/jobs"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
)

// BenchmarkLateness measures how long after their moment jobs begin that were
// written 1 to 3 s ahead, with two nodes at work. One round takes 3 s.
func BenchmarkLateness(b *testing.B) {
	const n = 300
	db := pgtest.New(b)
	began := make(chan time.Duration, n)
	for _, node := range []call.NodeID{"n1", "n2"} {
		r := jobs.New(db, node, slog.New(slog.DiscardHandler), jobs.WithObserver(func(a jobs.Attempt) { began <- a.Late }))
		jobs.Handle(r, func(context.Context, chore) error { return nil })
		if err := r.Start(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { stop(b, r) })
	}
	var late []time.Duration
	for b.Loop() {
		from := time.Now().Add(time.Second)
		err := db.In(b.Context(), func(tx *pg.Tx) error {
			for i := range n {
				at := from.Add(time.Duration(i) * 2 * time.Second / n)
				if _, err := tx.Enqueue(b.Context(), job.Job{Args: chore{strconv.Itoa(i)}, At: at, Queue: job.Dispatch}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		for range n {
			late = append(late, next(b, began))
		}
	}
	slices.Sort(late)
	at := func(q float64) float64 { return late[int(q*float64(len(late)-1))].Seconds() * 1000 }
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
	b.ReportMetric(at(1), "max-ms")
	b.ReportMetric(0, "ns/op")
}
