package httpapi

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// Setting is a value that is in force, and who said so.
type Setting struct {
	Kind  string `json:"kind" enum:"lot,queue"`
	Name  string `json:"name"`
	Key   string `json:"key"`
	Value any    `json:"value"`
	Layer string `json:"layer" enum:"default,set"`
}

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
	route(a, op{method: "GET", path: "/v1/effective_config", scope: "read", role: "admin", id: "read_effective_config", summary: "What is in force for each lot and queue, and whether it was set"},
		func(ctx context.Context, _ *struct{}) (*body[Page[Setting]], error) {
			all, err := a.settings(ctx)
			return last(all), err
		})
}

// answersSetup documents an answer that is a set-up file.
func answersSetup(o *huma.Operation) {
	o.Responses = map[string]*huma.Response{"200": {Description: "trunks, agents, lots, queues, contacts, dispositions, flows, numbers", Content: map[string]*huma.MediaType{
		"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
	}}}
}

// settings compares what is stored, which has its defaults filled in, with what
// a lot or queue is that says nothing.
func (a *api) settings(ctx context.Context) ([]Setting, error) {
	lots, err := a.Lots.Lots(ctx)
	if err != nil {
		return nil, err
	}
	qs, err := a.Agents.Queues(ctx)
	if err != nil {
		return nil, err
	}
	var all []Setting
	for _, l := range lots {
		plain := parking.Lot{ID: l.ID, Name: l.Name, First: l.First, Last: l.Last}
		if all, err = compareTo(all, "lot", l.Name, l.WithDefaults(), plain.WithDefaults()); err != nil {
			return nil, err
		}
	}
	for _, q := range qs {
		if all, err = compareTo(all, "queue", q.Name, q.WithDefaults(), queues.Queue{ID: q.ID, Name: q.Name}.WithDefaults()); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func compareTo(all []Setting, kind, name string, is, unset any) ([]Setting, error) {
	x, err := fields(is)
	if err != nil {
		return nil, err
	}
	y, err := fields(unset)
	if err != nil {
		return nil, err
	}
	for _, k := range slices.Sorted(maps.Keys(x)) {
		if k == "id" || k == "name" || k == "first" || k == "last" || k == "agents" {
			continue // always said
		}
		s := Setting{Kind: kind, Name: name, Key: k, Value: x[k], Layer: "set"}
		if reflect.DeepEqual(x[k], y[k]) {
			s.Layer = "default"
		}
		all = append(all, s)
	}
	return all, nil
}

func fields(v any) (out map[string]any, err error) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	return out, err
}
