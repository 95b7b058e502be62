package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/callyard/callyard/callback"
	"github.com/callyard/callyard/internal/call"
)

// Callback is a caller who is owed a call, or was.
type Callback struct {
	ID       string         `json:"id"`
	Call     call.ID        `json:"call_id" doc:"The call in which it was asked for"`
	Number   call.Number    `json:"number"`
	Name     string         `json:"name"`
	To       call.Number    `json:"to" doc:"The number of ours that they called"`
	Queue    string         `json:"queue" doc:"Whose agents call back; empty: the owner does"`
	Owner    string         `json:"owner" doc:"The agent who is asked first"`
	Priority int            `json:"priority"`
	JoinedAt *time.Time     `json:"joined_at" doc:"The place in line that is kept; null: a new one"`
	First    string         `json:"dial_first" enum:"rep,caller"`
	Tries    int            `json:"tries"`
	Tried    int            `json:"tried" doc:"Attempts that count: somebody was rung, and the two did not talk"`
	RetryS   float64        `json:"retry_s"`
	State    callback.State `json:"state" enum:"waiting,calling,done,failed,cancelled"`
	Result   string         `json:"result" doc:"Of the last attempt"`
	Last     call.ID        `json:"last_call_id" doc:"The call of the last attempt"`
	MadeAt   time.Time      `json:"made_at"`
	Due      time.Time      `json:"due_at"`
	Until    time.Time      `json:"expires_at"`
	EndedAt  *time.Time     `json:"ended_at"`
}

func callbackOf(c callback.Callback) (Callback, error) {
	return Callback{
		ID: c.ID, Call: c.Call, Number: c.Number, Name: c.Name, To: c.To, Queue: c.Queue, Owner: c.Owner, Priority: c.Priority,
		JoinedAt: moment(c.JoinedAt), First: c.First, Tries: c.Tries, Tried: c.Tried, RetryS: c.Retry.Seconds(), State: c.State,
		Result: c.Result, Last: c.Last, MadeAt: c.MadeAt, Due: c.Due, Until: c.Until, EndedAt: moment(c.EndedAt),
	}, nil
}

func (a *api) callbacks() {
	route(a, op{method: "GET", path: "/v1/callbacks", scope: "read", role: "manager", id: "list_callbacks", summary: "List who is owed a call, and who was, the latest first"},
		func(ctx context.Context, in *struct {
			Paging
			State  callback.State `query:"state" enum:"waiting,calling,done,failed,cancelled"`
			Open   bool           `query:"open" doc:"Only those that are still owed"`
			Number call.Number    `query:"number" maxLength:"40"`
		},
		) (*body[Page[Callback]], error) {
			before, err := in.after()
			if err != nil {
				return nil, err
			}
			list, err := a.Callbacks.Callbacks(ctx, callback.Filter{State: in.State, Open: in.Open, Number: in.Number, Before: before, Limit: in.Limit + 1})
			if err != nil {
				return nil, err
			}
			all, err := each(list, callbackOf)
			if err != nil || len(all) <= in.Limit {
				return last(all), err
			}
			return part(all[:in.Limit], cursorOf(all[in.Limit-1].ID)), nil
		})
	route(a, op{method: "GET", path: "/v1/callbacks/{id}", scope: "read", role: "manager", id: "read_callback", summary: "Read a callback"},
		func(ctx context.Context, in *Identified) (*body[Callback], error) {
			c, err := a.Callbacks.Callback(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			b, err := callbackOf(c)
			return &body[Callback]{b}, err
		})
	route(a, op{method: "POST", path: "/v1/callbacks/{id}/cancel", scope: "write", role: "manager", id: "cancel_callback", status: http.StatusOK, summary: "Owe somebody no call any more"},
		func(ctx context.Context, in *struct {
			Identified
			Body *struct {
				Reason string `json:"reason,omitempty" maxLength:"200" doc:"cancelled, if it is not given"`
				Agent  string `json:"agent,omitempty" maxLength:"64" doc:"Who says so"`
			}
		},
		) (*body[Callback], error) {
			why, agent := "cancelled", ""
			if in.Body != nil {
				why, agent = cmp.Or(in.Body.Reason, why), in.Body.Agent
			}
			c, err := a.Callbacks.Cancel(ctx, in.ID, why, actor(ctx, agent), a.Now())
			if err != nil {
				return nil, err
			}
			b, err := callbackOf(c)
			return &body[Callback]{b}, err
		})
}
