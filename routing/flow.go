package routing

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Flow is one version of a call flow, read and ready to be walked. It does not
// change after Parse, so that any number of calls can share it.
type Flow struct {
	name      string
	version   int
	entry     string
	handlers  struct{ hangup, failed string }
	maxVisits int
	nodes     map[string]*node
	calendars map[string]*calendar
	zone      *time.Location // of time.* in expressions
	tests     []Test
	shared    []string       // names of calendars that nodes name and that are not its own
	subflows  map[string]int // versions of the flows that were linked in
	revisions map[string]int // of the shared calendars that were linked in
	doc       []byte
	broken    Findings
}

// node is one node of a flow.
type node struct {
	id   string
	kind *kind // nil if the type is unknown
	cfg  any   // as written
	on   map[string]string
	do   any     // passing, waiting or *hangup; nil if the cfg is faulty
	from *origin // nil in a flow's own nodes

	reads *Needed // nil: nothing
}

// Name is the flow's own name.
func (f *Flow) Name() string { return f.name }

// Version is the number under which the flow was published, 0 for a draft.
func (f *Flow) Version() int { return f.version }

// WithVersion is the same flow as published under a number.
func (f *Flow) WithVersion(n int) *Flow {
	g := *f
	g.version = n
	return &g
}

// Doc is the document the flow was read from. It must not be changed.
func (f *Flow) Doc() []byte { return f.doc }

// Local is t in the zone that time.* is read in: that of the flow's calendars
// if they agree, else UTC.
func (f *Flow) Local(t time.Time) time.Time { return t.In(f.zone) }

// LocalAt is Local for a node, which may be of a flow that was linked in and
// has calendars of its own.
func (f *Flow) LocalAt(node string, t time.Time) time.Time { return t.In(f.zoneOf(f.nodes[node])) }

func (f *Flow) zoneOf(n *node) *time.Location {
	if n != nil && n.from != nil {
		return n.from.zone
	}
	return f.zone
}

// Type of a node, "" if the flow has none of this name.
func (f *Flow) Type(node string) string {
	if n := f.nodes[node]; n != nil && n.kind != nil {
		return n.kind.Type
	}
	return ""
}

// NextType is the type of the node that an outcome of a node leads to, "" if it
// leads nowhere. It lets whoever runs the call look ahead: a conversation that
// is followed by nothing but a hang-up need not be kept up.
func NextType(f *Flow, node, outcome string) string {
	n := f.nodes[node]
	if n == nil {
		return ""
	}
	to, _ := n.target(outcome)
	for range maxSteps { // through the seams of flows that call each other
		next := f.nodes[to]
		if next == nil || len(next.on) != 1 {
			break
		}
		switch do := next.do.(type) {
		case *leave:
			to = next.on[do.Outcome]
			continue
		case *subflow:
			to = next.on[called]
			continue
		}
		break
	}
	return f.Type(to)
}

// target is where an outcome leads: its own edge, else the default.
func (n *node) target(outcome string) (to string, exact bool) {
	if to, ok := n.on[outcome]; ok {
		return to, true
	}
	return n.on["default"], false
}

// place of the node in the document. A node that was linked in has none: what
// is said of it is said of the node that calls its flow.
func (n *node) place() place {
	if n.from == nil {
		return place{}.in("nodes").in(n.id)
	}
	outermost, _, _ := strings.Cut(n.id, "/")
	at := place{}.in("nodes").in(outermost).in("cfg").in("flow")
	at.within = n.id
	return at
}

// ids of all nodes, in order.
func (f *Flow) ids() []string { return slices.Sorted(maps.Keys(f.nodes)) }

const schemaName = "callflow/v1"

const defaultMaxVisits = 200

// id is what nodes may be called.
const id = `^[A-Za-z][A-Za-z0-9_-]{0,63}$`

// documentSchema is a flow document without the cfg of its nodes, which depends
// on their types.
var documentSchema = sync.OnceValue(func() *Schema {
	return object(fields{
		"schema":      choice("", schemaName),
		"name":        {Type: "string", MaxLength: 100},
		"description": text(""),
		"entry":       name(NodeName, "where calls begin"),
		"calendars":   mapOf(id, calendarSchema()),
		"handlers": object(fields{
			"hangup": name(NodeName, "runs once when the call is over; nothing in it can reach the caller"),
			"error":  name(NodeName, "where the call goes when a node has failed"),
		}),
		"limits": object(fields{"max_node_visits": count("nodes that a call may visit in all", defaultMaxVisits, 1, 10000)}),
		"nodes": mapOf(id, object(fields{
			"type": text(""),
			"cfg":  {Type: "object", Each: &Schema{}},
			"on":   mapOf("", name(NodeName, "outcome → node")),
		}, "type")),
		"tests": listOf(testSchema()),
	}, "schema", "name", "entry", "nodes")
})

