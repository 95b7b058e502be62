package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// DryRunIn says which past calls are led through which flow.
type DryRunIn struct {
	Tried
	From   time.Time `json:"from" doc:"Calls that began at or after it…"`
	To     time.Time `json:"to" doc:"…and before it"`
	Limit  int       `json:"limit,omitempty" minimum:"1" maximum:"1000" default:"500" doc:"Calls of one answer"`
	Cursor string    `json:"cursor,omitempty" doc:"next_cursor of the answer before: the next calls"`

	Calendars string `json:"calendars,omitempty" enum:"then,now" default:"then" doc:"Shared calendars are as each call found them, or as they are now"`
}

// DryRun is what would have become of past calls, a part of them at a time.
type DryRun struct {
	Total       int           `json:"total" doc:"Calls there are in that time, of all parts"`
	Tally       sim.Tally     `json:"tally" doc:"Of this part"`
	Calls       []sim.Verdict `json:"calls" doc:"Those of this part that do not go as they went"`
	Assumptions []string      `json:"assumptions" doc:"What every dry run takes for granted"`
	NextCursor  string        `json:"next_cursor,omitempty" doc:"Absent in the last part"`
}

func (a *api) dryRun(ctx context.Context, in *struct {
	Named
	Body DryRunIn
},
) (*body[DryRun], error) {
	b := in.Body
	if !b.To.After(b.From) {
		return nil, wrong("body.to", "is not after from")
	}
	next, err := a.retried(ctx, in.Name, b)
	if err != nil {
		return nil, err
	}
	if _, err := next(nil); err != nil { // also when there are no calls
		return nil, err
	}
	w, err := a.world(ctx)
	if err != nil {
		return nil, err
	}
	filter := callpg.RanFilter{Flow: in.Name, From: b.From, To: b.To, Limit: cmp.Or(b.Limit, 500), Cursor: b.Cursor, Kinds: sim.Wanted()}
	out := DryRun{Calls: []sim.Verdict{}, Assumptions: sim.Assumptions(), Tally: sim.Tally{Matrix: []sim.Cell{}}}
	if out.Total, err = a.Calls.CountRan(ctx, filter); err != nil {
		return nil, err
	}
	list, cursor, err := a.Calls.Ran(ctx, filter)
	if err != nil {
		return nil, err
	}
	out.NextCursor = cursor
	agents, err := a.during(ctx, list)
	if err != nil {
		return nil, err
	}
	ran := map[string]*routing.Flow{}
	for _, r := range list {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v, err := a.judged(ctx, in.Name, w, ran, next, r, agents)
		if err != nil {
			return nil, err
		}
		out.Tally.Count(v)
		if v.Verdict != sim.Same {
			out.Calls = append(out.Calls, v)
		}
	}
	return &body[DryRun]{out}, nil
}

// during is what agents did while calls went on, and an hour longer: imagined calls
// may outlast the real ones.
func (a *api) during(ctx context.Context, list []callpg.Ran) ([]queues.Moment, error) {
	if len(list) == 0 {
		return nil, nil
	}
	until := list[len(list)-1].StartedAt
	for _, r := range list {
		if r.EndedAt != nil && r.EndedAt.After(until) {
			until = *r.EndedAt
		}
	}
	return a.Agents.Moments(ctx, list[0].StartedAt, until.Add(time.Hour))
}

// retried reads the flow that past calls are led through, and makes it ready for a
// call that looked at some revisions of calendars.
func (a *api) retried(ctx context.Context, name string, in DryRunIn) (func(looked map[string]int) (*routing.Flow, error), error) {
	f, err := a.unlinked(ctx, name, in.Tried)
	if err != nil {
		return nil, err
	}
	known, err := a.Known(ctx)
	if err != nil {
		return nil, err
	}
	ready := map[string]*routing.Flow{}
	return func(looked map[string]int) (*routing.Flow, error) {
		if in.Calendars == "now" {
			looked = nil
		}
		key := fmt.Sprint(looked)
		if ready[key] == nil {
			linked, err := a.then(ctx, f, known, looked)
			if err != nil {
				return nil, err
			}
			ready[key] = linked
		}
		return ready[key], nil
	}, nil
}

