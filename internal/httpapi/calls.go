package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callpg"
)

// Call is a call in the list of calls.
type Call struct {
	ID          call.ID     `json:"id"`
	Node        call.NodeID `json:"node"`
	Trunk       string      `json:"trunk"`
	Agent       string      `json:"agent" doc:"Who placed it; empty if it came through a trunk"`
	From        call.Number `json:"from"`
	Name        string      `json:"name"`
	To          call.Number `json:"to"`
	Flow        string      `json:"flow"`
	Version     int         `json:"version" doc:"Of the flow"`
	StartedAt   time.Time   `json:"started_at"`
	AnsweredAt  *time.Time  `json:"answered_at" doc:"By the system or a person"`
	ConnectedAt *time.Time  `json:"connected_at" doc:"First conversation with a person"`
	EndedAt     *time.Time  `json:"ended_at" doc:"null: live"`
	AnsweredBy  string      `json:"answered_by"`
	Outcome     string      `json:"outcome"`
	Cause       call.Cause  `json:"cause"`
	Talked      int64       `json:"talked_ms"`
	Legs        []Leg       `json:"legs" doc:"How the audio was; once the call has ended"`

	Disposition *Disposition `json:"disposition,omitempty" doc:"What came of it, the newest word; left out: nobody has said"`
}

// Leg is one party's audio in an ended call.
type Leg struct {
	ID          call.LegID `json:"id"`
	Agent       string     `json:"agent" doc:"Empty for the caller, and for a number outside"`
	Device      string     `json:"device"`
	Codec       string     `json:"codec"`
	Sent        uint64     `json:"sent" doc:"Packets to it"`
	Received    uint64     `json:"received" doc:"Packets from it"`
	Lost        uint64     `json:"lost" doc:"Packets of it that did not arrive"`
	LossPercent float64    `json:"loss_percent"`
	JitterMS    float64    `json:"jitter_ms" doc:"RFC 3550, the mean"`
	RTTMS       float64    `json:"rtt_ms" doc:"0: it does not report (RTCP)"`
	MOS         float64    `json:"mos" doc:"E-model, of what came from it: 1 to 4.5, the mean; 0 if nothing did"`
	WorstMOS    float64    `json:"worst_mos" doc:"Of any five seconds"`
	FarLoss     float64    `json:"far_loss_percent" doc:"Of what it was sent, by its own last report"`
	FarJitterMS float64    `json:"far_jitter_ms"`
	Transcoded  uint64     `json:"transcoded" doc:"Packets sent in another codec than they were said in"`
}

// Event is a fact about a call: a line of the ledger.
type Event struct {
	ID      int64          `json:"id"`
	Seq     int            `json:"seq" doc:"1, 2, 3 … within the call"`
	At      time.Time      `json:"at"`
	Call    call.ID        `json:"call"`
	Type    call.EventType `json:"type"`
	Leg     call.LegID     `json:"leg,omitempty"`
	Park    string         `json:"park,omitempty"`
	Lot     string         `json:"lot,omitempty"`
	Slot    string         `json:"slot,omitempty"`
	Queue   string         `json:"queue,omitempty"`
	Actor   *call.Actor    `json:"actor,omitempty"`
	Age     int64          `json:"age_ms,omitempty" doc:"Since the call was parked or queued"`
	Flow    string         `json:"flow,omitempty"`
	Version int            `json:"version,omitempty"`
	Node    string         `json:"node,omitempty" doc:"Of the flow"`
	Cause   call.Cause     `json:"cause,omitempty"`
	Data    map[string]any `json:"data,omitempty"`
}

