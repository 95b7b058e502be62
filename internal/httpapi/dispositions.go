package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

// DispositionCode is one thing that can have come of a call.
type DispositionCode struct {
	Code     string               `json:"code" minLength:"1" maxLength:"64" pattern:"^[a-z0-9][a-z0-9_-]*$"`
	Label    string               `json:"label,omitempty" maxLength:"200" doc:"The code, if it is not given"`
	Category disposition.Category `json:"category,omitempty" enum:"positive,negative,neutral,uncategorized"`
}

// Disposition is what somebody says came of a call.
type Disposition struct {
	Code     string               `json:"code" doc:"One of the list, or one that the hub notes by itself: auto:…"`
	Label    string               `json:"label"`
	Category disposition.Category `json:"category"`
	Note     string               `json:"note"`
	By       *call.Actor          `json:"by" doc:"Who said so; via timeout: nobody did"`
	At       time.Time            `json:"at"`
}

func dispositionOf(s *disposition.Said) *Disposition {
	if s == nil {
		return nil
	}
	return &Disposition{Code: s.Code, Label: s.Label, Category: s.Category, Note: s.Note, By: someone(s.By), At: s.At}
}

func codeOf(c disposition.Code) (DispositionCode, error) { return DispositionCode(c), nil }

func (a *api) dispositions() {
	route(a, op{method: "GET", path: "/v1/dispositions", scope: "read", role: "rep", id: "list_dispositions", summary: "List the codes that reps choose from"},
		func(ctx context.Context, _ *struct{}) (*body[Page[DispositionCode]], error) {
			list, err := a.Dispositions.Codes(ctx)
			if err != nil {
				return nil, err
			}
			all, err := each(list, codeOf)
			return last(all), err
		})
	route(a, op{method: "PUT", path: "/v1/dispositions", scope: "write", role: "admin", id: "save_dispositions", summary: "Replace the codes that reps choose from; an empty list brings back those that ship with the hub"},
		func(ctx context.Context, in *struct {
			Body struct {
				Data []DispositionCode `json:"data" maxItems:"200"`
			}
		},
		) (*body[Page[DispositionCode]], error) {
			list := make(disposition.List, len(in.Body.Data))
			for i, c := range in.Body.Data {
				list[i] = disposition.Code(c)
			}
			if err := list.Validate(); err != nil {
				return nil, invalid(err)
			}
			if err := a.Dispositions.SaveCodes(ctx, list); err != nil {
				return nil, err
			}
			if err := a.Changed(ctx); err != nil {
				return nil, err
			}
			saved, err := a.Dispositions.Codes(ctx)
			if err != nil {
				return nil, err
			}
			all, err := each(saved, codeOf)
			return last(all), err
		})
	route(a, op{method: "POST", path: "/v1/calls/{id}/disposition", scope: "write", role: "rep", id: "dispose_call", status: http.StatusOK, summary: "Say what came of a call: while it goes on, in wrap-up, which ends by it, or later; the newest counts, the timeline has them all"},
		func(ctx context.Context, in *struct {
			Identified
			Body struct {
				Code  string `json:"code" minLength:"1" maxLength:"64"`
				Note  string `json:"note,omitempty" maxLength:"4000"`
				Agent string `json:"agent,omitempty" maxLength:"64" doc:"Who says so"`
			}
		},
		) (*body[Disposition], error) {
			agent, err := a.actingOf(ctx, call.ID(in.ID), in.Body.Agent)
			if err != nil {
				return nil, err
			}
			if agent != "" {
				if _, err := a.Agents.Agent(ctx, agent); err != nil {
					return nil, err
				}
			}
			now := a.Now()
			said, err := a.Dispositions.Say(ctx, call.ID(in.ID), disposition.Said{
				Code: in.Body.Code, Note: in.Body.Note, By: actor(ctx, agent), At: now,
			})
			if err != nil {
				return nil, err
			}
			return &body[Disposition]{*dispositionOf(&said)}, a.wroteUp(ctx, call.ID(in.ID), agent, now)
		})
}

// wroteUp ends the wrap-up of a rep who has said what came of their call: it was
// for that. Whoever says so without giving their name speaks for whom it concerns.
func (a *api) wroteUp(ctx context.Context, id call.ID, agent string, now time.Time) error {
	all, err := a.Agents.Agents(ctx)
	if err != nil {
		return err
	}
	for _, g := range all {
		if g.State != queues.WrapUp || g.Call != id || agent != "" && g.Name != agent {
			continue
		}
		if err := a.Agents.EndWrapUp(ctx, g.Name, g.Since, now); err != nil {
			return err
		}
	}
	return nil
}
