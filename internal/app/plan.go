package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

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

// configChannel is where nodes tell each other that the configuration changed.
const configChannel = "callyard_config"

// planner keeps the plan that live calls are routed by. Every change of the
// configuration makes a new one.
type planner struct {
	db     *pg.DB
	lots   parking.Store
	agents *queuespg.Store
	routes *routingpg.Store
	log    *slog.Logger

	loaded []func(context.Context) // are told of every new plan

	plan  atomic.Pointer[callctl.Plan]
	mu    sync.Mutex            // one load at a time, so that an older one does not win
	known map[string]parsedFlow // live versions as they were read last; guarded by mu
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

// Changed loads the plan anew here and tells the other nodes.
func (p *planner) Changed(ctx context.Context) error {
	if err := p.Load(ctx); err != nil {
		return err
	}
	if _, err := p.db.Pool.Exec(ctx, `select pg_notify($1, '')`, configChannel); err != nil {
		return fmt.Errorf("tell other nodes of the change: %w", err)
	}
	return nil
}

// Load reads the configuration.
func (p *planner) Load(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	plan, err := p.read(ctx)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	p.plan.Store(plan)
	for _, tell := range p.loaded {
		tell(ctx)
	}
	return nil
}

// also says who else is told of every new plan; f must not load one.
func (p *planner) also(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loaded = append(p.loaded, func(context.Context) { f() })
}

func (p *planner) read(ctx context.Context) (*callctl.Plan, error) {
	plan := &callctl.Plan{Numbers: map[call.Number]string{}, Flows: map[string]*routing.Flow{}, Canaries: map[string]callctl.Canary{}, Agents: map[string]queues.Agent{}, Queues: map[string]queues.Queue{}}
	var err error
	if plan.Lots, err = p.lots.Lots(ctx); err != nil {
		return nil, err
	}
	agents, err := p.agents.Agents(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range agents {
		plan.Agents[a.Name] = a
	}
	qs, err := p.agents.Queues(ctx)
	if err != nil {
		return nil, err
	}
	for _, q := range qs {
		plan.Queues[q.Name] = q
	}
	if plan.Trunks, err = p.routes.Trunks(ctx); err != nil {
		return nil, err
	}
	numbers, err := p.routes.Numbers(ctx)
	if err != nil {
		return nil, err
	}
	versions, err := p.routes.LiveVersions(ctx)
	if err != nil {
		return nil, err
	}
	calendars, err := p.calendars(ctx)
	if err != nil {
		return nil, err
	}
	live := liveFlows{routes: p.routes, versions: versions, calendars: calendars, before: p.known, read: map[string]parsedFlow{}}
	for _, n := range numbers {
		plan.Numbers[n.Number] = n.Flow
		if plan.Flows[n.Flow] != nil {
			continue
		}
		f, err := live.linked(ctx, n.Flow)
		if live.err != nil { // a database that goes away meanwhile takes no number away
			return nil, live.err
		}
		if err != nil {
			p.log.Warn("a number's flow cannot be run; its calls are refused", "number", n.Number, "flow", n.Flow, "err", err)
			continue
		}
		plan.Flows[n.Flow] = f
	}
	p.known = live.read
	return plan, p.canaries(ctx, plan, &live)
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

// watch reloads when another node changed the configuration, until ctx ends.
func (p *planner) watch(ctx context.Context) {
	_ = p.db.Listen(ctx, configChannel, func() {
		loadCtx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := p.Load(loadCtx); err != nil {
			p.log.Warn("configuration not read; the one before stays in force", "err", err)
		}
	})
}
