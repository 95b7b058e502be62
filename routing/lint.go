package routing

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/types"
)

// Known says what exists outside the flow. A nil function is not asked.
type Known struct {
	Queue  func(name string) bool
	Lot    func(name string) bool
	Team   func(name string) bool
	Agent  func(name string) bool
	Skill  func(name string) bool // an agent has it
	Prompt func(name string) bool
	// Channel: something can be sent by "webhook", "email", "chat" or "chat:sales".
	Channel func(name string) bool
	// Disposition: reps may choose this code.
	Disposition func(code string) bool
	Flow        func(name string) *Flow     // as it would be called: its live version
	Calendar    func(name string) *Calendar // a shared one, as it is now
	// Names of all there is of a kind ("queue", "lot", "team", "agent", "skill", "prompt",
	// "flow", "calendar", "disposition"), to say what may have been meant.
	Names func(what string) []string
}

// Parts are what a flow is linked with.
func (k Known) Parts() Parts { return Parts{Flow: k.Flow, Calendar: k.Calendar} }

// Lint reports every fault and doubt about a flow: errors first, then warnings.
// A flow that came with a ParseError is told of its faults as well.
func Lint(f *Flow, known Known) Findings {
	if f == nil {
		return nil
	}
	l := &linter{faults: faults{found: slices.Clone(f.broken)}, flow: f, linked: f, known: known}
	l.link()
	l.vars = l.linked.variables()
	l.scope = scopeTypes(l.vars.types)
	l.whole()
	for _, id := range f.ids() {
		l.node(f.nodes[id])
	}
	l.graph()
	return l.found.sorted()
}

type linter struct {
	faults
	flow     *Flow
	linked   *Flow // with what it calls, as far as that is known
	unlinked bool  // it cannot be linked: what its subflows come to is another question
	known    Known
	vars     variables
	scope    types.Map // of expressions
}

// link looks at the flows that are called.
func (l *linter) link() {
	if l.known.Flow == nil {
		return
	}
	g, err := Link(l.flow, Parts{Flow: l.known.Flow, Calendar: l.calendar})
	var bad *LinkError
	if errors.As(err, &bad) {
		l.unlinked = true
		for _, f := range bad.Findings {
			if n := l.flow.nodes[f.Node]; n != nil && f.Message == noFlow(nameCalled(n)) {
				f.Message += meant(nameCalled(n), l.names("flow"))
			}
			l.found = append(l.found, f)
		}
		return
	}
	l.linked = g
}

// calendar finds a shared one. That there is none of a name which the flow itself
// uses is said of its nodes, and keeps nobody from looking at the rest.
func (l *linter) calendar(name string) *Calendar {
	var c *Calendar
	if l.known.Calendar != nil {
		c = l.known.Calendar(name)
	}
	if c == nil && slices.Contains(l.flow.shared, name) {
		c = &Calendar{name: name, hours: &calendar{zone: time.UTC}}
	}
	return c
}

// nameCalled is the flow that a subflow node names.
func nameCalled(n *node) string {
	if s, ok := n.do.(*subflow); ok {
		return s.Flow
	}
	return ""
}

func (l *linter) whole() {
	l.target(place{}.in("entry"), l.flow.entry)
	handlers := place{}.in("handlers")
	switch {
	case l.flow.handlers.hangup != "":
		l.target(handlers.in("hangup"), l.flow.handlers.hangup)
	case !l.flow.isCalled(): // else that of whoever calls it runs
		l.err(handlers.in("hangup"), "there is no handler for hang-up")
	}
	if l.flow.handlers.failed != "" {
		l.target(handlers.in("error"), l.flow.handlers.failed)
	}
	for _, name := range keys(l.flow.calendars) {
		if l.known.Calendar != nil && l.known.Calendar(name) != nil {
			l.warn(place{}.in("calendars").in(name), "goes before the shared calendar of this name, which the flow does not look at")
		}
	}
	for i, t := range l.flow.tests {
		for j, id := range t.Expect.Path {
			if l.linked.nodes[id] == nil && !l.unknownInside(id) {
				l.err(place{}.in("tests").item(i).in("expect").in("path").item(j), "there is no node %q", id)
			}
		}
	}
}

// unknownInside: the node may be one of a flow that is called, and that is not known.
func (l *linter) unknownInside(id string) bool {
	outer, _, inside := strings.Cut(id, "/")
	n := l.flow.nodes[outer]
	return inside && l.linked == l.flow && n != nil && n.kind != nil && n.kind.Type == "subflow"
}