// ran is the flow that a run walked: with those versions of others that it called,
// and those revisions of calendars that it looked at. It is nil if one of them is not
// to be had any more.
func (a *api) ran(ctx context.Context, run routing.Run) (*routing.Flow, error) {
	var bad error
	read := func(name string, n int) *routing.Flow {
		v, err := a.Flows.Version(ctx, name, n)
		if _, gone := errors.AsType[*routingpg.NotFoundError](err); gone {
			return nil
		}
		if err != nil {
			bad = err
			return nil
		}
		f, err := routing.Parse(v.Doc)
		if err != nil {
			return nil // of a release that knew more
		}
		return f.WithVersion(n)
	}
	f := read(run.Flow, run.Version)
	if f == nil {
		return nil, bad
	}
	revision := a.revisions(ctx, &bad)
	linked, err := routing.Link(f, routing.Parts{
		Flow:     func(name string) *routing.Flow { return read(name, run.Subflows[name]) },
		Calendar: func(name string) *routing.Calendar { return revision(name, run.Calendars[name]) },
	})
	if err != nil {
		return nil, bad // a version of one that it called is gone
	}
	return linked, bad
}

// revisions finds calendars as they were, nil for what is not to be had; 0 is the last
// there was. An error of the database is left in bad.
func (a *api) revisions(ctx context.Context, bad *error) func(name string, n int) *routing.Calendar {
	return func(name string, n int) *routing.Calendar {
		is, err := a.Flows.CalendarRevision(ctx, name, n)
		if _, gone := errors.AsType[*routingpg.NotFoundError](err); err != nil && !gone {
			*bad = err
		}
		if err != nil {
			return nil
		}
		c, _ := is.Parse() // nil: of a release that knew more
		return c
	}
}

// then is a flow that looks at calendars as a call found them. Those that the call did
// not look at are as they are now, or were last.
func (a *api) then(ctx context.Context, f *routing.Flow, known routing.Known, looked map[string]int) (*routing.Flow, error) {
	var bad error
	revision := a.revisions(ctx, &bad)
	parts := known.Parts()
	parts.Calendar = func(name string) *routing.Calendar {
		if n, ok := looked[name]; ok {
			if c := revision(name, n); c != nil {
				return c
			}
		}
		if c := known.Calendar(name); c != nil {
			return c
		}
		return revision(name, 0)
	}
	linked, err := routing.Link(f, parts)
	return linked, errors.Join(bad, err)
}

// judged leads one past call through the flow, which next makes ready for it. ran
// keeps the versions read.
func (a *api) judged(ctx context.Context, name string, w sim.World, ran map[string]*routing.Flow, next func(map[string]int) (*routing.Flow, error), r callpg.Ran, agents []queues.Moment) (sim.Verdict, error) {
	n := r.Run.Version
	var was *routing.Flow
	if r.Run.Flow == name {
		versions := fmt.Sprint(n, r.Run.Subflows, r.Run.Calendars) // maps are printed in order
		if _, read := ran[versions]; !read {
			f, err := a.ran(ctx, r.Run)
			if err != nil {
				return sim.Verdict{}, err
			}
			ran[versions] = f
		}
		was = ran[versions]
	}
	if was == nil {
		return sim.Verdict{
			Call: r.ID, At: r.StartedAt, Verdict: sim.Undecided, Why: fmt.Sprintf("version %d, which the call ran, is not to be had", n),
			Was: sim.Ending{Version: n, Outcome: r.Outcome, Path: sim.PathOf(r.Run)},
		}, nil
	}
	p := sim.Past{Call: r.ID, Run: r.Run, Cause: r.Cause, Talked: r.Talked, Facts: r.Facts, Agents: agents}
	if r.ConnectedAt != nil {
		p.ConnectedAt = *r.ConnectedAt
	}
	if r.EndedAt != nil {
		p.EndedAt = *r.EndedAt
	}
	f, err := next(r.Run.Calendars)
	if err != nil {
		return sim.Verdict{}, err
	}
	return sim.Dry(ctx, w, was, f, p), nil
}
