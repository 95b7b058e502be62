package callctl

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/routing"
)

// Ringing times of the ladder where a step names none.
const (
	recallRing  = 20 * time.Second
	offerRing   = 15 * time.Second
	freshWithin = 2 * time.Second // a step's condition may ask the CRM again for so long
)

// step carries out a rung of the ladder that has just begun. The call stays in
// its slot and can be taken all the while.
func (c *Call) step(park parking.Park, n int) {
	if c.whenPut(func() { c.step(park, n) }) {
		return
	}
	if c.ended || c.stay == nil || !c.stay.has(park.ID) || c.stay.leaving || n >= len(park.Ladder) {
		return
	}
	c.stay.park.Note = park.Note // as it is on every node
	s := park.Ladder[n]
	switch {
	case s.Do == parking.Goto && s.When == "":
		c.endAt(n)
	case s.Do == parking.Goto: // also while somebody is taking the call: they may fail
		c.knowingFor(s, func() { c.tryRung(park, n, s) })
	case c.busy():
		c.stepResult(park.ID, n, "claimed", nil)
	default:
		c.knowingFor(s, func() { c.tryRung(park, n, s) })
	}
}

// endAt ends the stay by a step. Whoever is taking the call goes first; if they
// fail, the step runs.
func (c *Call) endAt(n int) {
	c.stay.due = n
	c.overdue()
}

// tryRung carries a rung out if its condition holds.
func (c *Call) tryRung(park parking.Park, n int, s parking.Step) {
	over := func() bool {
		return c.ended || c.stay == nil || !c.stay.has(park.ID) || c.stay.leaving || c.busy() && s.Do != parking.Goto
	}
	switch {
	case over():
		c.stepResult(park.ID, n, "claimed", nil)
	case s.When == "":
		c.rung(n, s)
	default:
		c.when(s, func(holds bool, err error) {
			c.decidedBy(n, s)
			switch {
			case over():
				c.stepResult(park.ID, n, "claimed", nil)
			case err != nil && s.OnUnknown == "skip":
				c.stepResult(park.ID, n, "unknown", map[string]any{"error": err.Error()})
			case err != nil: // a CRM that is away never stops escalation
				c.rung(n, s)
			case !holds:
				c.stepResult(park.ID, n, "skipped", map[string]any{"when": s.When, "why": routing.WhyNot(s.When, c.scope())})
			default:
				c.rung(n, s)
			}
		})
	}
}

// busy tells whether somebody is taking the call: they are being answered, their
// phone rings for a claim they hold, they have answered and their claim is under
// way, or they talk.
func (c *Call) busy() bool {
	if c.taking != nil || c.talk != nil {
		return true
	}
	for r := range c.rounds {
		if r.claim != 0 || r.wants != nil {
			return true
		}
	}
	return false
}

// overdue runs a terminal step that has waited for whoever was taking the call,
// as soon as nobody is.
func (c *Call) overdue() {
	if c.ended || c.stay == nil || c.stay.due < 0 || c.stay.moving || c.busy() {
		return
	}
	n := c.stay.due
	c.stay.due = -1
	c.expire(n)
}

// when evaluates a step's condition, with the CRM's values read afresh.
func (c *Call) when(s parking.Step, then func(bool, error)) {
	eval := func() (bool, error) { return routing.EvalBool(s.When, c.scope()) }
	if !strings.Contains(s.When, "crm.") {
		then(eval())
		return
	}
	var away error
	number := c.from.Number
	c.fork(freshWithin+time.Second, func(ctx context.Context) {
		var found crm.Result
		found, away = c.hub.cfg.Directory.Find(ctx, crm.Caller{Number: number, Within: freshWithin})
		if away == nil && (found.Outcome == crm.One || found.Outcome == crm.Many) {
			c.mb.post(func() { c.record = &found.Best }) // before then: posts are in order
		}
	}, func() {
		if away != nil && c.record == nil {
			then(false, away)
			return
		}
		then(eval())
	})
}

