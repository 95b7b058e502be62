package routing

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	maxSteps     = 50 // nodes visited without waiting
	handlerExtra = maxSteps
)

// HangupOutcome is the Event that says that the caller has gone.
const HangupOutcome = "hangup"

// ErrBroken: a flow that came with a ParseError cannot be run.
var ErrBroken = errors.New("the flow has faults")

// Start begins the walk of a call through a flow. The run that comes back waits
// at a node for an Event, or has ended. The error is ErrBroken or nil: a node
// that fails goes to the flow's error handler.
func Start(f *Flow, caller Caller, now time.Time) (Run, []Command, error) {
	return StartWith(f, caller, now, nil)
}

// StartWith is Start with variables that are there from the first.
func StartWith(f *Flow, caller Caller, now time.Time, vars map[string]any) (Run, []Command, error) {
	run := Run{Flow: f.name, Version: f.version, Subflows: f.subflows, Calendars: f.revisions, Caller: caller, Vars: map[string]any{}, StartedAt: now}
	merge(run.Vars, brought(vars))
	if len(f.broken) > 0 {
		run.Ended = true
		return run, nil, fmt.Errorf("start flow %s: %w", f.name, ErrBroken)
	}
	w := &walk{flow: f, run: &run, now: now}
	w.from(f.entry)
	return run, w.cmds, nil
}

// Resume goes on with a run when what it waits for has happened. An event for
// another node than the one that waits changes nothing; HangupOutcome is for
// whatever node, and runs the hang-up handler once, even after the flow has
// ended by itself; a disposition that is asked goes on being asked. The run given is not changed. An error says that the run is
// not one of this flow.
func Resume(f *Flow, run Run, e Event) (Run, []Command, error) {
	switch {
	case len(f.broken) > 0:
		return run, nil, fmt.Errorf("resume flow %s: %w", f.name, ErrBroken)
	case e.Outcome == HangupOutcome && !run.Hungup:
		return hangUp(f, run, e)
	case run.Reading && e.Node == run.At && e.Outcome != HangupOutcome:
		return haveRead(f, run, e)
	case run.Ended || run.At == "" || e.Node != run.At || e.Outcome == HangupOutcome:
		return run, nil, nil
	}
	n := f.nodes[run.At]
	if n == nil {
		return run, nil, fmt.Errorf("resume flow %s: it has no node %q", f.name, run.At)
	}
	do, ok := n.do.(waiting)
	if !ok {
		return run, nil, fmt.Errorf("resume flow %s: nothing is awaited at %q", f.name, run.At)
	}
	run = run.copied()
	e.Vars = brought(e.Vars)
	run.tell(e)
	merge(run.Vars, e.Vars)
	w := &walk{flow: f, run: &run, now: e.At, here: n}
	was := run.Asked
	run.At, run.Asked = "", nil
	t := do.told(w, n, e)
	t.inputs = joined(was, t.inputs)
	if (t.outcome == "error" || t.outcome == "failed") && !slices.Contains(n.kind.Outcomes, t.outcome) {
		if _, wanted := n.on[t.outcome]; !wanted {
			t.failed = true
		}
	}
	switch {
	case t.again != nil:
		w.decided(n, n.explained(t, true), n.id)
		run.At, run.Asked = n.id, was
		w.cmds = append(w.cmds, t.again)
	case t.failed:
		w.from(w.failed(n, strings.TrimSuffix("the node came to "+t.outcome+"; "+t.reason, "; ")))
	default:
		w.from(w.left(n, t))
	}
	return run, w.cmds, nil
}

func hangUp(f *Flow, run Run, e Event) (Run, []Command, error) {
	run = run.copied()
	e.Vars = brought(e.Vars)
	run.tell(e)
	merge(run.Vars, e.Vars)
	after, cmds, asks := f.afterTalk(run, e.Talked, e.At)
	if asks {
		run = after
	}
	asked := run.At
	asks = asks || f.asks(asked) // was before, and goes on being asked
	w := &walk{flow: f, run: &run, now: e.At}
	run.Hungup = true
	if n := f.nodes[run.At]; n != nil {
		w.decided(n, turn{outcome: HangupOutcome, rule: "handlers.hangup", reason: "the caller has gone", inputs: run.Asked}, f.handlers.hangup)
	}
	asking := run.Asked
	run.At, run.Asked, run.Reading = "", nil, false
	w.from(f.handlers.hangup)
	run.Ended = true
	if asks {
		run.At, run.Ended, run.Asked = asked, false, asking
		w.cmds = append(w.cmds, cmds...) // what waits is asked last
	}
	return run, w.cmds, nil
}

// copied is a run that can be changed without changing r. Maps within Vars are
// replaced, never written to.
func (r Run) copied() Run {
	if r.Vars = maps.Clone(r.Vars); r.Vars == nil {
		r.Vars = map[string]any{}
	}
	if len(r.Retries) == 0 {
		r.Retries = nil // made when one is counted
	} else {
		r.Retries = maps.Clone(r.Retries)
	}
	r.Path = append(make([]Decision, 0, len(r.Path)+3), r.Path...)
	return r
}

// retried counts that a node has asked again.
func (r *Run) retried(node string) {
	if r.Retries == nil {
		r.Retries = map[string]int{}
	}
	r.Retries[node]++
}

