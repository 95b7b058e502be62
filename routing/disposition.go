package routing

import (
	"strings"
	"time"
)

// disposition is where the rep who talked says what came of the call. It is the
// one node that waits and is carried out also when the caller has gone.
type disposition struct {
	Required    bool   `json:"required"`
	TimeoutS    secs   `json:"timeout_s"`
	DefaultCode string `json:"default_code"`
}

func dispositionType() kind {
	return kind{NodeType{
		Type: "disposition", Doc: "Asks the rep who talked what came of the call. A caller whom nothing in the flow needs any more is let go; the flow goes on without them.",
		Cfg: object(fields{
			"required":     flag("the rep is offered no other call until they have chosen or the time is over", false),
			"timeout_s":    seconds("time to choose", 90, 1, 3600),
			"default_code": name(DispositionCode, "what is noted when nobody has chosen: a code, or one that begins with auto:").withDefault("auto:not_set"),
		}),
		Outcomes: []string{"set", "timed_out"}, Waits: true,
	}, as[disposition]}
}

func (d *disposition) ask(w *walk, n *node) Command {
	return Disposition{
		Node: n.id, Required: d.Required, Timeout: d.TimeoutS.duration(), Default: d.DefaultCode,
		LetGo: w.flow.letsGo(n),
	}
}

func (d *disposition) told(w *walk, _ *node, e Event) turn {
	t := turn{outcome: e.Outcome}
	said := branch(e.Vars, "disposition")
	if code := show(said["code"]); code != "" {
		w.set("tags", map[string]any{"disposition": code, "disposition_category": show(said["category"])})
		t.inputs = map[string]any{"code": code}
		t.reason = strings.TrimSuffix(code+", by "+show(said["by"]), ", by ")
	}
	if why := show(said["why"]); why != "" {
		t.reason = why
	}
	return t
}

// letsGo: whatever comes of the node, nothing after it needs the caller.
func (f *Flow) letsGo(n *node) bool {
	seen := map[string]bool{}
	for _, e := range n.edges() {
		f.reach(e.to, seen, func(*node) bool { return true })
	}
	for id := range seen {
		if k := f.nodes[id].kind; k != nil && k.Waits {
			return false
		}
	}
	return true
}

// LetsGo reports whether nothing that comes after a disposition needs the caller,
// whatever is said.
func LetsGo(f *Flow, node string) bool { return f.asks(node) && f.letsGo(f.nodes[node]) }

// AsksAfter says whether a conversation that the run waits for, and that comes to
// outcome, is followed by a disposition, with nothing before it that needs the
// caller. It lets whoever runs the call know before the rep is free again.
func AsksAfter(f *Flow, run Run, outcome string, now time.Time) (Disposition, bool) {
	_, cmds, ok := f.afterTalk(run, outcome, now)
	if !ok {
		return Disposition{}, false
	}
	d, ok := cmds[len(cmds)-1].(Disposition)
	return d, ok
}

// afterTalk walks on from a conversation whose caller has gone, as far as a
// disposition; if it does not come to one, nothing has been done.
func (f *Flow) afterTalk(run Run, outcome string, now time.Time) (Run, []Command, bool) {
	n := f.nodes[run.At]
	if n == nil || outcome == "" {
		return run, nil, false
	}
	if _, waits := n.do.(waiting); !waits {
		return run, nil, false
	}
	run = run.copied()
	run.At = ""
	w := &walk{flow: f, run: &run, now: now, blind: true}
	w.from(w.left(n, turn{outcome: outcome, reason: "the caller hung up in conversation"}))
	return run, w.cmds, f.asks(run.At)
}

// asks: the node is a disposition.
func (f *Flow) asks(id string) bool {
	n := f.nodes[id]
	if n == nil {
		return false
	}
	_, ok := n.do.(*disposition)
	return ok
}
