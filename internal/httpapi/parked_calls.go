package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/parking"
)

// ParkedCall is one stay of a call in a slot.
type ParkedCall struct {
	ID       string      `json:"id"`
	Call     call.ID     `json:"call_id"`
	Node     call.NodeID `json:"node"`
	Lot      string      `json:"lot"`
	Slot     int         `json:"slot"`
	Parker   string      `json:"parker" doc:"The agent; empty if a flow parked it"`
	Via      string      `json:"via"`
	From     call.Number `json:"from"`
	Name     string      `json:"name"`
	Note     string      `json:"note"`
	Owner    string      `json:"owner" doc:"Of the CRM record"`
	Takers   []string    `json:"takers,omitempty" doc:"The agents who may take it unasked; nobody: everybody"`
	State    string      `json:"state" enum:"parked,claimed,ended"`
	ParkedAt time.Time   `json:"parked_at"`
	Age      int64       `json:"age_ms" doc:"Until now, or until it ended"`
	Deadline time.Time   `json:"deadline" doc:"The hard maximum"`
	Ladder   []Step      `json:"ladder"`
	Next     int         `json:"next_step" doc:"Index in ladder; its length when the last has begun"`
	NextAt   time.Time   `json:"next_at"`

	ClaimedBy  *call.Actor `json:"claimed_by,omitempty" doc:"Who is about to take it"`
	ClaimedAt  *time.Time  `json:"claimed_at,omitempty"`
	ClaimUntil *time.Time  `json:"claim_until,omitempty"`
	Reason     string      `json:"reason,omitempty" doc:"How it ended"`
	EndedBy    *call.Actor `json:"ended_by,omitempty"`
	EndedAt    *time.Time  `json:"ended_at,omitempty"`
}

// Identified is the id in a path.
type Identified struct {
	ID string `path:"id" maxLength:"64"`
}

