package httpapi

import (
	"context"

	"github.com/callyard/callyard/queues"
)

// Queue is a line of waiting calls and the agents who serve it. What is left out
// of a PUT, or 0, is the default.
type Queue struct {
	ID       string       `json:"id" readOnly:"true"`
	Name     string       `json:"name" readOnly:"true"`
	Strategy string       `json:"strategy,omitempty" maxLength:"40"`
	Ring     float64      `json:"ring_s,omitempty" minimum:"0" doc:"How long an offer lasts"`
	Retry    float64      `json:"retry_s,omitempty" minimum:"0" doc:"Between two offers of a call"`
	WrapUp   float64      `json:"wrap_up_s,omitempty" doc:"After a conversation; below zero none"`
	MaxWait  float64      `json:"max_wait_s,omitempty" minimum:"0"`
	Target   float64      `json:"target_s,omitempty" minimum:"0" doc:"Service level: answered within"`
	MaxLen   int          `json:"max_len,omitempty" minimum:"0" doc:"0: no bound"`
	Music    string       `json:"music,omitempty" maxLength:"100"`
	Agents   []Assignment `json:"agents,omitzero"`
}

// Assignment puts an agent into a queue. Lower tiers are asked first.
type Assignment struct {
	Agent string `json:"agent" minLength:"1" maxLength:"64"`
	Tier  int    `json:"tier,omitempty" minimum:"0"`
	Order int    `json:"order,omitempty" minimum:"0"`
}

func (a *api) queues() {
	route(a, op{method: "GET", path: "/v1/queues", scope: "read", role: "rep", id: "list_queues", summary: "List queues"},
		func(ctx context.Context, in *Paging) (*body[Page[Queue]], error) {
			list, err := a.Agents.Queues(ctx)
			if err != nil {
				return nil, err
			}
			return shown(list, func(q queues.Queue) string { return q.Name }, queueOf, *in)
		})
	route(a, op{method: "GET", path: "/v1/queues/{name}", scope: "read", role: "rep", id: "read_queue", summary: "Read a queue"},
		func(ctx context.Context, in *Named) (*body[Queue], error) { return a.queue(ctx, in.Name) })
	route(a, op{method: "PUT", path: "/v1/queues/{name}", scope: "write", role: "admin", merges: true, id: "save_queue", summary: "Make or replace a queue"},
		func(ctx context.Context, in *struct {
			Named
			Body Queue
		},
		) (*body[Queue], error) {
			q, err := as[queues.Queue](in.Body)
			if err != nil {
				return nil, err
			}
			q.ID, q.Name = "", in.Name
			q = q.WithDefaults()
			if err := q.Validate(); err != nil {
				return nil, invalid(err)
			}
			if err := a.Agents.SaveQueue(ctx, q); err != nil {
				return nil, err
			}
			if err := a.Changed(ctx); err != nil {
				return nil, err
			}
			return a.queue(ctx, in.Name)
		})
	route(a, op{method: "DELETE", path: "/v1/queues/{name}", scope: "write", role: "admin", id: "delete_queue", summary: "Delete a queue in which nobody waits"},
		func(ctx context.Context, in *Named) (*nothing, error) {
			return a.changed(ctx, a.Agents.DeleteQueue(ctx, in.Name))
		})
	a.entries()
}

func (a *api) queue(ctx context.Context, name string) (*body[Queue], error) {
	stored, err := a.Agents.Queue(ctx, name)
	if err != nil {
		return nil, err
	}
	return &body[Queue]{queueOf(stored)}, nil
}

func queueOf(q queues.Queue) Queue {
	return Queue{
		ID: q.ID, Name: q.Name, Strategy: q.Strategy, Ring: q.Ring.Seconds(), Retry: q.Retry.Seconds(), WrapUp: q.WrapUp.Seconds(),
		MaxWait: q.MaxWait.Seconds(), Target: q.Target.Seconds(), MaxLen: q.MaxLen, Music: q.Music, Agents: turned(q.Agents, func(g queues.Assignment) Assignment { return Assignment(g) }),
	}
}
