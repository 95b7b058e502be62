package httpapi

import (
	"context"

	"github.com/callyard/callyard/routing"
)

// Trunk is a carrier's side: who may send us calls, and where ours go.
type Trunk struct {
	ID        string   `json:"id" readOnly:"true"`
	Name      string   `json:"name" readOnly:"true"`
	Sources   []string `json:"sources,omitzero" maxItems:"200" doc:"Networks (CIDR) whose calls are this trunk's"`
	Host      string   `json:"host,omitempty" maxLength:"255" doc:"host[:port] where outbound calls go; empty: inbound only"`
	Transport string   `json:"transport,omitempty" enum:"udp,tcp"`
	Codecs    []string `json:"codecs,omitzero" maxItems:"20" doc:"In order of preference; empty: the node's"`
	MaxCalls  int      `json:"max_calls,omitempty" minimum:"0" doc:"0: no bound"`
	CallsPerS float64  `json:"calls_per_s,omitempty" minimum:"0" doc:"0: no bound"`
}

func (a *api) trunks() {
	route(a, op{method: "GET", path: "/v1/trunks", scope: "read", id: "list_trunks", summary: "List trunks"},
		func(ctx context.Context, in *Paging) (*body[Page[Trunk]], error) {
			list, err := a.Routes.Trunks(ctx)
			if err != nil {
				return nil, err
			}
			all, err := each(list, trunkOf)
			if err != nil {
				return nil, err
			}
			return page(all, func(t Trunk) string { return t.Name }, *in)
		})
	route(a, op{method: "GET", path: "/v1/trunks/{name}", scope: "read", id: "read_trunk", summary: "Read a trunk"},
		func(ctx context.Context, in *Named) (*body[Trunk], error) { return a.trunk(ctx, in.Name) })
	route(a, op{method: "PUT", path: "/v1/trunks/{name}", scope: "write", id: "save_trunk", summary: "Make or replace a trunk"},
		func(ctx context.Context, in *struct {
			Named
			Body Trunk
		},
		) (*body[Trunk], error) {
			t, err := as[routing.Trunk](in.Body)
			if err != nil {
				return nil, err
			}
			t.ID, t.Name, t.Sources, t.Codecs = "", in.Name, some(t.Sources), some(t.Codecs)
			if t.Transport == "" {
				t.Transport = "udp"
			}
			if err := a.Routes.SaveTrunk(ctx, t); err != nil {
				return nil, err
			}
			if err := a.Changed(ctx); err != nil {
				return nil, err
			}
			return a.trunk(ctx, in.Name)
		})
	route(a, op{method: "DELETE", path: "/v1/trunks/{name}", scope: "write", id: "delete_trunk", summary: "Delete a trunk"},
		func(ctx context.Context, in *Named) (*nothing, error) {
			t, err := a.Routes.Trunk(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			return a.changed(ctx, a.Routes.DeleteTrunk(ctx, t.ID))
		})
}

func (a *api) trunk(ctx context.Context, name string) (*body[Trunk], error) {
	stored, err := a.Routes.Trunk(ctx, name)
	if err != nil {
		return nil, err
	}
	t, err := trunkOf(stored)
	return &body[Trunk]{t}, err
}

func trunkOf(t routing.Trunk) (Trunk, error) {
	t.Sources, t.Codecs = some(t.Sources), some(t.Codecs)
	return as[Trunk](t)
}
