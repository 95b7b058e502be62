package sim

import (
	"cmp"
	"strings"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// read carries out a flow's reading.
func (c *stage) read(cmd routing.Read) {
	told, unknown := c.cast.reads(cmd)
	switch {
	case unknown != "":
		c.stop(unknown)
	case told != nil:
		c.await(milliseconds(told.AfterMS), told.Outcome, told.Vars)
	default:
		if vars, ok := c.reading(cmd.Needed, c.stood, c.talked); ok {
			c.resume(routing.ReadOutcome, vars)
		}
	}
}

// stepReads reads what a step's expressions want to know; false if the call goes no
// further.
func (c *stage) stepReads(s parking.Step) bool {
	need := routing.NeededBy(s.When).And(routing.NeededBy(s.Priority))
	if c.stay.read = nil; need.Nothing() {
		return true
	}
	vars, unknown := c.cast.stepReads(s)
	if unknown != "" {
		c.stop(unknown)
		return false
	}
	if vars == nil {
		own := cmp.Or(s.Queue, c.stood)
		if c.line != nil {
			own = c.line.queue
		}
		var ok bool
		if vars, ok = c.reading(need, own, ""); !ok { // a flow has parked the call
			return false
		}
	}
	c.stay.read = vars
	return true
}

// reading is how queues and reps are in the world of the call; false if that is
// not known.
func (c *stage) reading(need routing.Needed, own, rep string) (map[string]any, bool) {
	vars := map[string]any{"rep": map[string]any{}}
	now := c.clock.now
	imagine := func(name string) queues.Agent {
		a, _ := c.world.agent(name)
		m, unknown := c.cast.manner(name)
		if unknown != "" {
			c.stop(unknown)
		}
		a.Status, a.State, a.Devices = m.status, queues.Idle, 0
		if m.phone {
			a.Devices = 1
		}
		if c.known[name] { // rung, or in conversation, in this call
			if is, err := c.lines.Agent(c.ctx, name); err == nil {
				a.State = is.State
			}
		}
		if m.busy {
			a.State = queues.Talking
		}
		return a
	}
	vars["queue"] = need.Read(own, func(name string) map[string]any {
		q, ok := c.world.queue(name)
		if !ok {
			return nil
		}
		var agents []queues.Agent
		for _, as := range q.Agents {
			agents = append(agents, imagine(as.Agent))
		}
		waiting, err := c.lines.Waiting(c.ctx, name)
		c.fail(err)
		return queues.LoadOf(q, waiting, agents, now).Words(name)
	})
	if need.Rep && rep != "" {
		a := imagine(rep)
		vars["rep"] = a.Words()
	}
	return vars, !c.over()
}

// reads: as it was then.
func (m *memories) reads(c routing.Read) (*routing.Foretold, string) {
	f, ok, unknown := m.foretold("", "how queues and reps were", c)
	if !ok {
		return nil, unknown
	}
	return &f, ""
}

// stepReads: by what the same condition was decided then.
func (m *memories) stepReads(s parking.Step) (map[string]any, string) {
	for _, f := range m.past.Facts {
		if !routing.NeededBy(s.Priority).Nothing() {
			break // it is not noted what that was made of
		}
		in, ok := f.Data["inputs"].(map[string]any)
		if f.Type != call.ParkStepResult || !ok || f.Data["when"] != s.When {
			continue
		}
		m.stage.assume("what %s reads of queues and reps is as it was", s.When)
		vars := map[string]any{}
		for path, v := range in {
			put(vars, strings.Split(path, "."), v)
		}
		return vars, ""
	}
	return nil, "the call never read what " + cmp.Or(s.When, s.Priority) + " wants to know of queues and reps"
}

// put writes a value to its place among others.
func put(in map[string]any, path []string, v any) {
	if len(path) == 1 {
		in[path[0]] = v
		return
	}
	next, ok := in[path[0]].(map[string]any)
	if !ok {
		next = map[string]any{}
		in[path[0]] = next
	}
	put(next, path[1:], v)
}
