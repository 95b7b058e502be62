package httpapi

import (
	"context"
	"encoding/json"

	"github.com/callyard/callyard/routing"
)

// NodeType describes a type of node, so that an editor can build its form.
type NodeType struct {
	Type     string          `json:"type"`
	Doc      string          `json:"doc"`
	Cfg      json.RawMessage `json:"cfg" doc:"JSON Schema of the node's cfg"`
	Outcomes []string        `json:"outcomes"`
	Waits    bool            `json:"waits" doc:"The call stays here until something happens"`
}

func (a *api) nodeTypes() {
	route(a, op{method: "GET", path: "/v1/node_types", scope: "read", role: "manager", id: "list_node_types", summary: "List what flows can be made of"},
		func(context.Context, *struct{}) (*body[Page[NodeType]], error) {
			all, err := each(routing.NodeTypes(), func(t routing.NodeType) (NodeType, error) {
				cfg, err := json.Marshal(t.Cfg)
				return NodeType{Type: t.Type, Doc: t.Doc, Cfg: cfg, Outcomes: some(t.Outcomes), Waits: t.Waits}, err
			})
			return last(all), err
		})
}
