package callctl

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// stay is this call's time in a slot.
type stay struct {
	park parking.Park
	lot  parking.Lot
	node string // of the flow that parked it; "" when a person did
	put  bool   // the slot is ours; before, the request is under way
	// moving: another slot has been asked for; before are the parks that ended by a
	// move, and music is the flow's own, whichever lot the call is moved to.
	moving bool
	before []string
	music  string
	due    int // a terminal step that came while somebody was taking the call; -1 none

	read    map[string]any         // of queues and reps, for the expressions of the step that has just begun
	decided map[int]map[string]any // conditions that such was read for, and by what they were decided; by step

	mayCall bool     // the caller has been told that a key gets them called back
	leaving bool     // the terminal step has begun: nobody can take the call any more
	later   []func() // what waits until it is known which slot is ours
}

// whenPut puts f off while the slot, or another one, is being asked for, and reports whether it
// did: those who see the slot taken may want the call before we know of it. f
// must look anew at how things are.
func (c *Call) whenPut(f func()) bool {
	if c.stay == nil || c.stay.put && !c.stay.moving {
		return false
	}
	c.stay.later = append(c.stay.later, f)
	return true
}

// parkByFlow carries out a park node. The caller hears music at once; the flow
// is told when there was no slot.
func (c *Call) parkByFlow(cmd routing.Park) {
	plan := c.hub.cfg.Plan()
	lot, ok := plan.Lot(cmd.Lot)
	if !ok {
		c.refusedPark(cmd.Lot, call.Actor{Via: "flow"}, &parking.UnknownLotError{Lot: cmd.Lot})
		c.resume("failed", nil)
		return
	}
	c.wait.talked = "retrieved"
	slot, _ := strconv.Atoi(cmd.Slot)
	longest := cmp.Or(cmd.MaxPark, lot.MaxPark)
	p := parking.Park{Slot: slot, Via: "flow", Note: cmd.Note, Ladder: parking.Climb(rungs(cmd.Ladder), longest), Owner: c.owner()}
	if cmd.Owner != "" && cmd.Owner != "owner" {
		p.Owner = strings.TrimPrefix(cmd.Owner, "agent:")
	}
	p.Takers = queues.Takers(maps.Values(plan.Agents), cmd.Visibility, p.Owner)
	if cmd.Music != "" {
		lot.Music = cmd.Music
	}
	c.ear().Music(lot.Music)
	c.put(p, lot, cmd.Node, call.Actor{Via: "flow"}, longest, func(_ parking.Park, err error) {
		var full *parking.FullError
		var occupied *parking.OccupiedError
		switch {
		case err == nil || c.ended:
		case errors.As(err, &full) || errors.As(err, &occupied):
			c.resume("full", nil)
		default:
			c.resume("failed", nil)
		}
	})
	c.stay.music = cmd.Music
}

func rungs(steps []routing.Step) []parking.Step {
	out := make([]parking.Step, 0, len(steps))
	for _, s := range steps {
		out = append(out, parking.Step{
			After: s.After, Do: parking.Do(s.Do), To: s.To, Repeat: s.Repeat, Ring: s.Ring,
			Strategy: s.Strategy, Queue: s.Queue, Priority: s.Priority, When: s.When, OnUnknown: s.OnUnknown, Outcome: s.Outcome, Channel: s.Channel,
			Leaves: s.Leaves, Tier: s.Tier, Skills: s.Skills,
		})
	}
	return out
}

// owner is the agent who owns the caller's CRM record.
func (c *Call) owner() string {
	if c.back != nil {
		return c.back.owed.Owner
	}
	if c.record == nil {
		return ""
	}
	return c.record.Owner
}

// parkByHand is a person's wish, over REST or from another call, to park this one.
func (c *Call) parkByHand(lot string, slot int, by call.Actor, then func(parking.Park, error)) {
	if c.ended || c.talk == nil {
		then(parking.Park{}, ErrNotTalking)
		return
	}
	if by.User != "" && by.User == c.from.Agent {
		c.facing(c.caller)
	}
	if by.User == "" {
		by.User = c.talk.agent
	}
	c.parkTalk(lot, slot, by, then)
}

// parkByTalker parks on behalf of the rep who talks to the caller.
func (c *Call) parkByTalker(lot string, slot int, via string, then func(parking.Park, error)) {
	c.parkTalk(lot, slot, call.Actor{User: c.talk.agent, Device: c.talk.leg.Remote().Device, Via: via}, then)
}

// parkTalk parks the caller out of a conversation. Until the slot is theirs the
// two go on talking; a refusal leaves them together.
func (c *Call) parkTalk(name string, slot int, by call.Actor, then func(parking.Park, error)) {
	c.parkInto(parking.Park{Lot: name, Slot: slot}, by, then)
}

