package httpapi

import (
	"context"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// Trunk is a carrier's side: who may send us calls, and where ours go.
type Trunk struct {
	ID   string `json:"id" readOnly:"true"`
	Name string `json:"name" readOnly:"true"`

	Sources   []string  `json:"sources,omitzero" maxItems:"200" doc:"Networks (CIDR) whose calls are this trunk's"`
	Host      string    `json:"host,omitempty" maxLength:"255" doc:"host[:port] where outbound calls go; empty: inbound only"`
	Hosts     []Gateway `json:"hosts,omitzero" maxItems:"20" doc:"In place of host: several gateways"`
	Domain    string    `json:"domain,omitempty" maxLength:"255" doc:"Of our From and of the numbers dialled; empty: the gateway's"`
	Transport string    `json:"transport,omitempty" enum:"udp,tcp,tls"`
	SRTP      string    `json:"srtp,omitempty" enum:"off,optional,required"`

	Username    string      `json:"username,omitempty" maxLength:"128"`
	Password    call.Secret `json:"password,omitempty" maxLength:"256" writeOnly:"true" doc:"Never shown. Left out, it stays as long as the username does"`
	AuthInbound bool        `json:"auth_inbound,omitempty" doc:"The carrier's INVITEs must carry the credentials"`
	Register    bool        `json:"register,omitempty" doc:"We register with the carrier"`
	Registrar   string      `json:"registrar,omitempty" maxLength:"255" doc:"host[:port]; empty: the gateways"`
	RegisterS   int         `json:"register_s,omitempty" minimum:"0" maximum:"86400" doc:"Expiry asked for; 0: 3600"`

	Codecs    []string `json:"codecs,omitzero" maxItems:"20" doc:"In order of preference; empty: the node's"`
	MaxCalls  int      `json:"max_calls,omitempty" minimum:"0" doc:"Both ways together; 0: no bound"`
	CallsPerS float64  `json:"calls_per_s,omitempty" minimum:"0" doc:"New calls a second, both ways together; 0: no bound"`

	Priority int      `json:"priority,omitempty" doc:"Of the trunks that can carry a call the lowest is taken; the next when it is full or down"`
	For      []string `json:"for,omitzero" maxItems:"200" doc:"Beginnings of the numbers it carries outward; empty: all"`
	TryS     float64  `json:"try_s,omitempty" minimum:"0" maximum:"32" doc:"After so many seconds without any answer the next gateway is tried; 0: 4"`
	QualifyS int      `json:"qualify_s,omitempty" minimum:"0" maximum:"3600" doc:"How often the gateways are asked (OPTIONS) whether they are there; 0: never"`

	Trust          []string    `json:"trust,omitzero" maxItems:"4" doc:"What says who calls, in order: pai, rpid, from; empty: pai, from. With referred-by its REFERs are taken, for whom they name"`
	Send           []string    `json:"send,omitzero" maxItems:"4" doc:"What is sent besides From: pai, rpid, diversion, history-info, or none; empty: pai, diversion"`
	Show           string      `json:"show,omitempty" enum:"caller,own" doc:"Whose number our calls show: the caller's, or caller_number always"`
	CallerNumber   call.Number `json:"caller_number,omitempty" maxLength:"40" doc:"Shown where there is no number the carrier would take"`
	NumberFormat   string      `json:"number_format,omitempty" enum:",e164,plain,national" doc:"How the carrier writes numbers: +34911234567, 34911234567, or 911234567; empty: as they are"`
	Country        string      `json:"country,omitempty" maxLength:"4" doc:"Country code of its national numbers: 34"`
	NationalPrefix string      `json:"national_prefix,omitempty" maxLength:"4" doc:"Of its national numbers: 0"`
}

// Gateway is one of a carrier's machines.
type Gateway struct {
	Host     string `json:"host" maxLength:"255" doc:"host[:port]; without a port SRV records are asked for"`
	Priority int    `json:"priority,omitempty" minimum:"0" maximum:"65535" doc:"The lowest first"`
	Weight   int    `json:"weight,omitempty" minimum:"0" maximum:"65535" doc:"Share among those of one priority; 0: 1"`
}

func (a *api) trunks() {
	route(a, op{method: "GET", path: "/v1/trunks", scope: "read", role: "manager", id: "list_trunks", summary: "List trunks"},
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
	route(a, op{method: "GET", path: "/v1/trunks/{name}", scope: "read", role: "manager", id: "read_trunk", summary: "Read a trunk"},
		func(ctx context.Context, in *Named) (*body[Trunk], error) { return a.trunk(ctx, in.Name) })
	route(a, op{method: "PUT", path: "/v1/trunks/{name}", scope: "write", role: "admin", merges: true, id: "save_trunk", summary: "Make or replace a trunk"},
		func(ctx context.Context, in *struct {
			Named
			Body Trunk
		},
		) (*body[Trunk], error) {
			t, err := as[routing.Trunk](in.Body)
			if err != nil {
				return nil, err
			}
			t.ID, t.Name = "", in.Name
			agents, err := a.Agents.Agents(ctx)
			if err != nil {
				return nil, err
			}
			if err := ownAccount([]routing.Trunk{t}, agents); err != nil {
				return nil, err
			}
			if err := a.Routes.SaveTrunk(ctx, t); err != nil {
				return nil, err
			}
			if err := a.Changed(ctx); err != nil {
				return nil, err
			}
			return a.trunk(ctx, in.Name)
		})
	route(a, op{method: "DELETE", path: "/v1/trunks/{name}", scope: "write", role: "admin", id: "delete_trunk", summary: "Delete a trunk"},
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
	t = t.WithDefaults()
	t.Password = ""
	return as[Trunk](t)
}
