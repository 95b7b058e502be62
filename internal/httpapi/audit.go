package httpapi

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/callyard/callyard/internal/auditpg"
)

// Audit is the log of who changed what.
type Audit interface {
	Events(ctx context.Context, f auditpg.Filter) ([]auditpg.Event, error)
}

// AuditEvent is one change.
type AuditEvent struct {
	ID        string          `json:"id"`
	At        time.Time       `json:"at"`
	Actor     AuditActor      `json:"actor"`
	Action    string          `json:"action" doc:"created, changed, deleted; of flows also draft_saved, published, rolled_back; of queues agent_added …"`
	Object    string          `json:"object" doc:"lot, queue, flow, agent, trunk, number, prompt, user, key, contacts …"`
	Name      string          `json:"name" doc:"Of the object"`
	Before    json.RawMessage `json:"before,omitempty" doc:"Of a change what changed, of what was deleted all. Secrets are not shown"`
	After     json.RawMessage `json:"after,omitempty" doc:"Of a flow the version: /v1/flows/{name}/diff?a=…&b=… tells the rest"`
	IP        string          `json:"ip,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	Node      string          `json:"node,omitempty"`
}

// AuditActor is who did it.
type AuditActor struct {
	Kind string `json:"kind" enum:"key,user,link,setup,system,database" doc:"link: who opened a one-time link; setup: a set-up file at the start; system: the hub itself; database: past the hub"`
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty" doc:"As it was called then"`
}

func (a *api) auditEvents() {
	route(a, op{method: "GET", path: "/v1/audit_events", scope: "admin", role: "admin", id: "list_audit_events", summary: "Who changed what, the latest first"},
		func(ctx context.Context, in *struct {
			Paging
			Actor  string    `query:"actor" maxLength:"100" doc:"Id or name of a key or user"`
			Action string    `query:"action" maxLength:"40"`
			Object string    `query:"object" maxLength:"40"`
			Name   string    `query:"name" maxLength:"100" doc:"Of the object"`
			Since  time.Time `query:"since" doc:"At or after"`
			Until  time.Time `query:"until" doc:"Before"`
		},
		) (*body[Page[AuditEvent]], error) {
			f := auditpg.Filter{Actor: in.Actor, Action: in.Action, Object: in.Object, Name: in.Name, Since: in.Since, Until: in.Until, Limit: in.Limit + 1}
			after, err := in.after()
			if err != nil {
				return nil, err
			}
			if after != "" {
				if f.Before, err = strconv.ParseInt(after, 10, 64); err != nil {
					return nil, wrong("query.cursor", "not a cursor of this list")
				}
			}
			list, err := a.Audit.Events(ctx, f)
			if err != nil {
				return nil, err
			}
			next := ""
			if len(list) > in.Limit {
				list = list[:in.Limit]
				next = cursorOf(strconv.FormatInt(list[in.Limit-1].N, 10))
			}
			all, _ := each(list, func(e auditpg.Event) (AuditEvent, error) { return auditOf(e), nil })
			return part(all, next), nil
		})
}

func auditOf(e auditpg.Event) AuditEvent {
	return AuditEvent{
		ID: e.ID(), At: e.At, Actor: AuditActor{e.Kind, e.Actor, e.ActorName}, Action: e.Action, Object: e.Object, Name: e.Name,
		Before: e.Before, After: e.After, IP: e.IP, RequestID: e.RequestID, Node: e.Node,
	}
}