// Parse reads a flow document. The error is a *ParseError with everything that
// is wrong with the document by itself: its JSON, unknown keys and types, values
// of the wrong kind. The flow that comes with such an error, if one does, can be
// given to Lint, so that all faults are seen at once, but not be run.
func Parse(doc []byte) (*Flow, error) {
	var out faults
	tree, err := readTree(doc, &out)
	if err != nil {
		out.err(place{}, "%v", err)
		return nil, &ParseError{out.found}
	}
	root, ok := tree.(map[string]any)
	if !ok {
		out.err(place{}, "wants an object")
		return nil, &ParseError{out.found}
	}
	schema := documentSchema()
	schema.check(place{}, root, &out)
	f := build(root, &out)
	f.doc = bytes.Clone(doc)
	if len(out.found) > 0 {
		f.broken = out.found.sorted()
		return f, &ParseError{f.broken}
	}
	return f, nil
}

// build makes a flow of what can be read.
func build(root map[string]any, out *faults) *Flow {
	f := &Flow{maxVisits: defaultMaxVisits, nodes: map[string]*node{}, calendars: map[string]*calendar{}, zone: time.UTC}
	f.name, _ = root["name"].(string)
	f.entry, _ = root["entry"].(string)
	handlers := branch(root, "handlers")
	f.handlers.hangup, _ = handlers["hangup"].(string)
	f.handlers.failed, _ = handlers["error"].(string)
	if n, ok := branch(root, "limits")["max_node_visits"].(float64); ok && n >= 1 && n <= 10000 {
		f.maxVisits = int(n)
	}
	calendars, at := branch(root, "calendars"), place{}.in("calendars")
	for _, name := range slices.Sorted(maps.Keys(calendars)) {
		f.calendars[name] = readCalendar(at.in(name), branch(calendars, name), out)
	}
	f.zone = cmp.Or(commonZone(slices.Collect(maps.Values(f.calendars))), time.UTC)
	nodes, at := branch(root, "nodes"), place{}.in("nodes")
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		f.nodes[name] = buildNode(name, branch(nodes, name), at.in(name), out)
	}
	for _, n := range f.nodes {
		if p, ok := n.do.(prepared); ok {
			p.prepare(f)
		}
		n.reads = n.needed()
	}
	f.shared = f.calendarsNamed()
	if tests, ok := root["tests"].([]any); ok && len(out.found) == 0 {
		f.tests = readTests(tests, place{}.in("tests"), out)
	}
	return f
}

// commonZone is that of calendars which agree, else UTC; nil if there are none.
func commonZone(calendars []*calendar) *time.Location {
	var zone *time.Location
	for _, c := range calendars {
		if zone != nil && zone.String() != c.zone.String() {
			return time.UTC
		}
		zone = c.zone
	}
	return zone
}

func buildNode(name string, v map[string]any, at place, out *faults) *node {
	n := &node{id: name, cfg: v["cfg"], on: map[string]string{}}
	for outcome, to := range branch(v, "on") {
		if s, ok := to.(string); ok {
			n.on[outcome] = s
		}
	}
	typ, _ := v["type"].(string)
	k, ok := kinds[typ]
	if !ok {
		if typ != "" {
			out.err(at.in("type"), "there is no node type %q%s", typ, meant(typ, keys(kinds)))
		}
		return n
	}
	n.kind = &k
	if n.cfg == nil {
		n.cfg = map[string]any{}
	}
	before := len(out.found)
	k.Cfg.check(at.in("cfg"), n.cfg, out)
	if len(out.found) > before {
		return n
	}
	cfg, err := json.Marshal(k.Cfg.filled(n.cfg))
	if err == nil {
		n.do, err = k.decode(cfg)
	}
	if err != nil { // cannot be, after the check
		out.err(at.in("cfg"), "%v", err)
	}
	return n
}
