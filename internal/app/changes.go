package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// configChannel is where nodes tell each other that the configuration changed: who
// says so, and what kind of thing has changed, in the API's words ("lots"). A node
// that does not say has all of it read.
const configChannel = "callyard_config"

// loadTime bounds a load.
const loadTime = 10 * time.Second

// part is parts of the configuration that are read together.
type part uint32

const (
	partLots part = 1 << iota
	partAgents
	partQueues
	partTrunks
	partFlows // numbers, and the flows that they run
	partSounds

	everything = partLots | partAgents | partQueues | partTrunks | partFlows | partSounds
)

// partsOf is what a change of one kind of thing changes: of a kind that is not
// listed, everything.
func partsOf(kind string) part {
	switch kind {
	case "lots":
		return partLots
	case "agents":
		return partAgents | partQueues // that they serve
	case "queues":
		return partQueues
	case "trunks":
		return partTrunks
	case "numbers", "flows", "calendars":
		return partFlows
	case "prompts":
		return partSounds
	}
	return everything
}

// Changed reads what a change of some kind of thing has changed, here, and tells
// the other nodes. What was written is written: that whoever asked for it has gone
// meanwhile does not matter.
func (p *planner) Changed(ctx context.Context, kind string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTime)
	defer cancel()
	told := make(chan error, 1)
	go func() {
		_, err := p.db.Pool.Exec(ctx, `select pg_notify($1, $2), set_config('synchronous_commit', 'off', true)`, configChannel, p.origin+" "+kind)
		if err != nil {
			err = fmt.Errorf("tell other nodes of the change: %w", err)
		}
		told <- err
	}()
	err := p.load(ctx, partsOf(kind))
	return errors.Join(err, <-told)
}

// Load reads the configuration.
func (p *planner) Load(ctx context.Context) error { return p.load(ctx, everything) }

// load reads parts of the configuration, unless a load that has begun since it
// was called has read them.
func (p *planner) load(ctx context.Context, parts part) error {
	p.due.Or(uint32(parts))
	p.mu.Lock()
	defer p.mu.Unlock()
	due := part(p.due.Swap(0))
	if due == 0 {
		return nil
	}
	plan, err := p.read(ctx, due)
	if err != nil {
		p.due.Or(uint32(due))
		return fmt.Errorf("read the configuration: %w", err)
	}
	p.plan.Store(plan)
	for _, tell := range p.loaded {
		tell(ctx, due)
	}
	return nil
}

// also says who else is told of every new plan; f must not load one.
func (p *planner) also(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loaded = append(p.loaded, func(context.Context, part) { f() })
}

// watch reads what other nodes have changed, until ctx ends. What comes while it
// reads is read together.
func (p *planner) watch(ctx context.Context) {
	due, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-due:
				p.reload(ctx)
			}
		}
	}()
	_ = p.db.Listen(ctx, configChannel, func(said string) {
		origin, kind, _ := strings.Cut(said, " ")
		if origin == p.origin {
			return // Changed has read it
		}
		p.due.Or(uint32(partsOf(kind)))
		select {
		case due <- struct{}{}:
		default: // the load that is to come reads it too
		}
	})
	<-done
}

func (p *planner) reload(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	if err := p.load(ctx, 0); err != nil {
		p.log.Warn("configuration not read; the one before stays in force", "err", err)
	}
}
