//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg/embedded"
	"github.com/callyard/callyard/test/load"
)

// escalation parks callers whose first step, an offer to an alternate, is due
// three seconds later. How late the alternate's phone was rung is the time its
// INVITE came, by the kernel's clock, less the time the step was due: the parked
// time of the ledger, by the hub's clock, which is the same machine's, plus the
// step's. The ledger is read when all is over.
func (b *bench) escalation(ctx context.Context) error {
	var (
		mu   sync.Mutex
		rung = map[string]time.Time{} // by the alternate
		n    = b.size.escalated
	)
	b.phonesDo(func(d *load.Dialog) {
		d.Ring()
		mu.Lock()
		defer mu.Unlock()
		if _, again := rung[d.To]; !again {
			rung[d.To] = d.Came
		}
	})
	defer b.phonesDo(nil)
	alternate := map[string]string{} // by the caller's number
	var calls []*load.Dialog
	before, err := b.hub.Usage()
	if err != nil {
		return err
	}
	err = at(ctx, 20, n, func(i int) {
		calls = append(calls, b.call(laterNumber(i), nil))
		alternate[fmt.Sprintf("9%06d", b.serial)] = agentName(i)
	})
	if err != nil {
		return err
	}
	if _, err := settled(ctx, calls); err != nil {
		return err
	}
	if err := load.Pause(ctx, offerStep*time.Second+2*time.Second); err != nil {
		return err
	}
	after, err := b.hub.Usage()
	if err != nil {
		return err
	}
	parked, begun, err := b.ledger(ctx)
	if err != nil {
		return err
	}
	var late, job load.Spread
	mu.Lock()
	for number, agent := range alternate {
		due, ok := parked[number]
		if !ok {
			continue
		}
		due = due.Add(offerStep * time.Second)
		if at, ok := rung[agent]; ok {
			late = append(late, at.Sub(due).Seconds()*1000)
		}
		if at, ok := begun[number]; ok {
			job = append(job, at.Sub(due).Seconds()*1000)
		}
	}
	mu.Unlock()
	late.Sorted()
	job.Sorted()
	b.figure(figure{
		Row: "escalation: step due → INVITE at the alternate, p50", Unit: "ms", Value: late.At(.5),
		Note: fmt.Sprintf("%d of %d rung, parked at 20/s; %s", len(late), n, after.Since(before).Noise()),
	})
	b.figure(figure{
		Row: "escalation: step due → INVITE at the alternate, p99", Unit: "ms", Goal: 100, Value: late.At(.99),
		Note: fmt.Sprintf("longest %.1f; step begun by its job: p50 %.1f p99 %.1f", late.At(1), job.At(.5), job.At(.99)),
	})
	return part(ctx, calls)
}

// ledger is when callers were parked and when their first step began, by the
// caller's number.
func (b *bench) ledger(ctx context.Context) (parked, begun map[string]time.Time, err error) {
	url := embedded.Running(ctx, filepath.Join(b.hub.Dir, "postgres"))
	if url == "" {
		return nil, nil, fmt.Errorf("the hub's database does not answer in %s", b.hub.Dir)
	}
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, nil, fmt.Errorf("the hub's database: %w", err)
	}
	defer db.Close(ctx)
	rows, err := db.Query(ctx, `select c.from_number, e.type, min(e.at) from call_events e join calls c on c.id = e.call_id
		where e.lot = $1 and e.type in ('park.parked', 'park.step_started') group by 1, 2`, laterLot)
	if err != nil {
		return nil, nil, fmt.Errorf("read the ledger: %w", err)
	}
	parked, begun = map[string]time.Time{}, map[string]time.Time{}
	var number, kind string
	var when time.Time
	_, err = pgx.ForEachRow(rows, []any{&number, &kind, &when}, func() error {
		if kind == "park.parked" {
			parked[number] = when
		} else {
			begun[number] = when
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read the ledger: %w", err)
	}
	return parked, begun, nil
}
