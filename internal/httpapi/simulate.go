package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/routing"
)

// Tried is the flow that is tried: a document, a version, or the draft.
type Tried struct {
	Version int            `json:"version,omitempty" minimum:"0" doc:"0: the draft"`
	Doc     map[string]any `json:"doc,omitempty" doc:"A document of callflow/v1 instead of a stored one"`
}

// SimulateIn is a call that is to be imagined.
type SimulateIn struct {
	Tried
	Given  routing.Imagined        `json:"given" doc:"Who calls, and how everybody behaves; who is not mentioned is away"`
	Events []routing.ImaginedEvent `json:"events,omitempty" maxItems:"1000" doc:"What happens when"`
}

// Simulation is what became of an imagined call.
type Simulation struct {
	sim.Result
	Undecided string `json:"undecided,omitempty" doc:"Why the call could not be imagined to its end"`
}

func (a *api) trials() {
	route(a, op{method: "POST", path: "/v1/flows/{name}/simulate", scope: "read", role: "manager", id: "simulate_flow", summary: "Imagine one call on a virtual clock"},
		func(ctx context.Context, in *struct {
			Named
			Body SimulateIn
		},
		) (*body[Simulation], error) {
			if p := ill(in.Body); p != nil {
				return nil, p
			}
			f, err := a.tried(ctx, in.Name, in.Body.Tried)
			if err != nil {
				return nil, err
			}
			w, err := a.world(ctx)
			if err != nil {
				return nil, err
			}
			r, err := sim.Call(ctx, w, f, in.Body.Given, in.Body.Events)
			return &body[Simulation]{Simulation{r, r.Undecided}}, err
		})
	route(a, op{method: "POST", path: "/v1/flows/{name}/dry_run", scope: "read", role: "manager", id: "dry_run_flow", summary: "Lead past calls of a flow through its draft, or another version, a part at a time"}, a.dryRun)
}

// ill finds what cannot be read in a call that is to be imagined.
func ill(in SimulateIn) error {
	for _, who := range slices.Sorted(maps.Keys(in.Given.Agents)) {
		if s := in.Given.Agents[who]; !routing.Mannered(s) {
			return wrong("body.given.agents."+who, "%q is not %s", s, routing.Manners)
		}
	}
	for i, e := range in.Events {
		if (e.Agent != "" || e.Becomes != "") && !routing.Mannered(e.Becomes) {
			return wrong(fmt.Sprintf("body.events[%d].becomes", i), "%q is not %s", e.Becomes, routing.Manners)
		}
	}
	return nil
}

// tried reads the flow that is to be tried, with the live versions of those that
// it calls, and refuses one with errors.
func (a *api) tried(ctx context.Context, name string, t Tried) (*routing.Flow, error) {
	f, err := a.unlinked(ctx, name, t)
	if err != nil {
		return nil, err
	}
	known, err := a.Known(ctx)
	if err != nil {
		return nil, err
	}
	return routing.Link(f, known.Parts())
}

func (a *api) unlinked(ctx context.Context, name string, t Tried) (*routing.Flow, error) {
	if t.Doc == nil {
		doc, err := a.doc(ctx, name, t.Version)
		if err != nil {
			return nil, err
		}
		f, err := routing.Parse(doc)
		if err != nil {
			return nil, err
		}
		return f.WithVersion(t.Version), nil
	}
	if t.Version != 0 {
		return nil, wrong("body.version", "there is a doc as well: give one of them")
	}
	doc, err := json.Marshal(t.Doc)
	if err != nil {
		return nil, err
	}
	return routing.Parse(doc)
}

// world is what calls meet, as it is set up now.
func (a *api) world(ctx context.Context) (w sim.World, err error) {
	if w.Lots, err = a.Lots.Lots(ctx); err != nil {
		return w, err
	}
	if w.Queues, err = a.Agents.Queues(ctx); err != nil {
		return w, err
	}
	if w.Agents, err = a.Agents.Agents(ctx); err != nil {
		return w, err
	}
	prompts, err := a.Prompts.Prompts(ctx)
	if err != nil {
		return w, err
	}
	lengths := make(map[string]time.Duration, len(prompts))
	for _, p := range prompts {
		lengths[p.Name] = p.Length
	}
	w.Speech = sim.Spoken
	w.Prompt = func(name string) time.Duration { return cmp.Or(lengths[name], sim.BuiltIn) }
	return w, nil
}
