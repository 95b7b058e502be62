package callctl

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

// passedOver is somebody who is not rung, and why.
type passedOver struct {
	Who string `json:"who"` // an agent, or a target that nobody stands behind
	Why string `json:"why"`
}

// maxPassedOver bounds what the ledger keeps of a choice.
const maxPassedOver = 20

// stickyWithin bounds how long it may take to find who talked with a caller last.
const (
	stickyWithin = 500 * time.Millisecond
	stickyFor    = 60 * 24 * time.Hour // how long ago that may be, unless a dial says
)

// knowing finds out what targets need to be known for, beside the call: who
// talked with the caller last. Then runs on the call's goroutine in any case.
func (c *Call) knowing(targets []string, ago time.Duration, then func()) {
	if !slices.Contains(targets, "sticky") || c.hub.cfg.Sticky == nil || c.from.Number == "" {
		then()
		return
	}
	number, since := c.from.Number, time.Now().Add(-orElse(ago, stickyFor))
	var agent string
	var err error
	c.fork(stickyWithin, func(ctx context.Context) { agent, err = c.hub.cfg.Sticky(ctx, number, since) }, func() {
		if err != nil {
			c.log.Warn("not known who talked with the caller last", "err", err)
		}
		c.sticky = agent
		then()
	})
}

// who expands the targets of a dial or an offer to agent names and numbers.
// Targets that nobody stands behind come back with why.
func (c *Call) who(targets ...string) (agents []string, numbers []call.Number, nobody []passedOver) {
	plan := c.hub.cfg.Plan()
	seen := map[string]bool{}
	add := func(target, otherwise string, names ...string) {
		found := false
		for _, n := range names {
			a, ok := plan.Agent(n)
			if ok && !seen[a.Name] {
				seen[a.Name] = true
				agents = append(agents, a.Name)
			}
			found = found || ok
		}
		if !found {
			nobody = append(nobody, passedOver{target, otherwise})
		}
	}
	for _, t := range targets {
		kind, name, ok := strings.Cut(t, ":")
		switch {
		case t == "owner":
			add(t, "no agent is known to own the caller's record", c.owner())
		case t == "sticky":
			add(t, "no agent has talked with this caller lately", c.sticky)
		case t == "parker":
			parker := ""
			if c.stay != nil {
				parker = c.stay.park.Parker
			}
			add(t, "nobody has parked the call", parker)
		case ok && kind == "agent":
			add(t, "there is no such agent", name)
		case ok && kind == "team":
			add(t, "nobody is in it", plan.Team(name)...)
		case ok && kind == "skill":
			add(t, "nobody has it", plan.Skill(name)...)
		case ok && kind == "queue":
			var names []string
			for _, a := range plan.Queues[name].Agents {
				names = append(names, a.Agent)
			}
			add(t, "nobody serves it", names...)
		case ok && kind == "number":
			numbers = append(numbers, call.Number(name))
		default:
			add(t, "there is no such agent", t)
		}
	}
	return agents, numbers, nobody
}

// Skill lists the names of the agents who have a skill.
func (p *Plan) Skill(name string) []string {
	var out []string
	for _, a := range p.Agents {
		if slices.Contains(a.Skills, name) {
			out = append(out, a.Name)
		}
	}
	slices.Sort(out)
	return out
}

// choosing is what a round was chosen from, until it has been written down.
type choosing struct {
	strategy string
	step     *int         // of the ladder
	nobody   []passedOver // targets that nobody stands behind
}

// chosen writes down who is rung, and who is not and why.
func (c *Call) chosen(r *round, agents []string, numbers []call.Number, not []passedOver) {
	not = append(slices.Clone(r.from.nobody), not...)
	r.from.nobody = nil // said once
	data := map[string]any{"chosen": append([]string{}, agents...)}
	if len(numbers) > 0 {
		data["numbers"] = numbers
	}
	if r.from.strategy != "" {
		data["strategy"] = r.from.strategy
	}
	if r.from.step != nil {
		data["step"] = *r.from.step
	}
	if more := len(not) - maxPassedOver; more > 0 {
		data["more_rejected"] = more
		not = not[:maxPassedOver]
	}
	if len(not) > 0 {
		data["rejected"] = not
	}
	c.note(call.Event{Type: call.Chosen, Node: c.wait.node, Actor: call.Actor{Via: r.via}, Data: data})
}

// unwilling says of agents who are not rung why that is.
func unwilling(there []queues.Agent, names, rung []string, whoever bool, otherwise string) (out []passedOver) {
	for _, n := range names {
		if slices.Contains(rung, n) {
			continue
		}
		why := "not known any more"
		if i := slices.IndexFunc(there, func(a queues.Agent) bool { return a.Name == n }); i >= 0 {
			if why = there[i].Unwilling(whoever); why == "" {
				why = otherwise
			}
		}
		out = append(out, passedOver{n, why})
	}
	return out
}
