package routing

import (
	"fmt"
	"strings"
)

// subflow goes through another flow and comes back by what that flow returns.
// Link puts the other flow's nodes in; one that is not linked fails.
type subflow struct {
	Flow   string         `json:"flow"`
	Params map[string]any `json:"params"`

	params assignments
	callee *Flow // once linked
}

func subflowType() kind {
	return kind{NodeType{
		Type: "subflow", Doc: "Goes through another flow and comes back when that reaches a return node. Its nodes are called <this node>/<their name>. The version is the one that is live when the call begins.",
		Cfg: object(fields{
			"flow":   name(FlowName, "a published flow"),
			"params": mapOf(variableName, &Schema{Format: Template, Description: "a text, a number, or true or false; text may hold {{…}}"}).describedAs("set as vars.<name> before"),
		}, "flow"),
		Outcomes: []string{returned},
	}, as[subflow]}
}

// returned is the outcome of a subflow whose return node names none.
const returned = "returned"

func (s *subflow) prepare(*Flow) { s.params = prepareAssignments(s.Params) }

func (s *subflow) pass(w *walk) turn {
	if s.callee == nil {
		return turn{failed: true, reason: fmt.Sprintf("flow %q is not linked in", s.Flow)}
	}
	t := turn{outcome: called, rule: "flow", reason: fmt.Sprintf("calls %s, version %d", s.Flow, s.callee.version)}
	if len(s.params) > 0 {
		s.params.assign(w)
		t.reason += " with " + strings.Join(keys(s.Params), ", ")
	}
	return t
}

// called is how a linked subflow node is left for the first node of the other flow.
const called = "called"

func (s *subflow) lint(_ *node, at place, out *faults) { s.params.lint(at.in("params"), s.Params, out) }

// leave is where a called flow ends and its caller goes on. In a flow that no
// other has called it ends the call.
type leave struct {
	Outcome string `json:"outcome"`
}

func returnType() kind {
	return kind{NodeType{
		Type: "return", Doc: "Ends a flow that another one calls: that goes on by the outcome named here. In a flow that was not called the call ends.",
		Cfg:      object(fields{"outcome": text("an outcome of the subflow node that called").withDefault(returned)}),
		Outcomes: []string{},
	}, as[leave]}
}

func (l *leave) pass(w *walk) turn {
	t := turn{outcome: l.Outcome, rule: "outcome"}
	if by := w.here.caller(); by != "" {
		t.reason = fmt.Sprintf("returns %s to %s", l.Outcome, by)
	}
	return t
}

func (l *leave) lint(_ *node, at place, out *faults) {
	if !outcomeNames.MatchString(l.Outcome) || l.Outcome == "default" {
		out.err(at.in("outcome"), "%q is no name of an outcome", l.Outcome)
	}
}

// returns are the outcomes that a flow can come back with when it is called.
func (f *Flow) returns() []string {
	seen := map[string]bool{}
	for _, n := range f.nodes {
		if l, ok := n.do.(*leave); ok {
			seen[l.Outcome] = true
		}
	}
	return keys(seen)
}

// isCalled: the flow is meant to be called by others.
func (f *Flow) isCalled() bool { return len(f.returns()) > 0 }

// Calls are the names of the flows that subflow nodes name, in order.
func (f *Flow) Calls() []string {
	seen := map[string]bool{}
	for _, n := range f.nodes {
		if s, ok := n.do.(*subflow); ok {
			seen[s.Flow] = true
		}
	}
	return keys(seen)
}
