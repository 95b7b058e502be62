package routing

import (
	"slices"
	"strings"
	"time"
)

// edge leads from one node to another.
type edge struct {
	to string
	at place
}

func (n *node) edges() []edge {
	var out []edge
	for _, outcome := range keys(n.on) {
		out = append(out, edge{n.on[outcome], n.place().in("on").in(outcome)})
	}
	if j, ok := n.do.(jumping); ok {
		for _, x := range j.jumps() {
			at := n.place().in("cfg")
			if at.within == "" {
				at.path, at.key = at.path+"."+x.at, "to"
			}
			out = append(out, edge{n.local(x.to), at})
		}
	}
	return out
}

// graph checks what only shows when the nodes are looked at together.
func (l *linter) graph() {
	l.unreachable()
	l.cycles()
	l.handlers()
	if l.flow.isCalled() {
		return // what its callers have heard before, and waited, is told of them
	}
	l.recordings()
	l.owners()
	if d := l.wait(l.flow.entry, l.linked.humans(), map[string]time.Duration{}); d > patience {
		l.warn(place{}.in("entry"), "a caller may wait %v before anybody's phone rings", d.Round(time.Second))
	}
}

func (l *linter) unreachable() {
	if l.flow.nodes[l.flow.entry] == nil {
		return // nothing is reached; it has been told why
	}
	seen := map[string]bool{}
	for _, from := range []string{l.flow.entry, l.flow.handlers.hangup, l.flow.handlers.failed} {
		l.flow.reach(from, seen, func(*node) bool { return true })
	}
	for _, id := range l.flow.ids() {
		n := l.flow.nodes[id]
		if !seen[id] {
			l.err(n.place(), "no way leads to %q", id)
		}
	}
}

// reach marks the nodes that can be reached, going on only from those that pass.
func (f *Flow) reach(from string, seen map[string]bool, pass func(*node) bool) {
	todo := []string{from}
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		n := f.nodes[id]
		if n == nil || seen[id] {
			continue
		}
		seen[id] = true
		if pass(n) {
			for _, e := range n.edges() {
				todo = append(todo, e.to)
			}
		}
	}
}

// rests: time passes in this node, or somebody is asked. Answering and looking
// up can be over at once. What is in a flow that is called is not known before
// that is linked in.
func (n *node) rests() bool {
	if s, ok := n.do.(*subflow); ok && s.callee == nil {
		return true
	}
	return n.kind != nil && n.kind.Waits && !slices.Contains([]string{"answer", "crm_lookup", "http"}, n.kind.Type)
}

// cycles finds circles of nodes in which a call would turn without end. Each is
// told once, at its first node.
func (l *linter) cycles() {
	const (
		unseen = iota
		open
		done
	)
	state := map[string]int{}
	var trail []string
	var visit func(id string)
	visit = func(id string) {
		n := l.linked.nodes[id]
		if n == nil || n.rests() || state[id] == done {
			return
		}
		if state[id] == open {
			circle := trail[slices.Index(trail, id):]
			first := l.linked.nodes[slices.Min(circle)]
			if !slices.ContainsFunc(circle, l.ours) {
				return // a fault of the flow that is called
			}
			l.err(first.place(), "a circle without a wait: %s", strings.Join(append(slices.Clone(circle), id), " → "))
			return
		}
		state[id] = open
		trail = append(trail, id)
		for _, e := range n.edges() {
			visit(e.to)
		}
		trail = trail[:len(trail)-1]
		state[id] = done
	}
	for _, id := range l.linked.ids() {
		visit(id)
	}
}

// ours: the node stands in the document.
func (l *linter) ours(id string) bool { return l.flow.nodes[id] != nil }

// handlers warns of nodes that the hang-up handler cannot carry out.
func (l *linter) handlers() {
	l.linked.reach(l.flow.handlers.hangup, map[string]bool{}, func(n *node) bool {
		if n.kind != nil && n.kind.Waits {
			l.warn(n.place(), "the hang-up handler ends here: the caller has gone when it runs")
			return false
		}
		return true
	})
}

// recordings warns of conversations that are recorded on a way on which nothing
// has been played to the caller.
func (l *linter) recordings() {
	l.linked.reach(l.flow.entry, map[string]bool{}, func(n *node) bool {
		if d, ok := n.do.(*dial); ok && d.Record {
			l.warn(n.place().in("cfg").in("record"), "the conversation is recorded without an announcement before it")
		}
		if n.do == nil && n.kind != nil && n.kind.Type == "record" {
			return false // what it was meant to do cannot be told
		}
		switch d := n.do.(type) {
		case *play:
			return false
		case *recording:
			if d.Do == "start" && !d.announces() {
				l.warn(n.place().in("cfg").in("consent"), "conversations are recorded without an announcement before")
			}
			return !d.announces()
		}
		return true
	})
}

// owners warns of nodes that count on the record's owner on a way on which
// nobody has looked the caller up.
func (l *linter) owners() {
	l.linked.reach(l.flow.entry, map[string]bool{}, func(n *node) bool {
		cfg := n.place().in("cfg")
		if n.kind == nil || n.kind.Type == "crm_lookup" {
			return false
		}
		switch d := n.do.(type) {
		case *subflow:
			return d.callee != nil // else it may look the caller up
		case *dial:
			if len(d.Targets) == 1 && d.Targets[0] == "owner" {
				l.warn(cfg.in("targets").item(0), "nobody is the owner: no crm_lookup comes before")
			}
		case *voicemail:
			if d.Box == "owner" {
				l.warn(cfg.in("box"), "nobody is the owner: no crm_lookup comes before")
			}
		}
		return true
	})
}

// wait is the longest time from a node on until somebody's phone rings, along
// ways that come to one. A way that turns in a circle is followed once.
func (l *linter) wait(id string, humans map[string]bool, known map[string]time.Duration) time.Duration {
	n := l.linked.nodes[id]
	if d, ok := known[id]; ok || n == nil || !humans[id] {
		return d
	}
	known[id] = 0
	var here time.Duration
	if lasts, ok := n.do.(lasting); ok {
		d, human := lasts.untilHuman()
		if here = d; human {
			known[id] = d
			return d
		}
	}
	var longest time.Duration
	for _, e := range n.edges() {
		longest = max(longest, l.wait(e.to, humans, known))
	}
	known[id] = here + longest
	return known[id]
}

// humans are the nodes from which somebody's phone can come to ring.
func (f *Flow) humans() map[string]bool {
	before := map[string][]string{}
	var todo []string
	for id, n := range f.nodes {
		for _, e := range n.edges() {
			before[e.to] = append(before[e.to], id)
		}
		if lasts, ok := n.do.(lasting); ok {
			if _, human := lasts.untilHuman(); human {
				todo = append(todo, id)
			}
		}
	}
	found := map[string]bool{}
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !found[id] {
			found[id] = true
			todo = append(todo, before[id]...)
		}
	}
	return found
}
