package httpapi

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

// Agent is a person who takes calls.
type Agent struct {
	ID        string   `json:"id" readOnly:"true"`
	Name      string   `json:"name" readOnly:"true" doc:"The SIP user, and how flows name them"`
	Display   string   `json:"display,omitempty" maxLength:"100"`
	Extension string   `json:"extension,omitempty" maxLength:"32" pattern:"^[0-9*#]*$"`
	Teams     []string `json:"teams,omitzero" maxItems:"100"`
	Skills    []string `json:"skills,omitzero" maxItems:"100"`
	SRTP      string   `json:"srtp,omitempty" enum:"off,optional,required" doc:"Encrypted audio of their phones. Left out, the node's"`
	Password  string   `json:"password,omitempty" writeOnly:"true" minLength:"8" maxLength:"200" doc:"Of the SIP account; kept as a digest. Left out, the one before stays"`

	Status      string    `json:"status" readOnly:"true" enum:"available,away,offline,not_responding" doc:"What they want"`
	StatusSince time.Time `json:"status_since" readOnly:"true"`
	Reason      string    `json:"reason" readOnly:"true"`
	State       string    `json:"state" readOnly:"true" enum:"idle,reserved,ringing,talking,wrap_up" doc:"What is happening"`
	Since       time.Time `json:"since" readOnly:"true" doc:"Of the state"`
	IdleSince   time.Time `json:"idle_since" readOnly:"true"`
	Call        call.ID   `json:"call" readOnly:"true"`
	Misses      int       `json:"misses" readOnly:"true"`
	Devices     int       `json:"devices" readOnly:"true" doc:"Registered phones"`
}

// agentName keeps SIP users to what every phone can dial and every URI can carry.
var agentName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

func (a *api) agents() {
	route(a, op{method: "GET", path: "/v1/agents", scope: "read", role: "rep", id: "list_agents", summary: "List agents with what they do now"},
		func(ctx context.Context, in *Paging) (*body[Page[Agent]], error) {
			list, err := a.Agents.Agents(ctx)
			if err != nil {
				return nil, err
			}
			return shown(list, func(g queues.Agent) string { return g.Name }, agentOf, *in)
		})
	route(a, op{method: "GET", path: "/v1/agents/{name}", scope: "read", role: "rep", id: "read_agent", summary: "Read an agent"},
		func(ctx context.Context, in *Named) (*body[Agent], error) { return a.agent(ctx, in.Name) })
	route(a, op{method: "PUT", path: "/v1/agents/{name}", scope: "write", role: "admin", merges: true, id: "save_agent", summary: "Make an agent, or replace what is set of them"},
		func(ctx context.Context, in *struct {
			Named
			Body Agent
		},
		) (*body[Agent], error) {
			if !agentName.MatchString(in.Name) {
				return nil, wrong("path.name", "lower-case letters, digits, dots and dashes only")
			}
			stored, err := a.Agents.Agent(ctx, in.Name)
			if _, missing := errors.AsType[*queues.UnknownError](err); err != nil && !missing {
				return nil, err
			} else if missing && in.Body.Password == "" {
				return nil, wrong("body.password", "a new agent needs one")
			}
			stored.Name, stored.Display, stored.Extension, stored.SRTP = in.Name, in.Body.Display, in.Body.Extension, in.Body.SRTP
			stored.Teams, stored.Skills, stored.HA1 = some(in.Body.Teams), some(in.Body.Skills), queues.HA1{}
			if in.Body.Password != "" {
				stored.HA1 = queues.NewHA1(in.Name, a.Realm, in.Body.Password)
			}
			if err := a.numberedAgent(ctx, stored); err != nil {
				return nil, err
			}
			trunks, err := a.Routes.Trunks(ctx)
			if err != nil {
				return nil, err
			}
			if err := ownAccount(trunks, []queues.Agent{stored}); err != nil {
				return nil, err
			}
			if err := a.Agents.SaveAgent(ctx, stored); err != nil {
				return nil, err
			}
			if err := a.Changed(ctx); err != nil {
				return nil, err
			}
			return a.agent(ctx, in.Name)
		})
	route(a, op{method: "DELETE", path: "/v1/agents/{name}", scope: "write", role: "admin", id: "delete_agent", summary: "Delete an agent"},
		func(ctx context.Context, in *Named) (*nothing, error) {
			return a.changed(ctx, a.Agents.DeleteAgent(ctx, in.Name))
		})
	route(a, op{method: "POST", path: "/v1/agents/{name}/status", scope: "write", role: "rep", id: "set_agent_status", summary: "Set what an agent wants"},
		func(ctx context.Context, in *struct {
			Named
			Body struct {
				Status string `json:"status" enum:"available,away,offline"`
				Reason string `json:"reason,omitempty" maxLength:"200"`
			}
		},
		) (*body[Agent], error) {
			if _, err := acting(ctx, in.Name); err != nil {
				return nil, err
			}
			if err := a.Agents.SetStatus(ctx, in.Name, queues.Status(in.Body.Status), in.Body.Reason, a.Now()); err != nil {
				return nil, err
			}
			return a.agent(ctx, in.Name)
		})
	route(a, op{method: "GET", path: "/v1/agents/{name}/devices", scope: "read", role: "manager", id: "list_devices", summary: "List an agent's registered phones"},
		func(ctx context.Context, in *struct {
			Named
			Paging
		},
		) (*body[Page[queues.Device]], error) {
			if _, err := a.Agents.Agent(ctx, in.Name); err != nil {
				return nil, err
			}
			list, err := a.Agents.Devices(ctx, in.Name, a.Now())
			if err != nil {
				return nil, err
			}
			return page(list, func(d queues.Device) string { return d.Contact }, in.Paging)
		})
	route(a, op{method: "GET", path: "/v1/agents/{name}/history", scope: "read", role: "manager", id: "list_agent_history", summary: "List what an agent wanted and did, the latest first"},
		func(ctx context.Context, in *struct {
			Named
			Paging
		},
		) (*body[Page[queues.Moment]], error) {
			if _, err := a.Agents.Agent(ctx, in.Name); err != nil {
				return nil, err
			}
			after, err := in.after()
			if err != nil {
				return nil, err
			}
			var before int64
			if after != "" {
				if before, err = strconv.ParseInt(after, 10, 64); err != nil || before < 1 {
					return nil, wrong("query.cursor", "not a cursor of this list")
				}
			}
			list, err := a.Agents.MomentsOf(ctx, in.Name, before, in.Limit+1)
			if err != nil {
				return nil, err
			}
			if len(list) <= in.Limit {
				return last(list), nil
			}
			list = list[:in.Limit]
			return part(list, cursorOf(strconv.FormatInt(list[in.Limit-1].Seq, 10))), nil
		})
}

func (a *api) agent(ctx context.Context, name string) (*body[Agent], error) {
	stored, err := a.Agents.Agent(ctx, name)
	if err != nil {
		return nil, err
	}
	return &body[Agent]{agentOf(stored)}, nil
}

func agentOf(g queues.Agent) Agent {
	return Agent{
		ID: g.ID, Name: g.Name, Display: g.Display, Extension: g.Extension, Teams: some(g.Teams), Skills: some(g.Skills), SRTP: g.SRTP,
		Status: string(g.Status), StatusSince: g.StatusSince, Reason: g.Reason, State: string(g.State), Since: g.Since,
		IdleSince: g.IdleSince, Call: g.Call, Misses: g.Misses, Devices: g.Devices,
	}
}
