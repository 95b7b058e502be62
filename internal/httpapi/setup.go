package httpapi

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callyard/callyard/internal/setup"
)

func (a *api) setup() {
	route(a, op{
		method: "POST", path: "/v1/apply", scope: "admin", role: "admin", id: "apply", summary: "Bring the configuration in line with a set-up file; again changes nothing",
		takes: map[string]*huma.Schema{
			"application/json": {Type: huma.TypeObject, Description: "trunks, agents, lots, queues, contacts, dispositions, flows, numbers", AdditionalProperties: true},
			"application/yaml": {Type: huma.TypeObject, Description: "The same", AdditionalProperties: true},
		},
	}, func(ctx context.Context, in *struct {
		DryRun  bool `query:"dry_run" doc:"Nothing is changed; the answer is what would be"`
		Prune   bool `query:"prune" doc:"What the document does not name is removed, of the kinds that it has a list of; never contacts, and nothing that calls use now"`
		RawBody []byte
	},
	) (*body[Page[setup.Change]], error) {
		d, err := setup.Read(in.RawBody)
		if err != nil {
			return nil, invalid(err)
		}
		if err := d.Check(); err != nil {
			return nil, invalid(err)
		}
		changes, err := a.Setup(ctx, d, setup.Options{DryRun: in.DryRun, Prune: in.Prune})
		return last(changes), err
	})
	route(a, op{method: "GET", path: "/v1/setup", scope: "read", role: "admin", id: "export_setup", summary: "The configuration as a set-up file without secrets; applied again it changes nothing", also: answersSetup},
		func(ctx context.Context, in *struct {
			Contacts bool `query:"contacts" doc:"The address book too"`
		},
		) (*body[setup.Exported], error) {
			x, err := a.Export(ctx, in.Contacts)
			return &body[setup.Exported]{x}, err
		})
}

// answersSetup documents an answer that is a set-up file.
func answersSetup(o *huma.Operation) {
	o.Responses = map[string]*huma.Response{"200": {Description: "trunks, agents, lots, queues, contacts, dispositions, flows, numbers", Content: map[string]*huma.MediaType{
		"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
	}}}
}