func (a *api) calls() {
	route(a, op{method: "GET", path: "/v1/calls", scope: "read", role: "manager", id: "list_calls", summary: "List calls, the latest first"},
		func(ctx context.Context, in *struct {
			Paging
			From    time.Time `query:"from" doc:"Begun at or after"`
			To      time.Time `query:"to" doc:"Begun before"`
			Agent   string    `query:"agent" maxLength:"64" doc:"Placed by, or first answered by"`
			Number  string    `query:"number" maxLength:"40" doc:"Of the caller, or the one that was dialled"`
			Flow    string    `query:"flow" maxLength:"64"`
			Outcome string    `query:"outcome" maxLength:"40"`
			Live    bool      `query:"live" doc:"Only those that have not ended"`
		},
		) (*body[Page[Call]], error) {
			number := in.Number
			if number != "" {
				number = a.dialled(number)
			}
			list, next, err := a.Calls.Calls(ctx, callpg.Filter{
				From: in.From, To: in.To, Agent: in.Agent, Number: number, Flow: in.Flow, Outcome: in.Outcome, Live: in.Live, Limit: in.Limit, Cursor: in.Cursor,
			})
			if err != nil {
				return nil, err
			}
			all, _ := each(list, func(r callpg.Row) (Call, error) { return callOf(r), nil })
			return part(all, next), nil
		})
	route(a, op{method: "GET", path: "/v1/calls/{id}", scope: "read", role: "manager", id: "read_call", summary: "Read a call"},
		func(ctx context.Context, in *Identified) (*body[Call], error) {
			r, err := a.Calls.Call(ctx, call.ID(in.ID))
			return &body[Call]{callOf(r)}, err
		})
	route(a, op{method: "GET", path: "/v1/calls/{id}/timeline", scope: "read", role: "manager", id: "read_timeline", summary: "All that is known of a call, in order"},
		func(ctx context.Context, in *Identified) (*body[Page[Event]], error) {
			if _, err := a.Calls.Call(ctx, call.ID(in.ID)); err != nil {
				return nil, err
			}
			list, err := a.Calls.Timeline(ctx, call.ID(in.ID))
			if err != nil {
				return nil, err
			}
			all, _ := each(list, func(e call.Event) (Event, error) { return eventOf(e), nil })
			return last(all), nil
		})
	route(a, op{method: "POST", path: "/v1/calls/{id}/transfer", scope: "write", role: "rep", id: "transfer_call", status: http.StatusAccepted, summary: "Send a caller who is being talked to somewhere else; they talk on until somebody answers there, and the timeline tells who"},
		a.transfer)
	route(a, op{method: "POST", path: "/v1/calls/{id}/hang_up", scope: "write", role: "manager", id: "hang_up", status: http.StatusAccepted, summary: "End a call"},
		func(ctx context.Context, in *Identified) (*nothing, error) {
			if err := a.Live.Hangup(call.ID(in.ID)); err != nil {
				return nil, a.absent(ctx, call.ID(in.ID), err)
			}
			return nil, nil
		})
}

// transferring is a call and where it is to go.
type transferring struct {
	Identified
	Body struct {
		To    string `json:"to" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9+*#._-]+$" doc:"A colleague's name or extension, a lot, a slot, or a number"`
		Agent string `json:"agent,omitempty" maxLength:"64" doc:"On whose behalf; left out: who talks to the caller"`
	}
}

func (a *api) transfer(ctx context.Context, in *transferring) (*nothing, error) {
	id := call.ID(in.ID)
	agent, err := a.actingIn(ctx, id, in.Body.Agent)
	if err != nil {
		return nil, err
	}
	if err := a.Live.Transfer(ctx, id, in.Body.To, actor(ctx, agent)); err != nil {
		return nil, a.absent(ctx, id, err)
	}
	return nil, nil
}

func callOf(r callpg.Row) Call {
	legs := make([]Leg, len(r.Legs))
	for i, l := range r.Legs {
		legs[i] = Leg(l)
	}
	return Call{
		ID: r.ID, Node: r.Node, Trunk: r.Trunk, Agent: r.Agent, From: r.FromNumber, Name: r.FromName, To: r.ToNumber,
		Flow: r.Flow, Version: r.FlowVersion, StartedAt: r.StartedAt, AnsweredAt: r.AnsweredAt, ConnectedAt: r.ConnectedAt,
		EndedAt: r.EndedAt, AnsweredBy: r.AnsweredBy, Outcome: r.Outcome, Cause: r.Cause, Talked: r.Talked.Milliseconds(),
		Legs: legs, Disposition: dispositionOf(r.Disposition),
	}
}

func eventOf(e call.Event) Event {
	return Event{
		ID: e.ID, Seq: e.Seq, At: e.At, Call: e.Call, Type: e.Type, Leg: e.Leg, Park: e.Park, Lot: e.Lot, Slot: e.Slot,
		Queue: e.Queue, Actor: someone(e.Actor), Age: e.Age.Milliseconds(), Flow: e.Flow, Version: e.Version,
		Node: e.Node, Cause: e.Cause, Data: e.Data,
	}
}
