package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// numbered refuses a change that would make a code that people dial mean two
// things. Conflicts that are there already are not held against it, so that
// they can be mended one after the other.
func (a *api) numbered(ctx context.Context, change func([]parking.Lot, []queues.Agent) ([]parking.Lot, []queues.Agent)) error {
	lots, err := a.Lots.Lots(ctx)
	if err != nil {
		return err
	}
	agents, err := a.Agents.Agents(ctx)
	if err != nil {
		return err
	}
	before, _ := errors.AsType[*setup.NumberingError](setup.Conflicts(lots, agents))
	after, bad := errors.AsType[*setup.NumberingError](setup.Conflicts(change(lots, agents)))
	if !bad {
		return nil
	}
	p := &Problem{Status: http.StatusConflict, Code: "numbering_conflict", Detail: "a code that people dial would mean two things"}
	for _, f := range after.Faults {
		if before == nil || !slices.Contains(before.Faults, f) {
			p.Errors = append(p.Errors, Fault{Message: f, Location: "body"})
		}
	}
	if len(p.Errors) == 0 {
		return nil
	}
	return p
}

func (a *api) numberedLot(ctx context.Context, l parking.Lot) error {
	return a.numbered(ctx, func(lots []parking.Lot, agents []queues.Agent) ([]parking.Lot, []queues.Agent) {
		return setup.With(lots, l, func(h parking.Lot) bool { return h.Name == l.Name }), agents
	})
}

func (a *api) numberedAgent(ctx context.Context, g queues.Agent) error {
	return a.numbered(ctx, func(lots []parking.Lot, agents []queues.Agent) ([]parking.Lot, []queues.Agent) {
		return lots, setup.With(agents, g, func(h queues.Agent) bool { return h.Name == g.Name })
	})
}

// ownAccount refuses a trunk whose username is an agent's, and an agent whose name
// or extension is a trunk's username.
func ownAccount(trunks []routing.Trunk, agents []queues.Agent) error {
	faults := setup.SharedAccounts(trunks, agents)
	if len(faults) == 0 {
		return nil
	}
	p := &Problem{Status: http.StatusConflict, Code: "account_conflict", Detail: "a trunk's username and an agent's name or extension would be the same"}
	for _, f := range faults {
		p.Errors = append(p.Errors, Fault{Message: f, Location: "body"})
	}
	return p
}
