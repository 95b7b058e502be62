package sim

import (
	"cmp"
	"errors"
	"maps"
	"slices"
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
	node string

	read map[string]any // of queues and reps, for the step that has just begun

	mayCall bool // the caller has been told that 1 gets them called back

	timer *timer // to the step that is due next
}

// freshWithin is how long a step's condition may ask the CRM again.
const freshWithin = 2 * time.Second

// parkByFlow carries out a park node.
func (c *stage) parkByFlow(cmd routing.Park) {
	lot, ok := c.world.lot(cmd.Lot)
	if !ok {
		c.tell("refused", "", "there is no lot %s", cmd.Lot)
		c.resume("failed", nil)
		return
	}
	if !c.known["lot "+lot.Name] {
		c.fail(c.parks.SaveLot(c.ctx, lot))
		c.known["lot "+lot.Name] = true
	}
	if cmd.Music != "" {
		lot.Music = cmd.Music
	}
	c.hear("music", lot.Music)
	slot, _ := strconv.Atoi(cmd.Slot)
	longest := cmp.Or(cmd.MaxPark, lot.MaxPark)
	owner := c.owner()
	if cmd.Owner != "" && cmd.Owner != "owner" {
		owner = strings.TrimPrefix(cmd.Owner, "agent:")
	}
	now := c.clock.now
	p, err := c.parks.Put(c.ctx, parking.Park{
		Call: imaginedID, Lot: lot.Name, Slot: slot, Via: "flow", From: c.from, Name: c.name, Note: cmd.Note, Owner: owner, Takers: queues.Takers(slices.Values(c.world.Agents), cmd.Visibility, owner),
		ParkedAt: now, Deadline: now.Add(longest), Ladder: parking.Climb(rungs(cmd.Ladder), longest),
	})
	var (
		full     *parking.FullError
		occupied *parking.OccupiedError
	)
	switch {
	case errors.As(err, &full) || errors.As(err, &occupied):
		c.tell("refused", "", "%v", err)
		c.resume("full", nil)
		return
	case err != nil:
		c.tell("refused", "", "%v", err)
		c.resume("failed", nil)
		return
	}
	c.wait.talked, c.wait.forces = "retrieved", true
	c.stay = &stay{park: p, lot: lot, node: cmd.Node}
	c.tell("parked", "", "parked in slot %d of lot %s, for %s at most", p.Slot, lot.Name, longest)
	c.expect()
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

// expect puts the park's pending step on the clock.
func (c *stage) expect() {
	s := c.stay
	j, ok := s.park.Pending()
	if !ok {
		return
	}
	due, _ := j.Args.(parking.StepDue)
	s.timer.stop()
	s.timer = c.clock.at(j.At, true, func() {
		if c.stay != s || c.over() {
			return
		}
		p, begun, ok, err := c.parks.Advance(c.ctx, due.Park, due.Step, c.clock.now)
		c.fail(err)
		if !ok {
			return
		}
		s.park = p
		if p.Next < len(p.Ladder) {
			c.expect()
		}
		c.step(begun)
	})
}

// step carries out a rung of the ladder that has just begun.
func (c *stage) step(n int) {
	s := c.stay.park.Ladder[n]
	if !c.stepReads(s) {
		return
	}
	if s.When == "" {
		c.rung(n, s)
		return
	}
	holds, takes, err := c.when(s)
	then := func() {
		switch {
		case c.stay == nil || c.over():
		case err != nil && s.OnUnknown == "skip":
			c.tellStep(n, "step_skipped", "step %d, %s, is left out: %s cannot be known: %v", n, s.Do, s.When, err)
		case err != nil:
			c.tellStep(n, "step_unknown", "step %d: %s cannot be known: %v; it is done", n, s.When, err)
			c.rung(n, s)
		case !holds:
			c.tellStep(n, "step_skipped", "step %d, %s, is left out: %s does not hold", n, s.Do, s.When)
		default:
			c.rung(n, s)
		}
	}
	if takes > 0 {
		c.clock.after(takes, c.still(then))
		return
	}
	then()
}

// when evaluates a step's condition, with the CRM's values read afresh.
func (c *stage) when(s parking.Step) (holds bool, takes time.Duration, err error) {
	if strings.Contains(s.When, "crm.") {
		record, after, unknown, away := c.cast.record()
		if unknown != "" {
			c.stop(unknown)
			return false, 0, nil
		}
		if after > freshWithin {
			after, away = freshWithin, errCRM
		}
		takes = after
		switch {
		case away != nil && c.record == nil:
			return false, takes, away
		case away == nil && record != nil:
			c.record = record
		}
	}
	holds, err = routing.EvalBool(s.When, c.scope())
	return holds, takes, err
}

// scope is what expressions of the ladder read.
func (c *stage) scope() map[string]any {
	scope := routing.Scope(c.run, c.flow.LocalAt(c.run.At, c.clock.now))
	if c.record != nil {
		known, _ := scope["crm"].(map[string]any)
		merged := maps.Clone(known)
		if merged == nil {
			merged = map[string]any{}
		}
		maps.Copy(merged, c.record)
		scope["crm"] = merged
	}
	if p := c.stay; p != nil {
		maps.Copy(scope, p.read)
		scope["lot"] = map[string]any{"name": p.lot.Name, "slot": p.park.Slot, "age_s": c.clock.now.Sub(p.park.ParkedAt).Seconds()}
	}
	return scope
}

func (c *stage) rung(n int, s parking.Step) {
	about := strings.Join(slices.DeleteFunc([]string{string(s.Do), s.To, s.Queue, s.Outcome}, func(s string) bool { return s == "" }), " ")
	c.tellStep(n, "step_started", "step %d after %s: %s", n, s.After, about)
	switch s.Do {
	case parking.Remind:
		agents, _ := c.who(cmp.Or(s.To, "parker"))
		if len(agents) == 0 {
			c.stepResult(n, "no_parker", "")
			return
		}
		c.stepResult(n, "reminded", strings.Join(agents, ", "))
	case parking.Recall:
		c.ringFor(n, "recall", orElse(s.Ring, 20*time.Second), true, s, cmp.Or(s.To, "parker"))
	case parking.Offer:
		c.ringFor(n, "offer", orElse(s.Ring, 15*time.Second), false, s, s.To)
	case parking.Enqueue:
		c.enqueue(n, s)
	case parking.Widen:
		c.widen(n, s)
	case parking.Announce:
		lot := c.stay.lot
		prompt := cmp.Or(s.To, "still-waiting")
		c.says(prompt, "", "")
		c.clock.after(c.world.says(prompt, ""), func() {
			if c.stay != nil {
				c.hear("music", lot.Music)
			}
		})
		c.stepResult(n, "announced", "")
	case parking.OfferCallback:
		c.stay.mayCall = true
		c.says(s.To, "", "")
		c.stepResult(n, "offered", "by pressing 1")
	case parking.Alert:
		c.stepResult(n, "alerted", s.To)
	case parking.Goto:
		c.expire(n)
	default:
		c.stepResult(n, "not imagined", "")
	}
}

// ringFor recalls the parker or offers the call to others.
func (c *stage) ringFor(n int, via string, ring time.Duration, whoever bool, s parking.Step, to string) {
	c.stopRinging("recall", "offer") // one step's phones at a time; a queue's go on
	t := &turns{round: round{via: via, step: n}, strategy: s.Strategy, ring: ring, whoever: whoever}
	t.over = func(why call.Cause) { c.stepResult(n, string(why), "") }
	if !c.ringAll(t, strings.Split(to, ",")) {
		result := "nobody"
		if to == "parker" {
			result = "no_parker"
		}
		c.stepResult(n, result, to)
	}
}

func (c *stage) stepResult(n int, result, about string) {
	text := "step " + strconv.Itoa(n) + " comes to: " + result
	if about != "" {
		text += ": " + about
	}
	c.tellStep(n, "step_result", "%s", text)
	if c.stay != nil {
		c.fail(c.parks.StepResult(c.ctx, c.stay.park.ID, n, result, nil, c.clock.now))
	}
}

// expire is the terminal step: the call leaves its slot and goes where the flow says.
func (c *stage) expire(n int) {
	outcome := cmp.Or(c.stay.park.Ladder[n].Outcome, "expired")
	c.leaveSlot(routing.NextType(c.flow, c.stay.node, outcome), outcome, "ladder")
}

// leaveSlot ends the stay; the flow goes on by outcome, to a node of type next.
func (c *stage) leaveSlot(next, outcome, via string) {
	c.endStay(0, parking.ExpiryReason(next), call.Actor{Via: via})
	c.goElsewhere(outcome)
}

// goElsewhere: nobody has taken a call that was parked.
func (c *stage) goElsewhere(outcome string) {
	c.leaveLine("expired")
	c.stopRinging()
	c.hear("silence", "")
	c.resume(outcome, nil)
}
