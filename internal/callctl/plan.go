package callctl

import (
	"slices"
	"strconv"
	"strings"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// Plan is the configuration that live calls are routed by, as one immutable
// value: whoever changes the configuration makes a new one.
type Plan struct {
	Numbers  map[call.Number]string   // → name of the flow
	Flows    map[string]*routing.Flow // live versions by name
	Canaries map[string]Canary        // versions that are tried beside them, by the flow's name
	Lots     []parking.Lot
	Agents   map[string]queues.Agent // by name
	Queues   map[string]queues.Queue // by name
	Trunks   []routing.Trunk
}

// Lot finds a lot by its name.
func (p *Plan) Lot(name string) (parking.Lot, bool) {
	for _, l := range p.Lots {
		if l.Name == name {
			return l, true
		}
	}
	return parking.Lot{}, false
}

// Slot finds the lot that a dialled slot code belongs to.
func (p *Plan) Slot(dialled string) (parking.Lot, int, bool) {
	n, err := strconv.Atoi(dialled)
	if err != nil {
		return parking.Lot{}, 0, false
	}
	for _, l := range p.Lots {
		if l.First <= n && n <= l.Last {
			return l, n, true
		}
	}
	return parking.Lot{}, 0, false
}

// Place finds where a dialled address parks: a lot's extension (slot 0, the
// next free one) or one of its slots.
func (p *Plan) Place(dialled string) (parking.Lot, int, bool) {
	for _, l := range p.Lots {
		if l.Extension != "" && l.Extension == dialled {
			return l, 0, true
		}
	}
	return p.Slot(dialled)
}

// Agent finds an agent by name or extension.
func (p *Plan) Agent(dialled string) (queues.Agent, bool) {
	if a, ok := p.Agents[dialled]; ok {
		return a, true
	}
	for _, a := range p.Agents {
		if a.Extension != "" && a.Extension == dialled {
			return a, true
		}
	}
	return queues.Agent{}, false
}

// Number finds the flow of a dialled number. Carriers differ in how they write
// one: with a plus sign, with 00, or with neither.
func (p *Plan) Number(dialled string) (call.Number, *routing.Flow, bool) {
	digits := strings.TrimPrefix(strings.TrimPrefix(dialled, "+"), "00")
	for _, n := range []call.Number{call.Number(dialled), call.Number("+" + digits), call.Number(digits)} {
		if name, ok := p.Numbers[n]; ok {
			f := p.Flows[name]
			return n, f, f != nil
		}
	}
	return call.Number(dialled), nil, false
}

// Team lists the names of a team's agents, or of all who serve a queue of that name.
func (p *Plan) Team(name string) []string {
	var out []string
	for _, a := range p.Agents {
		for _, t := range a.Teams {
			if t == name {
				out = append(out, a.Name)
			}
		}
	}
	if len(out) == 0 {
		for _, as := range p.Queues[name].Agents {
			out = append(out, as.Agent)
		}
	}
	slices.Sort(out)
	return out
}

// Outward is the trunk that calls to the outside take, if there is one.
func (p *Plan) Outward() (routing.Trunk, bool) {
	for _, t := range p.Trunks {
		if len(t.Gateways()) > 0 {
			return t, true
		}
	}
	return routing.Trunk{}, false
}