func (l *linter) target(at place, to string) {
	if l.flow.nodes[to] == nil {
		l.err(at, "there is no node %q%s", to, meant(to, l.flow.ids()))
	}
}

func (l *linter) node(n *node) {
	at := n.place()
	for _, outcome := range keys(n.on) {
		l.target(at.in("on").in(outcome), n.on[outcome])
	}
	if n.kind == nil {
		return
	}
	l.edges(n)
	n.kind.Cfg.strings(at.in("cfg"), n.cfg, func(where place, f Format, s string) { l.named(n, where, f, s) })
	if d, ok := n.do.(linted); ok {
		d.lint(n, at.in("cfg"), &l.faults)
	}
}

// edges checks the outcomes of a node against what it can come to.
func (l *linter) edges(n *node) {
	on := n.place().in("on")
	if n.kind.ends() {
		if len(n.on) > 0 {
			l.err(on, "nothing comes after a %s", n.kind.Type)
		}
		return
	}
	possible, all := l.possible(n)
	for _, outcome := range keys(n.on) {
		if outcome != "default" && all && !slices.Contains(possible, outcome) {
			l.err(on.in(outcome), "%s has no outcome %q; there are %s%s", n.kind.Type, outcome, strings.Join(possible, ", "), meant(outcome, possible))
		}
	}
	if _, ok := n.on["default"]; ok {
		return
	}
	if n.kind.branches() {
		l.err(on.in("default"), "a branching node needs a default")
	} else if _, ok := n.on[n.kind.Outcomes[0]]; !ok {
		l.err(on, "leads nowhere: give %q or \"default\"", n.kind.Outcomes[0])
	}
}

// possible are the outcomes that a node can come to, if all of them are known.
func (l *linter) possible(n *node) (outcomes []string, all bool) {
	outcomes, all = slices.Clone(n.kind.Outcomes), n.do != nil
	if b, ok := n.do.(branched); ok {
		outcomes = append(outcomes, b.outcomes()...)
	}
	if s, ok := n.do.(*subflow); ok {
		var callee *Flow
		if l.known.Flow != nil && !l.unlinked {
			callee = l.known.Flow(s.Flow)
		}
		if all = callee != nil; all {
			outcomes = append(outcomes, callee.returns()...)
		}
	}
	slices.Sort(outcomes)
	return slices.Compact(outcomes), all
}

// named checks a string that names or holds something.
func (l *linter) named(n *node, at place, f Format, s string) {
	switch f {
	case NodeName:
		l.target(at, s)
	case QueueName:
		l.exists(at, "queue", s, l.known.Queue)
	case LotName:
		l.exists(at, "lot", s, l.known.Lot)
	case PromptName:
		l.exists(at, "prompt", s, l.known.Prompt)
	case DispositionCode:
		if !strings.HasPrefix(s, "auto:") {
			l.exists(at, "disposition", s, l.known.Disposition)
		}
	case CalendarName:
		l.calendarNamed(at, s)
	case DialTarget:
		l.person(at, s, "owner", "sticky", "agent", "team", "skill", "number")
	case LadderTarget:
		if isAnnouncement(n, at) {
			l.exists(at, "prompt", s, l.known.Prompt)
			return
		}
		l.person(at, s, "owner", "parker", "manager", "sticky", "agent", "team", "skill")
	case Channel:
		if kind := kindOf(s); !slices.Contains([]string{"webhook", "email", "chat"}, kind) || kind != "chat" && kind != s {
			l.err(at, "%q is none of webhook, email, chat, chat:<name>", s)
		} else if l.known.Channel != nil && !l.known.Channel(s) {
			l.err(at, "%s is not configured on this hub", s)
		}
	case MailBox:
		l.box(at, s)
	case Condition:
		l.compiles(at, s, expr.AsBool())
	case Numeric:
		l.compiles(at, s, expr.AsFloat64())
	case PhoneNumber:
		if !dialable.MatchString(s) {
			l.err(at, "%q is no telephone number, such as +34910000000", s)
		}
	case Template:
		t, err := parseTemplate(s)
		if err != nil {
			l.err(at, "%v", err)
		}
		l.reading(at, t.paths)
	case Regexp:
		if _, err := regexp.Compile(s); err != nil {
			l.err(at, "is no regular expression: %v", err)
		}
	case TimeZone, Date, Clock, DateTime, FlowName: // checked where they are read, or linked
	}
}

