package httpapi

import (
	"context"
	"errors"

	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/parking"
)

// parkedElsewhere is what can be changed of a call while it is parked: what is
// noted of it, and where it waits.
func (a *api) parkedElsewhere() {
	route(a, op{method: "PATCH", path: "/v1/parked_calls/{id}", scope: "write", role: "rep", id: "annotate_parked_call", summary: "Change the note that reps see when they are offered a parked call"},
		func(ctx context.Context, in *struct {
			Identified
			Body struct {
				Note  string `json:"note" maxLength:"200" doc:"Empty: none"`
				Agent string `json:"agent,omitempty" maxLength:"64" doc:"Who says so; a person who signed in need not say it"`
			}
		},
		) (*body[ParkedCall], error) {
			agent, err := acting(ctx, in.Body.Agent)
			if err != nil {
				return nil, err
			}
			if _, err := a.park(ctx, in.ID); err != nil {
				return nil, err
			}
			p, err := a.Live.Annotate(ctx, in.ID, in.Body.Note, actor(ctx, agent))
			if err != nil {
				return nil, a.quicker(ctx, in.ID, err)
			}
			return &body[ParkedCall]{a.parkOf(p)}, nil
		})
	route(a, op{method: "POST", path: "/v1/parked_calls/{id}/move", scope: "write", role: "manager", id: "move_parked_call", summary: "Have a parked call wait in another slot; its clock and its ladder go on in a park of its own"},
		func(ctx context.Context, in *struct {
			Identified
			Body struct {
				Lot   string `json:"lot,omitempty" maxLength:"64" doc:"Left out: the lot that it is in"`
				Slot  int    `json:"slot,omitempty" minimum:"0" doc:"0: the next free one"`
				Agent string `json:"agent,omitempty" maxLength:"64" doc:"Who says so; a person who signed in need not say it"`
			}
		},
		) (*body[ParkedCall], error) {
			agent, err := acting(ctx, in.Body.Agent)
			if err != nil {
				return nil, err
			}
			p, err := a.parkedHere(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			p, err = a.Live.Move(ctx, p.Call, parking.Move{Park: in.ID, Lot: in.Body.Lot, Slot: in.Body.Slot, By: actor(ctx, agent)})
			if errors.Is(err, callctl.ErrNoCall) {
				err = &parking.NotParkedError{What: "park " + in.ID}
			}
			if err != nil {
				return nil, a.quicker(ctx, in.ID, err)
			}
			return &body[ParkedCall]{a.parkOf(p)}, nil
		})
}

// parkedHere refuses what only the node of a call can do when that is another
// one. Of a park that has ended whoever is asked says how.
func (a *api) parkedHere(ctx context.Context, id string) (parking.Park, error) {
	p, err := a.park(ctx, id)
	if err == nil && p.State != parking.StateEnded && p.Node != a.Node {
		return p, elsewhere(p.Node)
	}
	return p, err
}

// quicker fills in who has a park, or had it, when a call said only that it is not
// to be had: somebody takes it, or the caller left, this moment.
func (a *api) quicker(ctx context.Context, id string, err error) error {
	lost, ok := errors.AsType[*parking.NotParkedError](err)
	if !ok || lost.Taken != nil {
		return err
	}
	if now, rerr := a.Lots.Park(ctx, id); rerr == nil && now.State != parking.StateParked {
		lost.Taken = &now
	}
	return err
}
