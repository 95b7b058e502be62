package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/callyard/callyard/callback"
	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/keypg"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/promptpg"
	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/internal/userpg"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/webhooks"
)

// problem is the one table of what errors are answered with. What is not in it
// is our fault: 500, with the reason in the log only.
func (a *api) problem(ctx context.Context, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if p := parkingProblem(err); p != nil {
		return p
	}
	conflict := func(code string) *Problem {
		return &Problem{Status: http.StatusConflict, Code: code, Detail: err.Error()}
	}
	if e, ok := errors.AsType[*queues.UnknownError](err); ok {
		return notFound(e.Kind, e.Name)
	}
	if p := queueProblem(err); p != nil {
		return p
	}
	if e, ok := errors.AsType[*webhooks.UnknownError](err); ok {
		return notFound(strings.ReplaceAll(e.What, " ", "_"), e.ID)
	}
	if e, ok := errors.AsType[*crm.UnknownContactError](err); ok {
		return notFound("contact", e.ID)
	}
	if e, ok := errors.AsType[*crm.UnknownDeliveryError](err); ok {
		return &Problem{Status: http.StatusNotFound, Code: "crm_delivery_not_found", Detail: e.Error()}
	}
	if e, ok := errors.AsType[*callback.UnknownError](err); ok {
		return notFound("callback", e.ID)
	}
	if errors.Is(err, callback.ErrOver) {
		return &Problem{Status: http.StatusConflict, Code: "callback_over", Detail: callback.ErrOver.Error()}
	}
	if e, ok := errors.AsType[*disposition.UnknownCodeError](err); ok {
		p := wrong("body.code", "%s", e)
		p.Code = "disposition_unknown"
		return p
	}
	if e, ok := errors.AsType[*routing.LinkError](err); ok {
		return faulty(e.Findings)
	}
	if e, ok := errors.AsType[*routing.ParseError](err); ok {
		return faulty(e.Findings)
	}
	if e, ok := errors.AsType[*setup.FlowsError](err); ok {
		return faulty(e.Findings)
	}
	if e, ok := errors.AsType[*setup.DocumentError](err); ok {
		return invalid(e)
	}
	if p := voicemailProblem(err); p != nil {
		return p
	}
	if p := calendarProblem(err); p != nil {
		return p
	}
	if p := flowProblem(err); p != nil {
		return p
	}
	if p := peopleProblem(err); p != nil {
		return p
	}
	if notText(err) {
		p := &Problem{Status: http.StatusUnprocessableEntity, Code: "not_text", Detail: "The request holds text that is not UTF-8, or a NUL character."}
		return p.in(requestOf(ctx).spoiltPart(), "not UTF-8, or a NUL character")
	}
	switch {
	case errors.Is(err, promptpg.ErrUnknown):
		return &Problem{Status: http.StatusNotFound, Code: "prompt_not_found", Detail: "there is no such prompt among those that were uploaded"}
	case errors.Is(err, callctl.ErrUnreachable):
		return conflict("agent_unreachable")
	case errors.Is(err, callctl.ErrNowhere):
		return wrong("body.to", "%s", callctl.ErrNowhere)
	case errors.Is(err, callctl.ErrTransferring):
		return conflict("too_many_transfers")
	case errors.Is(err, callctl.ErrNotTalking):
		return conflict("call_not_talking")
	case errors.Is(err, callctl.ErrNoCall):
		return &Problem{Status: http.StatusNotFound, Code: "call_not_live", Detail: callctl.ErrNoCall.Error()}
	case errors.Is(err, callpg.ErrNoCall), errors.Is(err, disposition.ErrNoCall):
		return &Problem{Status: http.StatusNotFound, Code: "call_not_found", Detail: callpg.ErrNoCall.Error()}
	case errors.Is(err, callpg.ErrCursor):
		return wrong("query.cursor", "not a cursor of this list")
	case errors.Is(err, pg.ErrNoJob):
		return &Problem{Status: http.StatusNotFound, Code: "job_not_found", Detail: "no discarded job has this id"}
	case errors.Is(err, keypg.ErrUnknown):
		return &Problem{Status: http.StatusNotFound, Code: "key_not_found", Detail: keypg.ErrUnknown.Error()}
	case errors.Is(err, context.DeadlineExceeded):
		return &Problem{Status: http.StatusServiceUnavailable, Code: "timeout", Detail: "it took too long; try again", cause: err, headers: retryAfter("1")}
	}
	return &Problem{Status: http.StatusInternalServerError, Code: "internal", cause: err}
}

// queueProblem is the part of the table that is about queues.
func queueProblem(err error) *Problem {
	if e, ok := errors.AsType[*queues.InUseError](err); ok {
		return &Problem{Status: http.StatusConflict, Code: "queue_in_use", Detail: e.Error()}
	}
	if e, ok := errors.AsType[*queues.RefusedError](err); ok {
		why := map[string]string{"full": "as many calls as may wait there do", "no_agents": "nobody who serves it has a phone registered", "all_away": "all who serve it are away"}[e.Why]
		return &Problem{Status: http.StatusConflict, Code: "queue_refuses", Reason: e.Why, Detail: "queue " + e.Queue + " takes no call: " + why}
	}
	if e, ok := errors.AsType[*queues.NotWaitingError](err); ok {
		return notFound("entry", string(e.Call))
	}
	if errors.Is(err, callctl.ErrCalledBack) {
		return &Problem{Status: http.StatusConflict, Code: "entry_is_callback", Detail: callctl.ErrCalledBack.Error()}
	}
	return nil
}

