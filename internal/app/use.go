package app

import (
	"context"

	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// inUse is what the live calls of all nodes use.
func (a *App) inUse(ctx context.Context) ([]setup.Use, error) {
	var used []setup.Use
	for f := (callpg.Filter{Live: true, Limit: 500}); ; {
		calls, next, err := a.Book.Calls(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, c := range calls {
			used = append(used, setup.Use{Kind: "flow", Name: c.Flow}, setup.Use{Kind: "trunk", Name: c.Trunk}, setup.Use{Kind: "number", Name: string(c.ToNumber)},
				setup.Use{Kind: "agent", Name: c.Agent}, setup.Use{Kind: "agent", Name: c.AnsweredBy})
		}
		if f.Cursor = next; next == "" {
			break
		}
	}
	agents, err := a.Agents.Agents(ctx)
	for _, g := range agents {
		if g.State != queues.Idle {
			used = append(used, setup.Use{Kind: "agent", Name: g.Name})
		}
	}
	return used, err
}

// waitingIn are the lots and queues in which callers wait.
func (a *App) waitingIn(ctx context.Context) ([]setup.Use, error) {
	var used []setup.Use
	parked, err := a.Lots.Live(ctx, parking.Filter{})
	if err != nil {
		return nil, err
	}
	for _, p := range parked {
		used = append(used, setup.Use{Kind: "lot", Name: p.Lot})
	}
	lines, err := a.Agents.Queues(ctx)
	if err != nil {
		return nil, err
	}
	for _, q := range lines {
		in, err := a.Agents.Waiting(ctx, q.Name)
		if err != nil {
			return nil, err
		}
		if len(in) > 0 {
			used = append(used, setup.Use{Kind: "queue", Name: q.Name})
		}
	}
	return used, nil
}
