package app

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/queues/queuespg"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// planner keeps the plan that live calls are routed by. Every change of the
// configuration makes a new one.
type planner struct {
	db     *pg.DB
	lots   parking.Store
	agents *queuespg.Store
	routes *routingpg.Store
	log    *slog.Logger

	loaded []func(context.Context, part) // are told of every new plan, and what was read for it

	plan   atomic.Pointer[callctl.Plan]
	due    atomic.Uint32         // parts that were written since they were read
	origin string                // of our notices
	mu     sync.Mutex            // one load at a time, so that an older one does not win
	known  map[string]parsedFlow // live versions as they were read last; guarded by mu
}

// Plan is the plan as of now.
func (p *planner) Plan() *callctl.Plan { return p.plan.Load() }

// Account is an agent as a SIP user, by name or extension.
func (p *planner) Account(user string) (sipua.Account, bool) {
	a, ok := p.Plan().Agent(user)
	if !ok {
		return sipua.Account{}, false
	}
	return sipua.Account{Agent: a.Name, Display: a.Display, Extension: a.Extension, HA1: a.HA1, SRTP: a.SRTP}, true
}

// Trunks are the trunks as of now.
func (p *planner) Trunks() []routing.Trunk { return p.Plan().Trunks }

// read is the plan with those parts of it read anew.
func (p *planner) read(ctx context.Context, parts part) (_ *callctl.Plan, err error) {
	plan := &callctl.Plan{}
	if was := p.Plan(); was != nil {
		*plan = *was
	}
	if parts&partLots != 0 {
		if plan.Lots, err = p.lots.Lots(ctx); err != nil {
			return nil, err
		}
	}
	if parts&partAgents != 0 {
		if plan.Agents, err = named(ctx, p.agents.Agents, func(a queues.Agent) string { return a.Name }); err != nil {
			return nil, err
		}
	}
	if parts&partQueues != 0 {
		if plan.Queues, err = named(ctx, p.agents.Queues, func(q queues.Queue) string { return q.Name }); err != nil {
			return nil, err
		}
	}
	if parts&partTrunks != 0 {
		if plan.Trunks, err = p.routes.Trunks(ctx); err != nil {
			return nil, err
		}
	}
	if parts&partFlows != 0 {
		return plan, p.readFlows(ctx, plan)
	}
	return plan, nil
}

// named reads a list and returns it by name.
func named[T any](ctx context.Context, read func(context.Context) ([]T, error), name func(T) string) (map[string]T, error) {
	list, err := read(ctx)
	out := make(map[string]T, len(list))
	for _, v := range list {
		out[name(v)] = v
	}
	return out, err
}

// readFlows reads the numbers with the flows that they run.
func (p *planner) readFlows(ctx context.Context, plan *callctl.Plan) error {
	plan.Numbers, plan.Flows, plan.Canaries = map[call.Number]string{}, map[string]*routing.Flow{}, map[string]callctl.Canary{}
	numbers, err := p.routes.Numbers(ctx)
	if err != nil {
		return err
	}
	versions, err := p.routes.LiveVersions(ctx)
	if err != nil {
		return err
	}
	calendars, err := p.calendars(ctx)
	if err != nil {
		return err
	}
	live := liveFlows{routes: p.routes, versions: versions, calendars: calendars, before: p.known, read: map[string]parsedFlow{}}
	for _, n := range numbers {
		plan.Numbers[n.Number] = n.Flow
		if plan.Flows[n.Flow] != nil {
			continue
		}
		f, err := live.linked(ctx, n.Flow)
		if live.err != nil { // a database that goes away meanwhile takes no number away
			return live.err
		}
		if err != nil {
			p.log.Warn("a number's flow cannot be run; its calls are refused", "number", n.Number, "flow", n.Flow, "err", err)
			continue
		}
		plan.Flows[n.Flow] = f
	}
	p.known = live.read
	return p.canaries(ctx, plan, &live)
}

// calendars are those that flows share. The flows that name one which cannot be read
// cannot be run.
func (p *planner) calendars(ctx context.Context) (map[string]*routing.Calendar, error) {
	list, err := p.routes.Calendars(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]*routing.Calendar, len(list))
	for _, is := range list {
		c, err := is.Parse()
		if err != nil {
			p.log.Warn("a calendar cannot be read", "calendar", is.Name, "revision", is.Revision, "err", err)
			continue
		}
		out[is.Name] = c
	}
	return out, nil
}
