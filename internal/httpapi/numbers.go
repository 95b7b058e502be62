package httpapi

import (
	"context"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// Numbered is the telephone number in a path.
type Numbered struct {
	Number string `path:"number" maxLength:"40" doc:"+34910000001, or its id"`
}

func (a *api) numbers() {
	route(a, op{method: "GET", path: "/v1/numbers", scope: "read", role: "manager", id: "list_numbers", summary: "List our telephone numbers"},
		func(ctx context.Context, in *Paging) (*body[Page[routing.Number]], error) {
			list, err := a.Routes.Numbers(ctx)
			if err != nil {
				return nil, err
			}
			return page(list, func(n routing.Number) string { return string(n.Number) }, *in)
		})
	route(a, op{method: "GET", path: "/v1/numbers/{number}", scope: "read", role: "manager", id: "read_number", summary: "Read a number"},
		func(ctx context.Context, in *Numbered) (*body[routing.Number], error) {
			n, err := a.Routes.Number(ctx, a.dialled(in.Number))
			return &body[routing.Number]{n}, err
		})
	route(a, op{method: "PUT", path: "/v1/numbers/{number}", scope: "write", role: "admin", merges: true, id: "save_number", summary: "Let a number run a flow"},
		func(ctx context.Context, in *struct {
			Numbered
			Body struct {
				ID     string      `json:"id,omitempty" readOnly:"true"`
				Number call.Number `json:"number,omitempty" readOnly:"true"`
				Flow   string      `json:"flow" minLength:"1" maxLength:"64" doc:"Its live version"`
				Label  string      `json:"label,omitempty" maxLength:"100"`
			}
		},
		) (*body[routing.Number], error) {
			name := a.dialled(in.Number)
			if err := a.Routes.SaveNumber(ctx, routing.Number{Number: call.Number(name), Flow: in.Body.Flow, Label: in.Body.Label}); err != nil {
				return nil, err
			}
			if err := a.Changed(ctx); err != nil {
				return nil, err
			}
			n, err := a.Routes.Number(ctx, name)
			return &body[routing.Number]{n}, err
		})
	route(a, op{method: "DELETE", path: "/v1/numbers/{number}", scope: "write", role: "admin", id: "delete_number", summary: "Give a number up"},
		func(ctx context.Context, in *Numbered) (*nothing, error) {
			n, err := a.Routes.Number(ctx, a.dialled(in.Number))
			if err != nil {
				return nil, err
			}
			return a.changed(ctx, a.Routes.DeleteNumber(ctx, n.ID))
		})
}

// dialled is a number as it is stored, whatever way it is written.
func (a *api) dialled(s string) string {
	if n, ok := crm.Normalize(s, a.Region); ok {
		return string(n)
	}
	return s
}