// peopleProblem is the part of the table that is about people.
func peopleProblem(err error) *Problem {
	if e, ok := errors.AsType[*userpg.TakenError](err); ok {
		return &Problem{Status: http.StatusConflict, Code: "user_" + e.Field + "_taken", Detail: e.Error()}
	}
	if e, ok := errors.AsType[*userpg.InvalidError](err); ok {
		return wrong("body."+e.Field, "%s", e.Why)
	}
	if e, ok := errors.AsType[*userpg.WeakPasswordError](err); ok {
		return wrong("body.password", "%s", e.Why)
	}
	switch {
	case errors.Is(err, userpg.ErrUnknown):
		return &Problem{Status: http.StatusNotFound, Code: "user_not_found", Detail: userpg.ErrUnknown.Error()}
	case errors.Is(err, userpg.ErrLastAdmin):
		return &Problem{Status: http.StatusConflict, Code: "last_admin", Detail: userpg.ErrLastAdmin.Error()}
	case errors.Is(err, userpg.ErrLogin):
		return &Problem{Status: http.StatusUnauthorized, Code: "login_failed", Detail: userpg.ErrLogin.Error()}
	case errors.Is(err, userpg.ErrPassword):
		return &Problem{Status: http.StatusForbidden, Code: "password_wrong", Detail: userpg.ErrPassword.Error()}
	case errors.Is(err, userpg.ErrSession):
		return &Problem{Status: http.StatusNotFound, Code: "session_not_found", Detail: userpg.ErrSession.Error()}
	}
	return nil
}

// parkingProblem is the part of the table that is about parking.
func parkingProblem(err error) *Problem {
	conflict := func(code string) *Problem {
		return &Problem{Status: http.StatusConflict, Code: code, Detail: err.Error()}
	}
	if e, ok := errors.AsType[*parking.NotParkedError](err); ok {
		p := conflict("call_not_parked")
		p.Detail = e.Error()
		if e.Taken != nil {
			p.taken(*e.Taken)
		}
		return p
	}
	if e, ok := errors.AsType[*parking.DeniedError](err); ok {
		return &Problem{Status: http.StatusForbidden, Code: "call_for_others", Detail: e.Error()}
	}
	if e, ok := errors.AsType[*parking.FullError](err); ok {
		p := conflict("lot_full")
		p.Detail, p.Lot = e.Error(), e.Lot
		return p
	}
	if e, ok := errors.AsType[*parking.OccupiedError](err); ok {
		p := conflict("slot_occupied")
		p.taken(e.By)
		p.Detail, p.By, p.At = e.Error(), e.By.Parker, moment(e.By.ParkedAt)
		return p
	}
	if e, ok := errors.AsType[*parking.AlreadyParkedError](err); ok {
		p := conflict("call_parked_already")
		p.taken(e.In)
		p.Detail, p.By, p.At = e.Error(), e.In.Parker, moment(e.In.ParkedAt)
		return p
	}
	if e, ok := errors.AsType[*parking.UnknownLotError](err); ok {
		return notFound("lot", e.Lot)
	}
	if e, ok := errors.AsType[*parking.UnknownSlotError](err); ok {
		return &Problem{Status: http.StatusNotFound, Code: "slot_not_found", Detail: e.Error(), Lot: e.Lot, Slot: e.Slot}
	}
	if errors.Is(err, parking.ErrInUse) {
		return conflict("lot_in_use")
	}
	return nil
}

// taken says who has a park, or had it.
func (p *Problem) taken(by parking.Park) {
	p.Park, p.Lot, p.Slot, p.State, p.Reason = by.ID, by.Lot, by.Slot, string(by.State), string(by.Reason)
	switch by.State {
	case parking.StateClaimed:
		p.By, p.At = by.ClaimedBy.User, moment(by.ClaimedAt)
	case parking.StateEnded:
		p.By, p.At = by.EndedBy.User, moment(by.EndedAt)
	case parking.StateParked:
		p.By, p.At = by.Parker, moment(by.ParkedAt)
	}
}

// faulty is a flow document with faults.
func faulty(fs routing.Findings) *Problem {
	p := &Problem{Status: http.StatusUnprocessableEntity, Code: "flow_faulty", Detail: "the flow has faults"}
	for _, f := range fs {
		p.Errors = append(p.Errors, Fault{Message: f.Message, Location: "body." + f.Location})
	}
	return p
}

func retryAfter(seconds string) http.Header { return http.Header{"Retry-After": {seconds}} }

// notText tells that the database could not read a text (SQLSTATE 22021, 22P05):
// the client's doing, however deep it was found.
func notText(err error) bool {
	state, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err)
	return ok && (state.SQLState() == "22021" || state.SQLState() == "22P05")
}