// calendarNamed checks that there is a calendar, the flow's own or a shared one.
func (l *linter) calendarNamed(at place, name string) {
	near := slices.Concat(keys(l.flow.calendars), l.names("calendar"))
	switch {
	case name == "":
		l.err(at, "names no calendar")
	case l.flow.calendars[name] != nil:
	case l.known.Calendar == nil:
		l.warn(at, "the flow has no calendar %q: only a hub knows whether there is a shared one%s", name, meant(name, near))
	case l.known.Calendar(name) == nil:
		l.err(at, "%s%s", noCalendar(name), meant(name, near))
	}
}

// box checks whose a voicemail box is: without an owner nobody hears its messages.
func (l *linter) box(at place, s string) {
	switch {
	case strings.Contains(s, ":"):
		l.person(at, s, "agent", "team")
	case s == "":
		l.err(at, "names no box")
	case s == "owner" || s == "owner_or_team" || l.known.Team == nil || l.known.Agent == nil || l.known.Queue == nil || l.known.Lot == nil:
	case !l.known.Team(s) && !l.known.Agent(s) && !l.known.Queue(s) && !l.known.Lot(s):
		near := slices.Concat(l.names("team"), l.names("agent"), l.names("queue"), l.names("lot"), []string{"owner", "owner_or_team"})
		l.warn(at, "the box %q has no owner: no team, rep, queue or lot has this name%s", s, meant(s, near))
	}
}

// isAnnouncement: the `to` of an announce step is a prompt. The steps are read as
// they are written: there may be a fault beside it.
func isAnnouncement(n *node, at place) bool {
	cfg, _ := n.cfg.(map[string]any)
	steps, _ := cfg["ladder"].([]any)
	for i, s := range steps {
		if at == n.place().in("cfg").in("ladder").item(i).in("to") {
			step, _ := s.(map[string]any)
			return step["do"] == "announce" || step["do"] == "offer_callback"
		}
	}
	return false
}

func (l *linter) exists(at place, kind, name string, ask func(string) bool) {
	l.existsAs(at, kind, kind, name, ask)
}

// existsAs is exists of a kind that is called something else in texts.
func (l *linter) existsAs(at place, what, kind, name string, ask func(string) bool) {
	if name == "" {
		l.err(at, "names no %s", what)
	} else if ask != nil && !ask(name) {
		l.err(at, "there is no %s %q%s", what, name, meant(name, l.names(kind)))
	}
}

// names are those of a kind, if they are known.
func (l *linter) names(what string) []string {
	if l.known.Names == nil {
		return nil
	}
	return l.known.Names(what)
}

var dialable = regexp.MustCompile(`^\+?[0-9]{2,16}$`)

// kindOf is the first part of "team:enterprise", or the whole of "owner".
func kindOf(target string) string {
	kind, _, _ := strings.Cut(target, ":")
	return kind
}

// person checks "owner", "agent:ann" and the like.
func (l *linter) person(at place, s string, kinds ...string) {
	kind, who, hasName := strings.Cut(s, ":")
	wantsName := kind == "agent" || kind == "team" || kind == "skill" || kind == "number"
	switch {
	case !slices.Contains(kinds, kind) || hasName != wantsName:
		l.err(at, "%q is none of %s", s, strings.Join(spelled(kinds), ", "))
	case kind == "agent":
		l.exists(at, "agent", who, l.known.Agent)
	case kind == "team":
		l.exists(at, "team", who, l.known.Team)
	case kind == "skill":
		l.existsAs(at, "agent with the skill", "skill", who, l.known.Skill)
	case kind == "number" && !dialable.MatchString(who):
		l.err(at, "%q is no number to dial", who)
	}
}

func spelled(kinds []string) []string {
	var out []string
	for _, k := range kinds {
		switch k {
		case "agent", "team", "skill":
			k += ":<name>"
		case "number":
			k += ":<+34…>"
		}
		out = append(out, k)
	}
	return out
}

func (l *linter) compiles(at place, src string, want expr.Option) {
	if !l.reading(at, reads(src)) {
		return // more would only say the same in other words
	}
	if _, err := checked(src, want, l.scope); err != nil {
		l.err(at, "expression %q: %v", src, err)
	}
}

// patience is how long a caller may be in a flow before somebody's phone rings.
const patience = 90 * time.Second
