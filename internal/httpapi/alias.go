package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// Aliases is what new calls of a flow run: a stable version and perhaps a canary.
type Aliases interface {
	Alias(ctx context.Context, flow string) (routingpg.Alias, error)
	SetAlias(ctx context.Context, flow string, w routingpg.Wish, author string, now time.Time, check func(*routing.Flow) routing.Findings) (routingpg.Alias, error)
	Promote(ctx context.Context, flow, author string, now time.Time, check func(*routing.Flow) routing.Findings) (routingpg.Alias, error)
	Abort(ctx context.Context, flow, author string, now time.Time) (routingpg.Alias, error)
	PublishAside(ctx context.Context, name, message, author string, now time.Time, check func(*routing.Flow) routing.Findings) (routingpg.Version, error)
}

// Alias is what new calls of a flow run.
type Alias struct {
	Flow    string  `json:"flow"`
	Version int     `json:"version" doc:"The stable version; 0: never published"`
	Canary  *Canary `json:"canary,omitempty" doc:"The version that is tried on a part of the callers; absent: none"`
	Last    *Canary `json:"last,omitempty" doc:"The canary that ended last, and how; absent: there was none"`
}

// Canary is a version that is, or was, tried on a part of a flow's callers.
type Canary struct {
	Version  int              `json:"version"`
	Stable   int              `json:"stable" doc:"What it is compared with"`
	Percent  float64          `json:"percent" doc:"Of callers; who calls again meets the same version"`
	Guard    routing.Guard    `json:"guard"`
	Stages   []routing.Stage  `json:"stages" doc:"How it was ramped up"`
	BeganAt  time.Time        `json:"began_at"`
	Author   string           `json:"author"`
	Verdict  *routing.Verdict `json:"verdict,omitempty" doc:"What the guard made of it last; absent: it has not looked yet"`
	JudgedAt *time.Time       `json:"judged_at"`
	EndedAt  *time.Time       `json:"ended_at"`
	Ending   string           `json:"ending,omitempty" enum:"promoted,aborted,rolled_back"`
	EndedBy  string           `json:"ended_by,omitempty" doc:"The name of the key; guard: by itself"`
}

// AliasWish is what new calls are to run.
type AliasWish struct {
	Version int       `json:"version" minimum:"1" doc:"The stable version"`
	Canary  int       `json:"canary,omitempty" minimum:"1" doc:"The version to try; without one, a canary that is tried is given up"`
	Percent float64   `json:"percent,omitempty" minimum:"0" maximum:"90" doc:"Of callers to the canary, chosen by a hash of their number; the same callers and more when it grows"`
	Guard   *GuardFor `json:"guard,omitempty"`
}

// GuardFor says when a canary is given up by itself: when a rate is beyond its most,
// and the canary is proved to be worse than the stable version (at most one
// canary in a hundred that is not worse is given up).
type GuardFor struct {
	AbandonRate *float64 `json:"abandon_rate,omitempty" minimum:"0" exclusiveMaximum:"1" doc:"The most of calls whose caller hangs up unheard: 0.15 is 15 %"`
	ErrorRate   *float64 `json:"error_rate,omitempty" minimum:"0" exclusiveMaximum:"1" doc:"The most of calls that end as failed"`
	MinCalls    int      `json:"min_calls,omitempty" minimum:"1" maximum:"100000" doc:"Of the canary within the window, before it is judged; 20"`
	WindowMin   int      `json:"window_min,omitempty" minimum:"1" maximum:"10080" doc:"Minutes over which the rates are taken; 60"`
}

