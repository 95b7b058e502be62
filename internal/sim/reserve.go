package sim

import (
	"slices"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

// cares makes an agent known to the store, as they behave now.
func (c *stage) cares(name string) bool {
	a, ok := c.world.agent(name)
	if !ok && c.world.Open {
		a, ok = queues.Agent{Name: name}, true
	}
	if !ok {
		return false
	}
	m, unknown := c.cast.manner(name)
	if unknown != "" {
		c.stop(unknown)
		return false
	}
	if !c.known[name] {
		c.known[name] = true
		a.Status = m.status
		c.fail(c.lines.SaveAgent(c.ctx, a))
	}
	c.behaves(name, m)
	return true
}

// behaves brings the store in line with how an agent is.
func (c *stage) behaves(name string, m manner) {
	is, err := c.lines.Agent(c.ctx, name)
	c.fail(err)
	if m.phone {
		c.fail(c.lines.SaveDevice(c.ctx, queues.Device{Agent: name, Contact: "sip:" + name, Expires: c.began.Add(2 * maxLength)}))
	} else {
		c.fail(c.lines.RemoveDevices(c.ctx, name, ""))
	}
	switch {
	case m.busy && is.State == queues.Idle:
		c.fail(c.lines.Talk(c.ctx, name, agentElsewhere, c.clock.now))
	case !m.busy && is.Call == agentElsewhere:
		c.fail(c.lines.Free(c.ctx, name, agentElsewhere, 0, c.clock.now))
	}
	if is.Status != m.status {
		c.fail(c.lines.SetStatus(c.ctx, name, m.status, "", c.clock.now))
	}
	c.woken()
}

// reserve asks for agents and rings those it got.
func (c *stage) reserve(r *round, agents, numbers []string, ring time.Duration, one, whoever bool) {
	var there []string
	for _, a := range agents {
		if c.cares(a) {
			there = append(there, a)
		}
		if c.over() {
			return
		}
	}
	if one && len(there) > 1 {
		there = c.longestIdle(there)
	}
	now := c.clock.now
	o := queues.Offer{Call: imaginedID, Agents: there, At: now, Until: now.Add(ring + leaseSlack)}
	got, err := c.lines.Reserve(c.ctx, o, whoever)
	c.fail(err)
	for _, a := range there {
		if !slices.Contains(got.Agents, a) {
			is, _ := c.lines.Agent(c.ctx, a)
			c.tell("not_rung", a, "%s is not rung: %s", a, condition(is))
		}
	}
	c.rounds = append(c.rounds, r)
	if len(got.Agents) == 0 && len(numbers) == 0 {
		c.ends(r, call.Busy)
		return
	}
	r.offer = got.ID
	c.ring(r, got.Agents, numbers, ring)
}

// condition is why somebody cannot be rung.
func condition(a queues.Agent) string {
	switch {
	case a.State != queues.Idle:
		return string(a.State)
	case a.Status != queues.Available:
		return string(a.Status)
	case a.Devices == 0:
		return "no phone is registered"
	}
	return "free"
}

// longestIdle is the one of the agents who could be rung and has waited longest;
// all of them when none could.
func (c *stage) longestIdle(names []string) []string {
	all, err := c.lines.Agents(c.ctx)
	c.fail(err)
	best := -1
	for i := range all {
		if slices.Contains(names, all[i].Name) && all[i].Free() && (best < 0 || all[i].IdleSince.Before(all[best].IdleSince)) {
			best = i
		}
	}
	if best < 0 {
		return names
	}
	return []string{all[best].Name}
}
