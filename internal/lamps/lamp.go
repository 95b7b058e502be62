// Package lamps says what each lamp on a rep's phone shows: whether a slot or a
// lot holds callers and how urgent they are, whether a colleague rings or talks,
// and how many messages wait.
package lamps

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// State is how a lamp is lit.
type State string

// The states. A slot is lit while a call waits in it or is being taken, and
// blinks once the call has waited for half the time until the first step of its
// ladder. A lot is lit while any of its slots is, and blinks while any blinks. A
// rep's lamp blinks while their phone rings and is lit while they talk.
const (
	Dark     State = "dark"
	Lit      State = "lit"
	Blinking State = "blinking"
)

// Lamp is what one lamp shows. Two that are equal look the same.
type Lamp struct {
	State State
	Party Party
	Agent string  // whose lamp it is; "" of a slot or a lot
	Call  call.ID // of a rep who rings or talks, or parked in the slot
}

// Party is who waits, rings or talks, as far as they want it shown: who withheld
// their number has neither.
type Party struct {
	Number call.Number
	Name   string
}

// Box is how many messages a mailbox holds.
type Box struct {
	Name       string
	New, Heard int
}

// hub is what the lamps are made of, as read at one moment. It is not changed
// once made.
type hub struct {
	lots    []parking.Lot
	parks   map[place]parking.Park
	agents  map[string]queues.Agent
	parties map[call.ID]Parties
	boxes   map[string]Box
}

type place struct {
	lot  string
	slot int
}

// Parties are both ends of a call: who placed it (Agent, if a rep did), and whom
// it was for.
type Parties struct {
	From  Party
	To    Party
	Agent string
}

// urgentAt is when a parked call's lamp begins to blink.
func urgentAt(p parking.Park) time.Time {
	if len(p.Ladder) == 0 {
		return p.ParkedAt.Add(p.Deadline.Sub(p.ParkedAt) / 2)
	}
	return p.ParkedAt.Add(p.Ladder[0].After / 2)
}

// lamp finds what a dialled code stands for, as dialling does: a lot's extension,
// a slot, a rep by name or extension. ok is false if it is none of these.
func (h *hub) lamp(code string, now time.Time) (_ Lamp, ok bool) {
	for _, l := range h.lots {
		if l.Extension != "" && l.Extension == code {
			return h.lot(l, now), true
		}
	}
	if n, err := strconv.Atoi(code); err == nil {
		for _, l := range h.lots {
			if l.First <= n && n <= l.Last {
				return h.slot(l.Name, n, now), true
			}
		}
	}
	if a, ok := h.agent(code); ok {
		return h.rep(a), true
	}
	return Lamp{State: Dark}, false
}

func (h *hub) slot(lot string, n int, now time.Time) Lamp {
	p, ok := h.parks[place{lot, n}]
	if !ok {
		return Lamp{State: Dark}
	}
	l := Lamp{State: Lit, Party: Party{p.From, p.Name}, Call: p.Call}
	// Who is being taken needs nobody else.
	if p.State != parking.StateClaimed && !urgentAt(p).After(now) {
		l.State = Blinking
	}
	return l
}

// lot is all slots in one; it shows how many wait rather than who.
func (h *hub) lot(lot parking.Lot, now time.Time) Lamp {
	l, n := Lamp{State: Dark}, 0
	for at := range h.parks {
		if at.lot != lot.Name {
			continue
		}
		n++
		switch h.slot(at.lot, at.slot, now).State {
		case Blinking:
			l.State = Blinking
		case Lit:
			if l.State == Dark {
				l.State = Lit
			}
		case Dark:
		}
	}
	if n > 0 {
		l.Party = Party{call.Number(lot.Extension), fmt.Sprintf("%d waiting", n)}
	}
	return l
}

func (h *hub) rep(a queues.Agent) Lamp {
	l := Lamp{State: Dark, Agent: a.Name}
	switch a.State {
	case queues.Ringing:
		l.State = Blinking
	case queues.Talking:
		l.State = Lit
	case queues.Idle, queues.Reserved, queues.WrapUp:
		return l
	}
	l.Call = a.Call
	if ps, ok := h.parties[a.Call]; ok {
		l.Party = ps.From
		if ps.Agent == a.Name {
			l.Party = ps.To
		}
	}
	return l
}

// agent finds a rep by name or extension. Of two with one extension, which the
// set-up refuses, it is always the same.
func (h *hub) agent(code string) (queues.Agent, bool) {
	if a, ok := h.agents[code]; ok {
		return a, true
	}
	var found []queues.Agent
	for _, a := range h.agents {
		if a.Extension != "" && a.Extension == code {
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		return queues.Agent{}, false
	}
	return slices.MinFunc(found, func(a, b queues.Agent) int { return cmp.Compare(a.Name, b.Name) }), true
}

// nextUrgent is when the next lamp begins to blink; zero: none will.
func (h *hub) nextUrgent(now time.Time) time.Time {
	var next time.Time
	for _, p := range h.parks {
		if at := urgentAt(p); at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// box finds the mailbox that a code stands for: a rep's own, a lot's by its
// extension, else the one of that name. allowed says whether the watcher may know
// of it: a rep's box is their own; a team's is for its members; any other box is
// for all.
func (h *hub) box(watcher, code string) (_ Box, allowed bool) {
	name := code
	if a, ok := h.agent(code); ok {
		return h.filled(a.Name), a.Name == watcher
	}
	for _, l := range h.lots {
		if l.Extension != "" && l.Extension == code {
			name = l.Name
		}
	}
	team := false
	for _, a := range h.agents {
		if slices.Contains(a.Teams, name) {
			if team = true; a.Name == watcher {
				return h.filled(name), true
			}
		}
	}
	return h.filled(name), !team
}

func (h *hub) filled(name string) Box {
	b := h.boxes[name]
	b.Name = name
	return b
}