// scope is what expressions of the ladder read.
func (c *Call) scope() map[string]any {
	now := time.Now()
	if c.flow != nil { // else a person parked the call
		now = c.flow.LocalAt(c.walk.At, now)
	}
	scope := routing.Scope(c.walk, now)
	if c.record != nil {
		known, _ := scope["crm"].(map[string]any)
		merged := maps.Clone(known)
		if merged == nil {
			merged = map[string]any{}
		}
		maps.Copy(merged, recordVars(c.record))
		scope["crm"] = merged
	}
	if c.stay != nil {
		maps.Copy(scope, c.stay.read)
		scope["lot"] = map[string]any{"name": c.stay.lot.Name, "slot": c.stay.park.Slot, "age_s": time.Since(c.stay.park.ParkedAt).Seconds()}
	}
	return scope
}

func (c *Call) rung(n int, s parking.Step) {
	switch s.Do {
	case parking.Remind:
		c.remind(n, s)
	case parking.Recall:
		c.ringFor(n, "recall", orElse(s.Ring, recallRing), true, s, orText(s.To, "parker"))
	case parking.Offer:
		c.ringFor(n, "offer", orElse(s.Ring, offerRing), false, s, s.To)
	case parking.Enqueue:
		c.enqueue(n, s)
	case parking.Widen:
		c.widen(n, s)
	case parking.Announce:
		lot := c.stay.lot
		c.ear().Play(clips(orText(s.To, "still-waiting")), func(whole bool) {
			c.mb.post(func() {
				if whole && c.stay != nil && c.talk == nil && c.taking == nil && !c.ended {
					c.ear().Music(lot.Music)
				}
			})
		})
		c.stepResult(c.stay.park.ID, n, "announced", nil)
	case parking.Alert:
		c.notify(routing.Notify{Channel: orText(s.Channel, "webhook"), Template: "park_alert", To: s.To, Vars: c.scope()})
		c.stepResult(c.stay.park.ID, n, "alerted", nil)
	case parking.OfferCallback:
		st := c.stay
		c.ear().Play(clips(s.To), func(whole bool) {
			c.mb.post(func() {
				if whole && c.stay == st && c.talk == nil && c.taking == nil && !c.ended {
					c.ear().Music(st.lot.Music)
				}
			})
		})
		st.mayCall = true // from now on, also while it is being said
		c.stepResult(st.park.ID, n, "offered", nil)
	case parking.Goto:
		c.endAt(n)
	}
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

func orText(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// remind sends the parker a text; a slot without a known parker has nobody to remind.
func (c *Call) remind(n int, s parking.Step) {
	agents, _, _ := c.who(orText(s.To, "parker"))
	if len(agents) == 0 {
		c.stepResult(c.stay.park.ID, n, "no_parker", nil)
		return
	}
	p := c.stay.park
	text := fmt.Sprintf("%s has been waiting in slot %d for %s. Dial %d to take the call.", c.display(), p.Slot, age(p.ParkedAt), p.Slot)
	if _, note := c.noteOf(); note != "" {
		text += " Note: " + note
	}
	for _, a := range agents {
		c.hub.cfg.Dialer.Message(a, text)
	}
	c.stepResult(c.stay.park.ID, n, "reminded", map[string]any{"agents": agents})
}

func (c *Call) display() string {
	if c.from.Name != "" {
		return c.from.Name
	}
	if c.from.Number != "" {
		return string(c.from.Number)
	}
	return "A caller"
}

func age(since time.Time) string {
	d := time.Since(since).Round(time.Second)
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// ringFor recalls the parker or offers the call to others.
func (c *Call) ringFor(n int, via string, ring time.Duration, whoever bool, s parking.Step, to string) {
	targets, p := strings.Split(to, ","), c.stay.park
	c.knowing(targets, 0, func() {
		if c.ended || c.stay == nil || !c.stay.has(p.ID) || c.stay.leaving || c.busy() {
			c.stepResult(p.ID, n, "claimed", nil)
			return
		}
		for r := range c.rounds {
			if r.via == "recall" || r.via == "offer" {
				c.stopRinging(r, call.NoAnswer) // one step's phones at a time; a queue's go on
			}
		}
		p = c.stay.park
		note, subject := c.noteOf()
		t := &turns{
			via: via, step: &n, strategy: s.Strategy, ring: ring, whoever: whoever,
			inv:  Invitation{Display: fmt.Sprintf("%d %s %s%s", p.Slot, age(p.ParkedAt), c.display(), note), Subject: subject, Diverted: fmt.Sprint(p.Slot)},
			over: func(why call.Cause) { c.stepResult(p.ID, n, string(why), nil) },
		}
		if !c.ringAll(t, targets) {
			result := "nobody"
			if to == "parker" {
				result = "no_parker"
			}
			c.stepResult(p.ID, n, result, map[string]any{"to": to})
		}
	})
}

func (c *Call) stepResult(id string, n int, result string, data map[string]any) {
	now := time.Now()
	if c.stay != nil && c.stay.has(id) && c.stay.decided[n] != nil {
		all := maps.Clone(c.stay.decided[n])
		maps.Copy(all, data)
		data = all
	}
	c.parks("step result", func(ctx context.Context, s Parking) error {
		return s.StepResult(ctx, id, n, result, data, now)
	})
}

// expire is the terminal step: the call leaves its slot and goes where the flow,
// or the lot, says.
func (c *Call) expire(n int) {
	s := c.stay
	outcome := orText(s.park.Ladder[n].Outcome, "expired")
	do := onExpired(s.lot)
	next, _, _ := strings.Cut(do, ":")
	if s.node != "" {
		next = routing.NextType(c.flow, s.node, outcome)
	}
	c.leaveSlot(next, outcome, do, call.Actor{Via: "ladder"}, func() {
		s.due = n
		c.overdue()
	})
}

// leaveSlot ends a stay that nobody has ended by taking the call: the flow goes on
// by outcome, to a node of type next; a call that a person parked goes where do
// says. Should the database not take it, again is called a little later.
func (c *Call) leaveSlot(next, outcome, do string, by call.Actor, again func()) {
	s := c.stay
	now := time.Now()
	park := s.park
	s.leaving = true
	c.try(func(ctx context.Context) error {
		_, err := c.hub.cfg.Parking.End(ctx, park.ID, 0, parking.ExpiryReason(next), by, now)
		return err
	}, func(err error) {
		if c.ended || c.stay != s {
			return
		}
		if err != nil && !late(err) {
			c.log.Error("park not expired; trying again", "park", park.ID, "err", err)
			s.leaving = false // until then anyone may take the call
			c.after(time.Second, func() {
				if c.stay == s && !s.leaving {
					again()
				}
			})
			return
		}
		c.left(now)
		c.expired = true
		c.goElsewhere(s, outcome, do, by)
	})
}

// goElsewhere: nobody has taken a call that was parked, and it goes where its flow,
// or do for one that a person parked, says.
func (c *Call) goElsewhere(s *stay, outcome, do string, by call.Actor) {
	c.stopAll(call.Gone)
	c.leaveLineQuietly("expired", by)
	c.ear().Silence()
	if s.node != "" {
		c.resume(outcome, nil)
		return
	}
	c.overflowTo(do, s.lot)
}

func onExpired(l parking.Lot) string { return orText(l.OnExpired, "voicemail:"+l.Name) }

// overflow is where a lot sends a call that a person parked and nobody took: the
// flow that the call was in when it was answered has nothing to say about it.
func (c *Call) overflow(lot parking.Lot) { c.overflowTo(onExpired(lot), lot) }

func (c *Call) overflowTo(where string, lot parking.Lot) {
	do, arg, _ := strings.Cut(where, ":")
	flow, err := routing.Overflow(do, arg)
	if err != nil {
		c.log.Error("lot's on_expired is not understood", "lot", lot.Name, "err", err)
		c.over(call.Failed)
		return
	}
	c.clearWait()
	caller := c.walk.Caller
	if c.firstWalk.Flow == "" {
		c.firstWalk = c.walk
	}
	c.flow, c.walk = flow, routing.Run{}
	run, cmds, err := routing.Start(flow, caller, time.Now())
	c.walked(run, cmds, err)
}
