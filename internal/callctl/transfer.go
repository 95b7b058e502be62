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
		if by.User == "" {
			by.User = ev.By.Agent
		}
		c.parkTalk(lot.Name, slot, by, func(_ parking.Park, err error) {
			ev.Result(parkStatus(err))
		})
		return
	}
	agents, numbers := c.who(ev.To)
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
	r.over = func(why call.Cause) {
		status := map[call.Cause]int{call.Busy: 486, call.Rejected: 603, call.NoAnswer: 480, call.Unavailable: 480}[why]
		if status == 0 {
			status = 500
		}
		ev.Result(status, string(why))
		c.deserted()
	}
	r.handOver = func() {
		ev.Result(200, "OK")
		if c.talk == from {
			c.facing(ev.Leg) // the other may have acted since
			c.letGo().Hangup(call.Normal, "")
		}
	}
	if len(agents) > 0 {
		c.reserve(r, agents, recallRing, false, Invitation{})
		return
	}
	c.ring(r, nil, numbers, recallRing, Invitation{})
}

func itoa(n int) string { return strconv.Itoa(n) }
