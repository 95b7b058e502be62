package app

import (
	"context"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/lamps"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/parking"
)

// newLamps makes the board that phones' lamps are lit by. It reads what all nodes
// have written.
func (a *App) newLamps() {
	a.lamps = lamps.NewBoard(lamps.Config{
		Parks:  func(ctx context.Context) ([]parking.Park, error) { return a.Lots.Live(ctx, parking.Filter{}) },
		Agents: a.Agents.Agents,
		Lots:   func() []parking.Lot { return a.plan.Plan().Lots },
		Parties: func(ctx context.Context, ids []call.ID) (map[call.ID]lamps.Parties, error) {
			ends, err := a.Book.Ends(ctx, ids)
			out := make(map[call.ID]lamps.Parties, len(ends))
			for _, e := range ends {
				out[e.ID] = lamps.Parties{
					From:  lamps.Party{Number: e.FromNumber, Name: e.FromName},
					To:    lamps.Party{Number: e.ToNumber},
					Agent: e.Agent,
				}
			}
			return out, err
		},
		Boxes: func(ctx context.Context) ([]lamps.Box, error) {
			counts, err := a.Mail.Boxes(ctx)
			out := make([]lamps.Box, 0, len(counts))
			for _, c := range counts {
				out = append(out, lamps.Box{Name: c.Box, New: c.New, Heard: c.Heard})
			}
			return out, err
		},
		Watched: func() bool { return a.SIP.Watched() },
		Changed: func() { a.SIP.LampsChanged() },
		Now:     time.Now, Log: a.log.With("part", "lamps"),
	})
}

// startLamps looks at what is parked and who talks whenever the ledger has grown,
// on whichever node, or the configuration has changed.
func (a *App) startLamps(ctx context.Context) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	heard, shown := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(heard)
		_ = a.DB.Listen(run, pg.LedgerChannel, func(string) { a.lamps.Touch() })
	}()
	go func() {
		defer close(shown)
		a.lamps.Run(run)
	}()
	a.onStop("lamps", func(context.Context) error { cancel(); <-heard; <-shown; return nil })
	return nil
}
