package callctl

import (
	"errors"
	"strconv"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

// onReferred: a rep's phone asks that the caller be sent elsewhere. To a lot or
// a slot parks; to a colleague or a number transfers. Whatever cannot be done
// leaves the two together.
func (c *Call) onReferred(ev LegReferred) {
	if b := c.booking; b != nil && b.ours && !c.ended && ev.Replaces != nil {
		// The phone names the calls the other way round: the slot is the same.
		if taker := c.hub.owner(ev.Replaces); taker != nil && taker != c {
			c.giveSlot(&handover{rep: ev.Replaces, agent: c.agent, result: ev.Result}, taker)
			return
		}
	}
	if c.ended || c.talk == nil || c.repOn(ev.Leg) == "" && ev.Leg != c.talk.leg {
		ev.Result(603, "Nobody to transfer")
		return
	}
	c.facing(ev.Leg)
	t := c.talk
	if ev.Replaces != nil {
		c.consulted(ev)
		return
	}
	plan := c.hub.cfg.Plan()
	if lot, slot, ok := plan.Place(ev.To); ok {
		by := call.Actor{User: t.agent, Device: t.leg.Remote().Device, Via: "refer"}
		if a, ok := plan.Agent(string(ev.By.Number)); ok && by.User == "" {
			by.User = a.Name // a trusted trunk's word
		}
		c.parkTalk(lot.Name, slot, by, func(_ parking.Park, err error) {
			ev.Result(parkStatus(err))
		})
		return
	}
	agents, numbers, _ := c.who(ev.To)
	if len(agents) == 0 && len(ev.To) > 4 {
		if _, ok := plan.Outward(); ok {
			numbers = []call.Number{call.Number(ev.To)}
		}
	}
	if len(agents) == 0 && len(numbers) == 0 {
		ev.Result(404, "Nobody has "+ev.To)
		return
	}
	c.transfer(t, ev, agents, numbers)
}

// parkStatus is what a REFER that parks is told.
func parkStatus(err error) (int, string) {
	var (
		full     *parking.FullError
		occupied *parking.OccupiedError
		unknown  *parking.UnknownLotError
		lapsed   *parking.NotReservedError
	)
	switch {
	case err == nil:
		return 200, "OK"
	case errors.As(err, &full), errors.As(err, &occupied):
		return 486, err.Error()
	case errors.As(err, &unknown):
		return 404, err.Error()
	case errors.As(err, &lapsed):
		return 410, err.Error()
	case errors.Is(err, errParking), errors.Is(err, ErrNotTalking):
		return 491, err.Error()
	}
	return 500, "Not parked"
}

// mostTransfers bounds how many targets ring for one call: each may be a call
// through a trunk, and a phone can ask without end.
const mostTransfers = 3

// transfer rings the target while the two still talk; when it answers, the rep
// who asked is let go (RFC 3515, blind).
func (c *Call) transfer(from *talk, ev LegReferred, agents []string, numbers []call.Number) {
	under := 0
	for r := range c.rounds {
		if r.handOver != nil {
			under++
		}
	}
	if under >= mostTransfers {
		ev.Result(491, "")
		return
	}
	if from.bounce != nil {
		c.spend() // a recalled parker who sends the call on has taken it
	}
	r := &round{via: "transfer"}
	c.onto(r, from, from.agent, ev.Result)
	if len(agents) > 0 {
		c.reserve(r, agents, recallRing, false, Invitation{})
		return
	}
	c.ring(r, nil, numbers, recallRing, Invitation{})
}

// onto makes a round the target of a transfer: whoever answers has the call, and
// from, the conversation of the rep who asked, is over. If nobody does, and the
// rep has left, they are rung back.
func (c *Call) onto(r *round, from *talk, rep string, result func(status int, reason string)) {
	r.over = func(why call.Cause) {
		status := map[call.Cause]int{call.Busy: 486, call.Rejected: 603, call.NoAnswer: 480, call.Unavailable: 480}[why]
		if status == 0 {
			status = 500
		}
		result(status, string(why))
		c.returned(rep)
	}
	r.handOver = func() {
		result(200, "OK")
		if from != nil && c.talk == from {
			if rep != "" && c.from.Agent == rep {
				c.facing(c.caller) // the other may have acted since
			}
			c.letGo().Hangup(call.Normal, "")
		}
	}
}

// returned: nobody took a call that was sent on. To a rep who has left it comes
// back; when they do not answer either, the flow goes on.
func (c *Call) returned(rep string) {
	if !c.alone() {
		return
	}
	if rep == "" || c.ringsBack() {
		c.deserted()
		return
	}
	c.ringBack(rep, "Not taken: ", c.deserted)
}

func itoa(n int) string { return strconv.Itoa(n) }