// walk is one stretch of a run, from an event to the next wait.
type walk struct {
	flow  *Flow
	run   *Run
	now   time.Time
	cmds  []Command
	steps int
	here  *node
	read  string         // the node that the reading was for
	blind bool           // nothing is read
	noted map[string]any // what the node that is asked wants told of its command
	scope map[string]any // made when first needed, dropped when vars change
	zone  *time.Location // of the scope
}

// from walks from a node on, until one waits or the run ends.
func (w *walk) from(id string) {
	for {
		if id == "" {
			w.run.Ended = true
			return
		}
		n := w.flow.nodes[id]
		if n == nil || n.do == nil { // refused when published
			id = w.failed(&node{id: id}, fmt.Sprintf("there is no node %q", id))
			continue
		}
		if why := w.spent(); why != "" {
			id = w.failed(n, why)
			continue
		}
		if read := w.unread(n); read != nil {
			w.run.At, w.run.Reading = id, true
			w.cmds = append(w.cmds, read)
			return
		}
		w.steps++
		w.run.Visits++
		w.here = n
		switch do := n.do.(type) {
		case *hangup:
			w.decided(n, turn{outcome: "ended", rule: "cause", reason: do.why()}, "")
			w.end(do.command(n))
			return
		case waiting:
			if w.run.Hungup {
				w.decided(n, turn{outcome: HangupOutcome, rule: "handlers.hangup", reason: "the caller has gone: this node cannot be carried out"}, "")
				w.run.Ended = true
				return
			}
			w.run.At = id
			w.cmds = append(w.cmds, w.ask(n, do))
			return
		case passing:
			if notify, ok := do.(*notify); ok {
				w.cmds = append(w.cmds, notify.command(w, n))
			}
			if t := do.pass(w); t.failed {
				id = w.failed(n, t.reason)
			} else {
				id = w.left(n, t)
			}
		}
	}
}

// spent says which limit is reached. Handlers get a little more, so that they
// can run after it.
func (w *walk) spent() string {
	allowed := w.flow.maxVisits
	if w.run.Failed {
		allowed += handlerExtra
	}
	if w.run.Hungup {
		allowed += handlerExtra
	}
	switch {
	case w.steps >= maxSteps:
		return fmt.Sprintf("%d nodes were visited without a wait", maxSteps)
	case w.run.Visits >= allowed:
		return fmt.Sprintf("%d nodes were visited in all", w.run.Visits)
	}
	return ""
}

// left records why a node was left and says where to; "" when the run has ended.
func (w *walk) left(n *node, t turn) string {
	to := n.local(t.to)
	exact := to != ""
	if !exact {
		to, exact = n.target(t.outcome)
	}
	t = n.explained(t, exact)
	if !exact && to != "" && t.outcome != "default" {
		t.reason += fmt.Sprintf("; no edge for %s: the default", t.outcome)
	}
	if to == "" {
		t.reason = fmt.Sprintf("%s; %s leads nowhere: the call ends", t.reason, t.outcome)
	}
	w.decided(n, t, to)
	if to == "" {
		w.end(Hangup{Node: n.id, Cause: "normal_clearing"})
	}
	return to
}

// failed records that a node failed and says where the error handler begins; ""
// when the run has ended, because there is none or it has failed itself.
func (w *walk) failed(n *node, why string) string {
	to := w.flow.handlers.failed
	if n.from != nil && n.from.failed != "" {
		to = n.from.failed // the nearest flow that has a handler
	}
	if w.run.Failed || w.run.Hungup {
		to = ""
	}
	rule := "handlers.error"
	if to == "" {
		rule = "no handler for it"
	}
	w.decided(n, turn{outcome: "error", rule: rule, reason: why}, to)
	if to == "" {
		w.end(Hangup{Node: n.id, Cause: "failed"})
		return ""
	}
	w.run.Failed = true
	w.steps = 0
	return to
}

// end ends the run; a caller who has gone need not be hung up on.
func (w *walk) end(h Hangup) {
	if !w.run.Hungup {
		w.cmds = append(w.cmds, h)
	}
	w.run.At, w.run.Ended = "", true
}

func (w *walk) decided(n *node, t turn, to string) {
	d := Decision{
		Node: n.id, Outcome: t.outcome, To: to, Rule: t.rule, Reason: brief(t.reason, maxSaid),
		Inputs: bounded(t.inputs), Rejected: t.rejected, At: w.now,
	}
	if n.kind != nil {
		d.Type = n.kind.Type
	}
	if n.from != nil {
		d.Flow, d.Version = n.from.flow.name, n.from.flow.version
	}
	w.run.Path = append(w.run.Path, d)
}

// see is the scope as it is now.
func (w *walk) see() map[string]any { return w.seeing(roots()) }

// seeing is the scope with at least these roots: most expressions read one or two.
func (w *walk) seeing(roots []string) map[string]any {
	if zone := w.flow.zoneOf(w.here); w.scope == nil || w.zone != zone {
		w.scope, w.zone = make(map[string]any, 8), zone
	}
	for _, name := range roots {
		if _, ok := w.scope[name]; !ok {
			w.scope[name] = scopeOf(name, w.run, w.now.In(w.zone))
		}
	}
	return w.scope
}

// text is one with its values put in.
func (w *walk) text(s string) string {
	if !strings.Contains(s, "{{") {
		return clean(s, maxExpanded)
	}
	return expand(s, w.see())
}

// set changes variables of the run.
func (w *walk) set(key string, add map[string]any) {
	put(w.run.Vars, key, add)
	if key == "tags" {
		key = "call"
	}
	delete(w.scope, key) // made anew when it is read again
}
