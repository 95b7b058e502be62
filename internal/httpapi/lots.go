package httpapi

import (
	"context"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

// Lot is a set of slots, with the rules for calls parked in them. What is left
// out of a PUT is the default.
type Lot struct {
	ID        string   `json:"id" readOnly:"true"`
	Name      string   `json:"name" readOnly:"true"`
	Extension string   `json:"extension,omitempty" maxLength:"32" doc:"A transfer to it parks in the next free slot"`
	First     int      `json:"first" minimum:"1" doc:"First slot number: the code that retrieves"`
	Last      int      `json:"last" minimum:"1"`
	Music     string   `json:"music,omitempty" maxLength:"100"`
	MaxPark   *float64 `json:"max_park_s,omitempty" doc:"The hard maximum; never off"`
	Claim     *float64 `json:"claim_s,omitempty" doc:"How long taking a call may last before it is anyone's again"`
	CoolDown  *float64 `json:"cool_down_s,omitempty" doc:"A slot just freed is not handed out while others are free; 0 off"`
	Bounce    *float64 `json:"bounce_s,omitempty" doc:"A recalled parker who hangs up within it puts the call back; 0 off"`
	Reserve   *float64 `json:"reserve_s,omitempty" doc:"How long a slot is held for who has called the lot to park a caller there"`
	Ladder    []Step   `json:"ladder,omitzero" doc:"Escalation of calls parked by people"`
	OnExpired string   `json:"on_expired,omitempty" maxLength:"100" doc:"voicemail:<box>, queue:<name> or hangup"`
	Slots     []Slot   `json:"slots,omitempty" readOnly:"true" doc:"What is in them now; only of a lot that is read by itself"`
}

// Step is one rung of an escalation ladder, counted from the start of parking.
type Step struct {
	After     float64  `json:"after_s"`
	Do        string   `json:"do" enum:"remind,recall,offer,enqueue,widen,announce,alert,offer_callback,goto"`
	To        string   `json:"to,omitempty"`
	Repeat    float64  `json:"repeat_s,omitempty"`
	Ring      float64  `json:"ring_s,omitempty"`
	Strategy  string   `json:"strategy,omitempty"`
	Queue     string   `json:"queue,omitempty"`
	Stay      *bool    `json:"stay_parked,omitempty" doc:"Of an enqueue: false leaves the slot, if the queue takes the call"`
	Tier      *int     `json:"tier,omitempty" minimum:"0" maximum:"99" doc:"Of an enqueue or a widen: agents of this tier and those before it may be offered the call"`
	Skills    []string `json:"skills,omitzero" maxItems:"100" doc:"Of an enqueue or a widen: who have all of these"`
	Priority  string   `json:"priority,omitempty"`
	When      string   `json:"when,omitempty"`
	OnUnknown string   `json:"on_unknown,omitempty" enum:"run,skip" doc:"Of a condition that cannot be known; run unless set"`
	Outcome   string   `json:"outcome,omitempty"`
	Channel   string   `json:"channel,omitempty" doc:"Of an alert: webhook unless set, email, chat or chat:<name>"`
}

// SlotState is what may be done with a slot.
type SlotState string

// Slot is a place in a lot.
type Slot struct {
	Slot     int         `json:"slot"`
	State    SlotState   `json:"state" enum:"free,reserved,parked,claimed"`
	Park     *ParkedCall `json:"park,omitempty"`
	Reserved *Reserved   `json:"reserved,omitempty" doc:"For whom it is held, who has called the lot to park a caller there"`
}

// Reserved is a slot that is held.
type Reserved struct {
	By    string    `json:"by" doc:"The agent"`
	Call  call.ID   `json:"call_id" doc:"Their call to the lot"`
	Until time.Time `json:"until" doc:"Then it is anybody's"`
}

// Named is the name in a path.
type Named struct {
	Name string `path:"name" maxLength:"64"`
}

func (a *api) lots() {
	route(a, op{method: "GET", path: "/v1/lots", scope: "read", role: "rep", id: "list_lots", summary: "List lots"},
		func(ctx context.Context, in *Paging) (*body[Page[Lot]], error) {
			list, err := a.Lots.Lots(ctx)
			if err != nil {
				return nil, err
			}
			all, err := each(list, lotOf)
			if err != nil {
				return nil, err
			}
			return page(all, func(l Lot) string { return l.Name }, *in)
		})
	route(a, op{method: "GET", path: "/v1/lots/{name}", scope: "read", role: "rep", id: "read_lot", summary: "Read a lot and what is in its slots"},
		func(ctx context.Context, in *Named) (*body[Lot], error) {
			l, err := a.lot(ctx, in.Name)
			if err == nil && !inside(ctx) { // there it is for what is set, and slots can be many
				err = a.fill(ctx, l)
			}
			return l, err
		})
	route(a, op{method: "PUT", path: "/v1/lots/{name}", scope: "write", role: "admin", merges: true, id: "save_lot", summary: "Make or replace a lot"},
		func(ctx context.Context, in *struct {
			Named
			Body Lot
		},
		) (*body[Lot], error) {
			in.Body.Slots = nil // what was read can be written
			l, err := as[parking.Lot](in.Body)
			if err != nil {
				return nil, err
			}
			l.ID, l.Name = "", in.Name
			l = l.WithDefaults()
			if err := l.Validate(); err != nil {
				return nil, invalid(err)
			}
			if err := a.numberedLot(ctx, l); err != nil {
				return nil, err
			}
			if err := a.Lots.SaveLot(ctx, l); err != nil {
				return nil, err
			}
			if err := a.Changed(ctx); err != nil {
				return nil, err
			}
			return a.lot(ctx, in.Name)
		})
	route(a, op{method: "DELETE", path: "/v1/lots/{name}", scope: "write", role: "admin", id: "delete_lot", summary: "Delete an empty lot"},
		func(ctx context.Context, in *Named) (*nothing, error) {
			return a.changed(ctx, a.Lots.DeleteLot(ctx, in.Name))
		})
}

// lot is a lot as it is set.
func (a *api) lot(ctx context.Context, name string) (*body[Lot], error) {
	stored, err := a.Lots.Lot(ctx, name)
	if err != nil {
		return nil, err
	}
	l, err := lotOf(stored)
	return &body[Lot]{l}, err
}

// fill adds what is in a lot's slots.
func (a *api) fill(ctx context.Context, b *body[Lot]) error {
	l := &b.Body
	parks, err := a.Lots.Live(ctx, parking.Filter{Lot: l.Name})
	if err != nil {
		return err
	}
	in := map[int]parking.Park{}
	for _, p := range parks {
		in[p.Slot] = p
	}
	held, err := a.Lots.Reservations(ctx, l.Name, a.Now())
	if err != nil {
		return err
	}
	reserved := map[int]parking.Reservation{}
	for _, r := range held {
		reserved[r.Slot] = r
	}
	for n := l.First; n <= l.Last; n++ {
		s := Slot{Slot: n, State: "free"}
		if p, ok := in[n]; ok {
			parked := a.parkOf(p)
			s.State, s.Park = SlotState(p.State), &parked
		} else if r, ok := reserved[n]; ok {
			s.State, s.Reserved = "reserved", &Reserved{By: r.By.User, Call: r.Call, Until: r.Until}
		}
		l.Slots = append(l.Slots, s)
	}
	return nil
}

func lotOf(l parking.Lot) (Lot, error) { return as[Lot](l) }

func stepOf(s parking.Step) Step {
	var stay *bool // said only of a step that leaves the slot
	if s.Leaves {
		stay = new(bool)
	}
	return Step{
		After: max(0, s.After).Seconds(), Do: string(s.Do), To: s.To, Repeat: max(0, s.Repeat).Seconds(), Ring: max(0, s.Ring).Seconds(),
		Strategy: s.Strategy, Queue: s.Queue, Priority: s.Priority, When: s.When, OnUnknown: s.OnUnknown, Outcome: s.Outcome, Channel: s.Channel,
		Stay: stay, Tier: s.Tier, Skills: s.Skills,
	}
}

// invalid are the faults that a domain finds in what it is given, one a line.
func invalid(err error) *Problem {
	p := wrong("body", "%s", err)
	p.Errors = nil
	for line := range strings.Lines(err.Error()) {
		p.Errors = append(p.Errors, Fault{Message: strings.TrimSpace(line), Location: "body"})
	}
	return p
}