// parkInto is parkTalk for the lot, slot or reservation of p. The rep may have
// hung up already.
func (c *Call) parkInto(p parking.Park, by call.Actor, then func(parking.Park, error)) {
	if then == nil {
		then = func(parking.Park, error) {}
	}
	recalled := c.talk != nil && c.talk.bounce != nil
	if c.stay != nil && !recalled {
		then(parking.Park{}, errParking)
		return
	}
	if recalled {
		c.spend()
	}
	lot, ok := c.hub.cfg.Plan().Lot(p.Lot)
	if !ok {
		err := &parking.UnknownLotError{Lot: p.Lot}
		c.refusedPark(p.Lot, by, err)
		then(parking.Park{}, err)
		return
	}
	t := c.talk
	p.Parker, p.Via, p.Owner, p.Ladder = by.User, by.Via, c.owner(), parking.Climb(lot.Ladder, lot.MaxPark)
	c.put(p, lot, "", by, lot.MaxPark, func(p parking.Park, err error) {
		then(p, err)
		switch {
		case c.ended:
		case err != nil && c.talk == nil:
			c.comeBack(by.User, lot)
		case err != nil:
			if by.Via == "feature" && c.talk == t && t != nil {
				c.say(t.leg, "unavailable")
			}
		default:
			if t != nil && c.talk == t {
				t.wrapUp = 0
				c.endTalk(call.Normal)
				c.tell(t.leg, p)
			}
			c.ear().Music(lot.Music)
		}
	})
}

// comeBack rings a rep who hung up trusting that the caller would be parked,
// when there was no slot: a caller is not dropped for that. If they do not
// answer, the call goes where the lot sends those that nobody took.
func (c *Call) comeBack(agent string, lot parking.Lot) {
	otherwise := func() {
		if !c.ended && c.talk == nil && c.stay == nil {
			c.overflow(lot)
		}
	}
	if agent == "" {
		otherwise()
		return
	}
	c.ringBack(agent, "Not parked: ", otherwise)
	c.ear().Music(lot.Music)
}

// ringBack rings a rep who has left the call, and says why beside who it is.
func (c *Call) ringBack(agent, why string, otherwise func()) {
	c.ear().Music(c.music())
	r := &round{via: "comeback", over: func(call.Cause) { otherwise() }}
	c.reserve(r, []string{agent}, recallRing, true, Invitation{Display: why + c.display()})
}

// ringsBack tells whether a rep is being rung back already.
func (c *Call) ringsBack() bool {
	for r := range c.rounds {
		if r.via == "comeback" && !r.closed {
			return true
		}
	}
	return false
}

// tell reads the slot's number to a parker who stays on, and hangs up.
func (c *Call) tell(l Leg, p parking.Park) {
	c.aside[l.ID()] = l
	m := l.Media()
	if m == nil || p.Reservation != "" { // they were told before
		l.Hangup(call.Normal, "")
		return
	}
	m.Play([]Clip{{Prompt: "parked-at"}, {Digits: strconv.Itoa(p.Slot)}}, func(bool) { l.Hangup(call.Normal, "") })
}

// errParking: one wish at a time.
var errParking = errors.New("the call is being parked already")

// put asks for the slot.
func (c *Call) put(p parking.Park, lot parking.Lot, node string, by call.Actor, longest time.Duration, then func(parking.Park, error)) {
	now := time.Now()
	p.ID, p.Call, p.Node, p.Lot = call.NewID("park", now), c.id, c.hub.cfg.Node, lot.Name
	p.From, p.Name = c.from.Number, c.from.Name
	p.ParkedAt, p.Deadline = now, now.Add(longest)
	s := &stay{park: p, lot: lot, node: node, due: -1}
	c.stay, c.lastLot = s, lot.Name
	c.note(call.Event{Type: call.ParkRequested, At: now, Park: p.ID, Lot: lot.Name, Node: node, Actor: by})
	var got parking.Park
	c.try(func(ctx context.Context) (err error) {
		got, err = c.hub.cfg.Parking.Put(ctx, p)
		return err
	}, func(err error) {
		if err != nil {
			if c.stay == s {
				c.stay = nil
			}
			c.log.Warn("not parked", "lot", lot.Name, "err", err)
			if !denied(err) { // it may have been written although we did not hear of it
				c.parks("undo", func(ctx context.Context, s Parking) error {
					_, err := s.End(ctx, p.ID, 0, parking.Failed, call.Actor{Via: "undo"}, time.Now())
					return err
				})
			}
		} else if c.stay == s {
			s.park, s.put = got, true
		}
		then(got, err)
		for _, f := range s.settled() {
			f()
		}
	})
}

// denied tells a refusal of the store's from a failure.
func denied(err error) bool {
	var (
		full     *parking.FullError
		occupied *parking.OccupiedError
		already  *parking.AlreadyParkedError
		lot      *parking.UnknownLotError
		slot     *parking.UnknownSlotError
		lapsed   *parking.NotReservedError
		others   *parking.DeniedError
	)
	return errors.As(err, &full) || errors.As(err, &occupied) || errors.As(err, &already) ||
		errors.As(err, &lot) || errors.As(err, &slot) || errors.As(err, &lapsed) || errors.As(err, &others)
}

func (c *Call) refusedPark(lot string, by call.Actor, err error) {
	c.note(call.Event{Type: call.ParkRefused, Lot: lot, Actor: by, Data: map[string]any{"why": err.Error()}})
}

// left closes the books of a stay that is over.
func (c *Call) left(at time.Time) {
	if c.stay != nil {
		c.parkedFor += at.Sub(c.stay.park.ParkedAt)
		c.stay = nil
	}
}

// goOn resumes the flow after a conversation that is over, or ends the call.
func (c *Call) goOn() {
	if c.wait.talked == "" {
		c.over(call.Normal)
		return
	}
	c.resume(c.wait.talked, nil)
}