type exportOut struct {
	Disposition string `header:"Content-Disposition"`
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (a *api) aliases() {
	route(a, op{method: "GET", path: "/v1/flows/{name}/alias", scope: "read", role: "manager", id: "read_alias", summary: "What new calls of a flow run"},
		func(ctx context.Context, in *Named) (*body[Alias], error) {
			return aliasBody(a.Flows.Alias(ctx, in.Name))
		})
	route(a, op{
		method: "PUT", path: "/v1/flows/{name}/alias", scope: "write", role: "admin", id: "set_alias",
		summary: "Say what new calls run: a version, or beside it a canary for a part of the callers, which may be ramped up again and again",
	}, func(ctx context.Context, in *struct {
		Named
		Body AliasWish
	},
	) (*body[Alias], error) {
		w := routingpg.Wish{Version: in.Body.Version, Canary: in.Body.Canary, Percent: in.Body.Percent}
		if g := in.Body.Guard; g != nil {
			w.Guard = routing.Guard(*g)
		}
		return a.realiased(ctx, func(check func(*routing.Flow) routing.Findings) (routingpg.Alias, error) {
			return a.Flows.SetAlias(ctx, in.Name, w, requestOf(ctx).by.Name, a.Now(), check)
		})
	})
	route(a, op{method: "POST", path: "/v1/flows/{name}/alias/promote", scope: "write", role: "admin", id: "promote_canary", summary: "Let all new calls run the canary"},
		func(ctx context.Context, in *Named) (*body[Alias], error) {
			return a.realiased(ctx, func(check func(*routing.Flow) routing.Findings) (routingpg.Alias, error) {
				return a.Flows.Promote(ctx, in.Name, requestOf(ctx).by.Name, a.Now(), check)
			})
		})
	route(a, op{method: "POST", path: "/v1/flows/{name}/alias/abort", scope: "write", role: "admin", id: "abort_canary", summary: "Let all new calls run the stable version"},
		func(ctx context.Context, in *Named) (*body[Alias], error) {
			return a.realiased(ctx, func(func(*routing.Flow) routing.Findings) (routingpg.Alias, error) {
				return a.Flows.Abort(ctx, in.Name, requestOf(ctx).by.Name, a.Now())
			})
		})
	route(a, op{method: "GET", path: "/v1/flows/{name}/export", scope: "read", role: "manager", id: "export_flow", summary: "A flow's document as it was written, as a file", also: answersFlow},
		func(ctx context.Context, in *struct {
			Named
			Version string `query:"version" default:"live" pattern:"^(live|draft|[1-9][0-9]{0,8})$" doc:"live, draft, or a number"`
		},
		) (*exportOut, error) {
			n, doc, err := a.documentOf(ctx, in.Name, in.Version)
			if err != nil {
				return nil, err
			}
			return &exportOut{fmt.Sprintf(`attachment; filename="%s.%s.json"`, in.Name, n), "application/json", doc}, nil
		})
}

// answersFlow documents an answer that is a flow's document.
func answersFlow(o *huma.Operation) {
	o.Responses = map[string]*huma.Response{"200": {Description: "A document of callflow/v1", Content: map[string]*huma.MediaType{
		"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
	}}}
}

// documentOf is a flow's document by what it is called, and how a file of it is.
func (a *api) documentOf(ctx context.Context, flow, which string) (name string, doc []byte, err error) {
	f, err := a.Flows.Flow(ctx, flow)
	if err != nil {
		return "", nil, err
	}
	n := f.Live
	switch {
	case which == "draft":
		return "draft", f.Draft, nil
	case which != "live":
		n, _ = strconv.Atoi(which) // by its pattern
	case n == 0:
		return "", nil, &Problem{Status: http.StatusNotFound, Code: "version_not_found", Detail: fmt.Sprintf("flow %q was never published; ask for version=draft", flow)}
	}
	v, err := a.Flows.Version(ctx, flow, n)
	return fmt.Sprintf("v%d", n), v.Doc, err
}

// realiased changes what new calls run and makes it known.
func (a *api) realiased(ctx context.Context, change func(func(*routing.Flow) routing.Findings) (routingpg.Alias, error)) (*body[Alias], error) {
	check, err := a.publishable(ctx)
	if err != nil {
		return nil, err
	}
	is, err := change(check)
	if err != nil {
		return nil, err
	}
	if err := a.Changed(ctx); err != nil {
		return nil, err
	}
	return aliasBody(is, nil)
}

func aliasBody(a routingpg.Alias, err error) (*body[Alias], error) {
	return &body[Alias]{Alias{Flow: a.Flow, Version: a.Version, Canary: canaryOf(a.Canary), Last: canaryOf(a.Last)}}, err
}

func canaryOf(c *routingpg.Canary) *Canary {
	if c == nil {
		return nil
	}
	out := &Canary{
		Version: c.Version, Stable: c.Stable, Percent: c.Percent, Guard: c.Guard, Stages: some(c.Stages),
		BeganAt: c.BeganAt, Author: c.Author, JudgedAt: moment(c.JudgedAt), EndedAt: moment(c.EndedAt), Ending: c.Ending, EndedBy: c.EndedBy,
	}
	if !c.JudgedAt.IsZero() {
		out.Verdict = &c.Verdict
	}
	return out
}