func (a *api) parkedCalls() {
	route(a, op{method: "GET", path: "/v1/parked_calls", scope: "read", role: "rep", id: "list_parked_calls", summary: "List what is parked now, the oldest first"},
		func(ctx context.Context, in *struct {
			Paging
			Lot string `query:"lot" maxLength:"64"`
		},
		) (*body[Page[ParkedCall]], error) {
			after, err := in.mark()
			if err != nil {
				return nil, err
			}
			list, err := a.Lots.Live(ctx, parking.Filter{Lot: in.Lot, After: after, Limit: in.Limit + 1})
			if err != nil {
				return nil, err
			}
			next := ""
			if len(list) > in.Limit {
				list = list[:in.Limit]
				m := list[in.Limit-1].Mark()
				next = cursorOf(ascending(m.ParkedAt.UnixMicro()) + m.Park)
			}
			return part(turned(list, a.parkOf), next), nil
		})
	route(a, op{method: "GET", path: "/v1/parked_calls/{id}", scope: "read", role: "rep", id: "read_parked_call", summary: "Read a park, also one that has ended"},
		func(ctx context.Context, in *Identified) (*body[ParkedCall], error) {
			p, err := a.park(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return &body[ParkedCall]{a.parkOf(p)}, nil
		})
	route(a, op{method: "POST", path: "/v1/parked_calls", scope: "write", role: "rep", id: "park_call", status: http.StatusCreated, summary: "Park a call that is being talked to"},
		func(ctx context.Context, in *struct {
			Body struct {
				Call  call.ID `json:"call_id" maxLength:"64"`
				Lot   string  `json:"lot" maxLength:"64"`
				Slot  int     `json:"slot,omitempty" minimum:"0" doc:"0: the next free one"`
				Agent string  `json:"agent,omitempty" maxLength:"64" doc:"For whom it is parked"`
			}
		},
		) (*created[ParkedCall], error) {
			agent, err := a.actingIn(ctx, in.Body.Call, in.Body.Agent)
			if err != nil {
				return nil, err
			}
			p, err := a.Live.Park(ctx, in.Body.Call, in.Body.Lot, in.Body.Slot, actor(ctx, agent))
			if err != nil {
				return nil, a.absent(ctx, in.Body.Call, err)
			}
			return &created[ParkedCall]{Location: "/v1/parked_calls/" + p.ID, Body: a.parkOf(p)}, nil
		})
	route(a, op{method: "POST", path: "/v1/parked_calls/{id}/retrieve", scope: "write", role: "rep", id: "retrieve_parked_call", summary: "Ring an agent with a parked call; one of many wins"},
		func(ctx context.Context, in *struct {
			Identified
			Body struct {
				Agent string `json:"agent,omitempty" maxLength:"64" doc:"Whose phones ring; a person who signed in need not say that it is theirs"`
			}
		},
		) (*body[ParkedCall], error) {
			agent, err := acting(ctx, in.Body.Agent)
			if err != nil {
				return nil, err
			}
			if agent == "" {
				return nil, wrong("body.agent", "say whose phones are to ring")
			}
			if _, err := a.parkedHere(ctx, in.ID); err != nil {
				return nil, err
			}
			p, err := a.Live.Retrieve(ctx, parking.Target{Park: in.ID}, agent)
			if err != nil {
				return nil, a.quicker(ctx, in.ID, err)
			}
			return &body[ParkedCall]{a.parkOf(p)}, nil
		})
	a.parkedElsewhere()
}

// park reads a park; an unknown one is not found, rather than lost to somebody.
func (a *api) park(ctx context.Context, id string) (parking.Park, error) {
	p, err := a.Lots.Park(ctx, id)
	if _, ok := errors.AsType[*parking.NotParkedError](err); ok {
		return p, notFound("parked_call", id)
	}
	return p, err
}

// absent says why a call is not live here: it is on another node, has ended, or
// never was.
func (a *api) absent(ctx context.Context, id call.ID, err error) error {
	if !errors.Is(err, callctl.ErrNoCall) {
		return err
	}
	row, lerr := a.Calls.Call(ctx, id)
	switch {
	case lerr != nil:
		return lerr
	case row.EndedAt != nil:
		return &Problem{Status: http.StatusConflict, Code: "call_ended", Detail: "the call has ended", At: row.EndedAt}
	case row.Node != a.Node:
		return elsewhere(row.Node)
	}
	return err
}

func elsewhere(node call.NodeID) *Problem {
	return &Problem{Status: http.StatusConflict, Code: "call_on_other_node", Detail: "the call is live on node " + string(node) + "; ask there"}
}

// mark is where the page before ended: a time, then an id.
func (p Paging) mark() (parking.Mark, error) {
	after, err := p.after()
	if err != nil || after == "" {
		return parking.Mark{}, err
	}
	if len(after) > len(ascending(0)) {
		if us, err := strconv.ParseInt(after[:len(ascending(0))], 10, 64); err == nil {
			return parking.Mark{ParkedAt: time.UnixMicro(us).UTC(), Park: after[len(ascending(0)):]}, nil
		}
	}
	return parking.Mark{}, wrong("query.cursor", "not a cursor of this list")
}

func (a *api) parkOf(p parking.Park) ParkedCall {
	until := p.EndedAt
	if until.IsZero() {
		until = a.Now()
	}
	return ParkedCall{
		ID: p.ID, Call: p.Call, Node: p.Node, Lot: p.Lot, Slot: p.Slot, Parker: p.Parker, Via: p.Via,
		From: p.From, Name: p.Name, Note: p.Note, Owner: p.Owner, Takers: p.Takers, State: string(p.State),
		ParkedAt: p.ParkedAt, Age: max(0, until.Sub(p.ParkedAt)).Milliseconds(), Deadline: p.Deadline,
		Ladder: turned(p.Ladder, stepOf), Next: p.Next, NextAt: p.NextAt,
		ClaimedBy: someone(p.ClaimedBy), ClaimedAt: moment(p.ClaimedAt), ClaimUntil: moment(p.ClaimUntil),
		Reason: string(p.Reason), EndedBy: someone(p.EndedBy), EndedAt: moment(p.EndedAt),
	}
}

// moment is a time that may not have come.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func someone(a call.Actor) *call.Actor {
	if a == (call.Actor{}) {
		return nil
	}
	return &a
}
