package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// Setting is a value that is in force, and who has set it.
type Setting struct {
	Key   string `json:"key" doc:"sip.listen, lot.max_park_s, queue.ring_s, node.slot"`
	Value any    `json:"value,omitempty" doc:"Secrets are hidden; left out: nothing"`
	From  string `json:"from" enum:"default,configuration,lot,queue,node" doc:"Whose word it is. default: nobody has said otherwise; configuration: the file, the environment or a flag"`
	Of    string `json:"of,omitempty" doc:"Which lot, queue or node"`
}

// seeking says whose settings are wanted.
type seeking struct {
	Paging
	Lot   string `query:"lot" maxLength:"64" doc:"What is in force for calls that people park there"`
	Queue string `query:"queue" maxLength:"64"`
	Flow  string `query:"flow" maxLength:"64" doc:"With node: what is in force at a node of its live version, that of its lot or queue included"`
	Node  string `query:"node" maxLength:"64"`
}

func (a *api) effectiveConfig() {
	route(a, op{
		method: "GET", path: "/v1/effective_config", scope: "admin", role: "admin", id: "read_effective_config",
		summary: "Each setting's value and who has set it: of this process, or of a lot, a queue or a node of a flow",
	}, func(ctx context.Context, in *seeking) (*body[Page[Setting]], error) {
		found := map[string]Setting{}
		var err error
		switch {
		case (in.Flow == "") != (in.Node == ""):
			return nil, wrong("query.node", "name flow and node together")
		case in.Flow != "":
			err = a.nodeSettings(ctx, in.Flow, in.Node, found)
		case in.Lot == "" && in.Queue == "":
			for _, s := range a.Settings() {
				found[s.Key] = s
			}
		}
		if err == nil && in.Lot != "" {
			err = a.lotSettings(ctx, in.Lot, found)
		}
		if err == nil && in.Queue != "" {
			err = a.queueSettings(ctx, in.Queue, found)
		}
		if err != nil {
			return nil, err
		}
		return page(slices.Collect(maps.Values(found)), func(s Setting) string { return s.Key }, in.Paging)
	})
}

// lotSettings are those of calls in a lot.
func (a *api) lotSettings(ctx context.Context, name string, into map[string]Setting) error {
	l, err := a.Lots.Lot(ctx, name)
	if err != nil {
		return err
	}
	plain := parking.Lot{Name: l.Name, First: l.First, Last: l.Last}.WithDefaults()
	return layered("lot", name, l.WithDefaults(), plain, into)
}

func (a *api) queueSettings(ctx context.Context, name string, into map[string]Setting) error {
	q, err := a.Agents.Queue(ctx, name)
	if err != nil {
		return err
	}
	return layered("queue", name, q.WithDefaults(), queues.Queue{Name: q.Name}.WithDefaults(), into)
}

// layered tells apart what a lot or queue says and what it leaves to the defaults.
func layered(layer, name string, set, plain any, into map[string]Setting) error {
	now, err := as[map[string]any](set)
	if err != nil {
		return err
	}
	before, err := as[map[string]any](plain)
	if err != nil {
		return err
	}
	for key, v := range now {
		if key == "id" || key == "name" {
			continue
		}
		s := Setting{Key: layer + "." + key, Value: v, From: layer, Of: name}
		if reflect.DeepEqual(v, before[key]) && key != "first" && key != "last" {
			s.From, s.Of = "default", ""
		}
		into[s.Key] = s
	}
	return nil
}

// instead are a node's settings that take the place of its lot's or queue's.
var instead = map[string]map[string]string{
	"park":  {"moh": "lot.music", "max_park_s": "lot.max_park_s", "ladder": "lot.ladder"},
	"queue": {"max_wait_s": "queue.max_wait_s"},
}

// nodeSettings are those at a node of a flow's live version: its own, on top of those
// of the lot or queue that it names.
func (a *api) nodeSettings(ctx context.Context, flow, node string, into map[string]Setting) error {
	f, err := a.Flows.Flow(ctx, flow)
	if err != nil {
		return err
	}
	doc, err := a.doc(ctx, flow, f.Live)
	if err != nil {
		return err
	}
	var parsed struct {
		Nodes map[string]struct {
			Type string         `json:"type"`
			Cfg  map[string]any `json:"cfg"`
		} `json:"nodes"`
	}
	if err := json.Unmarshal(doc, &parsed); err != nil {
		return fmt.Errorf("flow %s: %w", flow, err)
	}
	n, ok := parsed.Nodes[node]
	if !ok {
		return notFound("node", node)
	}
	if name, _ := n.Cfg["lot"].(string); n.Type == "park" && name != "" {
		err = a.lotSettings(ctx, name, into)
	} else if name, _ := n.Cfg["queue"].(string); n.Type == "queue" && name != "" {
		err = a.queueSettings(ctx, name, into)
	}
	if err != nil {
		return err
	}
	cfg, err := as[map[string]any](n.Cfg)
	if err != nil {
		return err
	}
	for key, usual := range usualOf(n.Type) {
		s := Setting{Key: "node." + key, Value: usual, From: "default"}
		if v, set := cfg[key]; set {
			s.Value, s.From, s.Of = v, "node", flow+"."+node
		}
		if place, takes := instead[n.Type][key]; takes {
			if s.Value == nil || s.Value == "" {
				continue // the lot's, or the queue's
			}
			s.Key = place
		}
		into[s.Key] = s
	}
	return nil
}

// usualOf are a type of node's settings with their defaults.
func usualOf(kind string) map[string]any {
	out := map[string]any{}
	for _, t := range routing.NodeTypes() {
		if t.Type != kind {
			continue
		}
		var schema struct {
			Properties map[string]struct {
				Default any `json:"default"`
			} `json:"properties"`
		}
		b, err := json.Marshal(t.Cfg)
		if err != nil || json.Unmarshal(b, &schema) != nil {
			return out
		}
		for name, p := range schema.Properties {
			out[name] = p.Default
		}
	}
	return out
}
