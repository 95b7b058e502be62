package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	maxCalls  = 5    // flows within flows
	maxLinked = 5000 // nodes of all of them together
)

// LinkError says which subflows of a flow cannot be put in: everything at once.
type LinkError struct {
	Flow     string
	Findings Findings
}

func (e *LinkError) Error() string {
	return fmt.Sprintf("flow %s: %s: %s", e.Flow, e.Findings[0].Location, e.Findings[0].Message)
}

// Link is the flow with the flows that its subflow nodes name put in, and those
// that they name in turn: their nodes get the subflow node's name before their own
// ("qualify/hours"). Lookup finds a flow by name and returns nil if there is none
// to run. The flow that comes back is as immutable as any, so that a call keeps
// the versions it began with. The error is a *LinkError: a flow that is not
// there, flows that call each other in a circle or more than five deep.
func Link(f *Flow, lookup func(name string) *Flow) (*Flow, error) {
	if len(f.broken) > 0 || len(f.Calls()) == 0 {
		return f, nil
	}
	g := *f
	g.nodes, g.subflows = map[string]*node{}, map[string]int{}
	l := &linker{into: &g, lookup: lookup}
	for _, id := range f.ids() {
		l.node(f.nodes[id], nil, []string{f.name})
	}
	if len(l.found) > 0 {
		return nil, &LinkError{f.name, l.found.sorted()}
	}
	return &g, nil
}

// Subflows are the versions of the flows that were put in by Link, by name.
func (f *Flow) Subflows() map[string]int { return maps.Clone(f.subflows) }

// linker copies nodes into a flow.
type linker struct {
	faults
	into   *Flow
	lookup func(string) *Flow
	full   bool
}

// origin is where a node that was linked in comes from.
type origin struct {
	flow   *Flow
	prefix string // of the flow's nodes: "qualify/"
	by     *node  // the subflow node, as linked
	back   func(outcome string) (to string)
	failed string         // where the call goes when one of the nodes fails; "" as for the flow that called
	zone   *time.Location // of time.*
	caller string         // name of the flow that calls
}

// node copies one, and with a subflow node what it calls.
func (l *linker) node(n *node, from *origin, chain []string) {
	if len(l.into.nodes) >= maxLinked {
		if !l.full {
			l.err(place{}.in("nodes"), "with all that it calls the flow has more than %d nodes", maxLinked)
		}
		l.full = true
		return
	}
	c := *n
	c.from = from
	if from != nil {
		c.id = from.prefix + n.id
		c.on = make(map[string]string, len(n.on))
		for outcome, to := range n.on {
			c.on[outcome] = from.prefix + to
		}
	}
	l.into.nodes[c.id] = &c
	switch do := n.do.(type) {
	case *leave:
		if from != nil {
			c.on = map[string]string{}
			if to := from.back(do.Outcome); to != "" {
				c.on[do.Outcome] = to
			}
		}
	case *subflow:
		l.call(&c, do, chain)
	}
}

// call puts in what a subflow node calls.
func (l *linker) call(n *node, s *subflow, chain []string) {
	at := n.place().in("cfg").in("flow")
	before := chain
	chain = append(slices.Clip(chain), s.Flow)
	ways := strings.Join(chain, " → ")
	if slices.Contains(before, s.Flow) {
		l.err(at, "flows call each other in a circle: %s", ways)
		return
	}
	if len(chain)-1 > maxCalls {
		l.err(at, "flows call each other more than %d deep: %s", maxCalls, ways)
		return
	}
	callee := l.lookup(s.Flow)
	if callee == nil || len(callee.broken) > 0 {
		l.err(at, "%s", noFlow(s.Flow))
		return
	}
	linked := *s
	linked.callee = callee
	n.do = &linked
	l.into.subflows[callee.name] = callee.version
	back := n.on
	from := &origin{flow: callee, prefix: n.id + "/", by: n, zone: callee.zone, caller: chain[len(chain)-2]}
	from.back = func(outcome string) string {
		if to, ok := back[outcome]; ok {
			return to
		}
		return back["default"]
	}
	if n.from != nil {
		from.failed = n.from.failed
	}
	if callee.handlers.failed != "" {
		from.failed = from.prefix + callee.handlers.failed
	}
	if len(callee.calendars) == 0 { // it has no clock of its own
		from.zone = l.into.zone
		if n.from != nil {
			from.zone = n.from.zone
		}
	}
	n.on = map[string]string{called: from.prefix + callee.entry}
	for _, id := range callee.ids() {
		l.node(callee.nodes[id], from, chain)
	}
}

func noFlow(name string) string { return fmt.Sprintf("there is no published flow %q", name) }

// caller is the node that called the flow this one comes from, as "main/qualify".
func (n *node) caller() string {
	if n == nil || n.from == nil {
		return ""
	}
	_, local := cutLast(n.from.by.id)
	return n.from.caller + "/" + local
}

// local is the id of another node of the flow that this one stands in.
func (n *node) local(id string) string {
	if n.from == nil || id == "" {
		return id
	}
	return n.from.prefix + id
}

// named is the node as its author knows it: "<flow>/<node>", wherever the flow
// was called from.
func (n *node) named(f *Flow) string {
	if n.from == nil {
		return f.name + "/" + n.id
	}
	return n.from.flow.name + "/" + strings.TrimPrefix(n.id, n.from.prefix)
}

func cutLast(id string) (before, last string) {
	i := strings.LastIndexByte(id, '/')
	return id[:max(i, 0)], id[i+1:]
}
