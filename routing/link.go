package routing

import (
	"cmp"
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

// Parts find what a flow can be linked with by name: flows to run and shared
// calendars. They return nil for what is not there; a nil function has nothing.
type Parts struct {
	Flow     func(name string) *Flow
	Calendar func(name string) *Calendar
}

// Link is the flow with the flows that its subflow nodes name put in, and those
// that they name in turn: their nodes get the subflow node's name before their own
// ("qualify/hours"). Nodes that name a calendar which their flow does not have are
// given the shared one. The flow that comes back is as immutable as any, so that a
// call keeps the versions it began with. The error is a *LinkError: a flow or a
// calendar that is not there, flows that call each other in a circle or more than
// five deep.
func Link(f *Flow, with Parts) (*Flow, error) {
	if len(f.broken) > 0 || len(f.Calls()) == 0 && len(f.shared) == 0 {
		return f, nil
	}
	g := *f
	g.nodes, g.subflows, g.revisions = map[string]*node{}, map[string]int{}, map[string]int{}
	l := &linker{into: &g, with: with, calendars: map[string]*calendar{}}
	g.zone = cmp.Or(l.zone(f), time.UTC)
	for _, id := range f.ids() {
		l.node(f, f.nodes[id], nil, []string{f.name})
	}
	if len(l.found) > 0 {
		return nil, &LinkError{f.name, l.found.sorted()}
	}
	g.subflows, g.revisions = some(g.subflows), some(g.revisions)
	return &g, nil
}

// some is a map, or nil if nothing is in it, as JSON that leaves it out brings it back.
func some(m map[string]int) map[string]int {
	if len(m) == 0 {
		return nil
	}
	return m
}

// Subflows are the versions of the flows that were put in by Link, by name.
func (f *Flow) Subflows() map[string]int { return maps.Clone(f.subflows) }

// Calendars are the revisions of the shared calendars that were put in by Link, by name.
func (f *Flow) Calendars() map[string]int { return maps.Clone(f.revisions) }

// linker copies nodes into a flow.
type linker struct {
	faults
	into      *Flow
	with      Parts
	calendars map[string]*calendar // that were asked for; nil: there is none
	full      bool
}

// calendar finds a shared one, and notes its revision.
func (l *linker) calendar(name string) *calendar {
	if c, asked := l.calendars[name]; asked {
		return c
	}
	l.calendars[name] = nil
	if l.with.Calendar != nil {
		if c := l.with.Calendar(name); c != nil {
			l.calendars[name], l.into.revisions[name] = c.hours, c.revision
		}
	}
	return l.calendars[name]
}

// zone is that of the calendars a flow has and names, nil if there are none.
func (l *linker) zone(f *Flow) *time.Location {
	all := slices.Collect(maps.Values(f.calendars))
	for _, name := range f.shared {
		if c := l.calendar(name); c != nil {
			all = append(all, c)
		}
	}
	return commonZone(all)
}

// onCalendar gives a node the calendar that it names, if that is a shared one.
func (l *linker) onCalendar(n *node, flow *Flow) {
	do, ok := n.do.(dated)
	if !ok || !slices.Contains(flow.shared, do.calendarName()) {
		return
	}
	c := l.calendar(do.calendarName())
	if c == nil {
		l.err(n.place().in("cfg").in("calendar"), "%s", noCalendar(do.calendarName()))
		return
	}
	n.do = do.onCalendar(c)
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

// node copies one of a flow, and with a subflow node what it calls.
func (l *linker) node(f *Flow, n *node, from *origin, chain []string) {
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
	l.onCalendar(&c, f)
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
	var callee *Flow
	if l.with.Flow != nil {
		callee = l.with.Flow(s.Flow)
	}
	if callee == nil || len(callee.broken) > 0 {
		l.err(at, "%s", noFlow(s.Flow))
		return
	}
	linked := *s
	linked.callee = callee
	n.do = &linked
	l.into.subflows[callee.name] = callee.version
	back := n.on
	from := &origin{flow: callee, prefix: n.id + "/", by: n, zone: l.zone(callee), caller: chain[len(chain)-2]}
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
	if from.zone == nil { // it has no clock of its own
		from.zone = l.into.zone
		if n.from != nil {
			from.zone = n.from.zone
		}
	}
	n.on = map[string]string{called: from.prefix + callee.entry}
	for _, id := range callee.ids() {
		l.node(callee, callee.nodes[id], from, chain)
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
