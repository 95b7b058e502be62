package app

import (
	"context"
	"errors"

	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// parsedFlow is a published version as it was read. A version never changes, so it
// is good as long as it is the live one; a flow that was deleted and made again
// has another id.
type parsedFlow struct {
	routingpg.Live
	flow *routing.Flow
}

// liveFlows reads published flows, each once however many numbers and flows lead
// to it, and not at all if it was read for the plan before. All of a plan look at
// the calendars as they were at one moment.
type liveFlows struct {
	routes    *routingpg.Store
	versions  map[string]routingpg.Live // that new calls run, by flow
	calendars map[string]*routing.Calendar
	before    map[string]parsedFlow
	read      map[string]parsedFlow
	err       error // of the database
}

// linked is a flow with all that it calls, ready to run. The error says why it
// cannot be.
func (l *liveFlows) linked(ctx context.Context, name string) (*routing.Flow, error) {
	f, err := l.live(ctx, name)
	if err != nil {
		return nil, err
	}
	return l.with(ctx, f)
}

// link is a version that is not the live one with all that it calls.
func (l *liveFlows) link(ctx context.Context, v routingpg.Version) (*routing.Flow, error) {
	f, err := v.Parse()
	if err != nil {
		return nil, err
	}
	return l.with(ctx, f)
}

func (l *liveFlows) with(ctx context.Context, f *routing.Flow) (*routing.Flow, error) {
	return routing.Link(f, routing.Parts{
		Flow: func(name string) *routing.Flow {
			f, _ := l.live(ctx, name) // Link says that it is not there
			return f
		},
		Calendar: func(name string) *routing.Calendar { return l.calendars[name] },
	})
}

func (l *liveFlows) live(ctx context.Context, name string) (*routing.Flow, error) {
	if known, ok := l.read[name]; ok {
		return known.flow, nil
	}
	is, ok := l.versions[name]
	if !ok {
		return nil, &routingpg.NotFoundError{What: "version", Name: name + "/live"}
	}
	if known, ok := l.before[name]; ok && known.Live == is {
		l.read[name] = known
		return known.flow, nil
	}
	v, err := l.routes.Version(ctx, name, is.Version)
	if err != nil {
		if !errors.As(err, new(*routingpg.NotFoundError)) && l.err == nil {
			l.err = err
		}
		return nil, err
	}
	f, err := v.Parse()
	if err != nil {
		return nil, err
	}
	l.read[name] = parsedFlow{is, f}
	return f, nil
}
