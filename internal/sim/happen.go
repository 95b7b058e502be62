package sim

import (
	"cmp"
	"maps"
	"slices"

	"github.com/callyard/callyard/routing"
)

// happen lets something happen that is written down. What does not fit what the
// call waits for is passed over.
func (c *stage) happen(im *imagination, e routing.ImaginedEvent) {
	if c.over() {
		return
	}
	if e.CRM != nil {
		im.given.CRM, im.given.CRMOutcome = e.CRM, ""
		c.tell("changed", "", "the CRM's record changes")
	}
	if e.Agent != "" && e.Becomes != "" {
		c.becomes(im, e.Agent, e.Becomes)
	}
	switch {
	case e.Hangup:
		c.hangUp()
	case e.Disposition != "":
		c.disposed(e.Disposition)
	case e.Outcome != "":
		if c.wait.forces && c.talk == nil {
			c.comesTo(e.Outcome)
		}
	case e.RetrievedBy != "" || e.AnsweredBy != "":
		c.answers(e)
	case e.Digits != "":
		c.press(e.Digits)
	}
}

// becomes changes how somebody behaves from now on. A phone that rings already
// is answered as it was going to be.
func (c *stage) becomes(im *imagination, who, manners string) {
	agents := make(map[string]string, len(im.given.Agents)+1)
	maps.Copy(agents, im.given.Agents)
	agents[who] = manners
	im.given.Agents = agents
	c.tell("changed", who, "%s is %s from now on", who, manners)
	names := make([]string, 0, len(c.known))
	for name := range c.known {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if _, err := c.lines.Agent(c.ctx, name); err == nil {
			m, _ := im.manner(name)
			c.behaves(name, m)
		}
	}
}

// comesTo ends what is waited for, whatever it is.
func (c *stage) comesTo(outcome string) {
	c.tell("comes_to", "", "what is waited for comes to %s", outcome)
	c.leaveAll(outcome, failedPark)
	c.hear("silence", "")
	c.resume(outcome, nil)
}

// answers: somebody takes the parked call, or answers what rings, or the queue.
func (c *stage) answers(e routing.ImaginedEvent) {
	if c.talk != nil {
		return
	}
	who := cmp.Or(e.RetrievedBy, e.AnsweredBy)
	if e.RetrievedBy == "" {
		for _, r := range c.rounds {
			for _, x := range r.rings {
				if !x.done && (x.who == who || x.who == "agent:"+who) {
					c.won(r, x.who)
					return
				}
			}
		}
	}
	switch {
	case c.stay != nil:
		c.takenBy(who, "dial")
	case e.RetrievedBy != "":
	case c.line != nil:
		c.takenBy(who, "queue")
	case len(c.rounds) > 0:
		c.stopRinging()
		c.takenBy(who, "dial")
	}
}
