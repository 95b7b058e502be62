package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

// Entry is a call's place in a queue.
type Entry struct {
	Position int         `json:"position" doc:"1 is the first"`
	Call     call.ID     `json:"call_id" doc:"Names the entry within its queue"`
	Queue    string      `json:"queue"`
	Park     string      `json:"park_id,omitempty" doc:"It waits in a slot at the same time"`
	From     call.Number `json:"from"`
	Name     string      `json:"name"`
	Owner    string      `json:"owner"`
	Priority int         `json:"priority"`
	First    bool        `json:"first" doc:"Somebody put it before all others"`
	JoinedAt time.Time   `json:"joined_at"`
	Waited   int64       `json:"waited_ms"`
	Tried    []string    `json:"tried" doc:"Agents who were offered it and did not take it"`
}

// InLine is a call that waits in a queue.
type InLine struct {
	Named
	ID string `path:"id" maxLength:"64" doc:"Of the call"`
}

func (a *api) entries() {
	route(a, op{method: "GET", path: "/v1/queues/{name}/entries", scope: "read", role: "rep", id: "list_entries", summary: "List who waits in a queue, the first in line first"},
		func(ctx context.Context, in *struct {
			Named
			Paging
		},
		) (*body[Page[Entry]], error) {
			all, err := a.line(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			return page(all, func(e Entry) string { return ascending(int64(e.Position)) }, in.Paging)
		})
	route(a, op{method: "PATCH", path: "/v1/queues/{name}/entries/{id}", scope: "write", role: "manager", id: "change_entry", summary: "Change a waiting call's priority, or put it before all others"},
		func(ctx context.Context, in *struct {
			InLine
			Body struct {
				Priority *int   `json:"priority,omitempty" minimum:"-1000000" maximum:"1000000" doc:"Higher first"`
				First    *bool  `json:"first,omitempty" doc:"Before all others, whatever their priority and however long they have waited"`
				Agent    string `json:"agent,omitempty" maxLength:"64" doc:"Who says so; a person who signed in need not say it"`
			}
		},
		) (*body[Entry], error) {
			agent, err := acting(ctx, in.Body.Agent)
			if err != nil {
				return nil, err
			}
			if in.Body.Priority == nil && in.Body.First == nil {
				return nil, wrong("body", "say what is to be changed: priority or first")
			}
			change := queues.Amendment{Priority: in.Body.Priority, First: in.Body.First}
			if _, err := a.Agents.Amend(ctx, call.ID(in.ID), in.Name, change, actor(ctx, agent), a.Now()); err != nil {
				return nil, a.notInLine(ctx, in.InLine, err)
			}
			return a.entry(ctx, in.Name, in.ID)
		})
	route(a, op{method: "POST", path: "/v1/queues/{name}/entries/{id}/move", scope: "write", role: "manager", id: "move_entry", summary: "Have a waiting call wait in another queue, with the same clock"},
		func(ctx context.Context, in *struct {
			InLine
			Body struct {
				Queue string `json:"queue" minLength:"1" maxLength:"64"`
				Agent string `json:"agent,omitempty" maxLength:"64" doc:"Who says so; a person who signed in need not say it"`
			}
		},
		) (*body[Entry], error) {
			agent, err := acting(ctx, in.Body.Agent)
			if err != nil {
				return nil, err
			}
			if in.Body.Queue == in.Name {
				return nil, wrong("body.queue", "the call waits there already")
			}
			if _, err := a.Live.Switch(ctx, call.ID(in.ID), in.Name, in.Body.Queue, actor(ctx, agent)); err != nil {
				return nil, a.notInLine(ctx, in.InLine, err)
			}
			return a.entry(ctx, in.Body.Queue, in.ID)
		})
	route(a, op{method: "DELETE", path: "/v1/queues/{name}/entries/{id}", scope: "write", role: "manager", id: "withdraw_entry", summary: "Take a call out of a queue: its flow goes on as after the longest wait; one in a slot stays there"},
		func(ctx context.Context, in *struct {
			InLine
			Agent string `query:"agent" maxLength:"64" doc:"Who says so; a person who signed in need not say it"`
		},
		) (*nothing, error) {
			agent, err := acting(ctx, in.Agent)
			if err == nil {
				err = a.Live.Withdraw(ctx, call.ID(in.ID), in.Name, actor(ctx, agent))
			}
			if err != nil {
				return nil, a.notInLine(ctx, in.InLine, err)
			}
			return nil, nil
		})
}

// line is who waits in a queue, in the order in which they are served now.
func (a *api) line(ctx context.Context, queue string) ([]Entry, error) {
	if _, err := a.Agents.Queue(ctx, queue); err != nil {
		return nil, err
	}
	list, err := a.Agents.Waiting(ctx, queue)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	all := make([]Entry, 0, len(list))
	for i, e := range queues.Line(list, now) {
		all = append(all, Entry{
			Position: i + 1, Call: e.Call, Queue: e.Queue, Park: e.Park, From: e.From, Name: e.Name, Owner: e.Owner,
			Priority: e.Priority, First: !e.FirstAt.IsZero(), JoinedAt: e.JoinedAt, Waited: max(0, now.Sub(e.JoinedAt)).Milliseconds(), Tried: some(e.Tried),
		})
	}
	return all, nil
}

// entry is one of them, after something was done with it. Answered this moment,
// it is not in line any more.
func (a *api) entry(ctx context.Context, queue, id string) (*body[Entry], error) {
	all, err := a.line(ctx, queue)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(e Entry) bool { return e.Call == call.ID(id) }); i >= 0 {
		return &body[Entry]{all[i]}, nil
	}
	return nil, a.notInLine(ctx, InLine{Named{queue}, id}, &queues.NotWaitingError{Call: call.ID(id), Queue: queue})
}

// notInLine says why a call is not in a queue, or not to be reached from here: it
// was answered by somebody, has left otherwise, is on another node, or never waited.
func (a *api) notInLine(ctx context.Context, in InLine, err error) error {
	if _, gone := errors.AsType[*queues.NotWaitingError](err); !gone {
		return a.absent(ctx, call.ID(in.ID), err)
	}
	if _, err := a.Agents.Queue(ctx, in.Name); err != nil {
		return err
	}
	facts, terr := a.Calls.Timeline(ctx, call.ID(in.ID))
	if terr != nil {
		return terr
	}
	for _, f := range slices.Backward(facts) {
		if f.Type == call.QueueLeft && f.Queue == in.Name {
			how, _ := f.Data["outcome"].(string)
			return &Problem{
				Status: http.StatusConflict, Code: "call_not_waiting", Detail: "the call does not wait in queue " + in.Name + " any more: " + how,
				By: f.Actor.User, At: moment(f.At), Reason: how,
			}
		}
	}
	return err
}
