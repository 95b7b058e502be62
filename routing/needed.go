package routing

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/types"
)

// What expressions can read of a queue and of a rep as they are at that moment.
var (
	queueMembers = types.Map{
		"name": types.String, "waiting": types.Int, "longest_wait_s": types.Float, "agents_free": types.Int, "agents_logged_in": types.Int, "est_wait_s": types.Float,
	}
	repMembers = types.Map{
		"name": types.String, "display": types.String, "extension": types.String, "team": types.String, "teams": types.Any, "status": types.String, "state": types.String,
	}
)

// Needed is what of the hub has to be read before an expression can be
// evaluated: the state of queues, and of the call's rep.
type Needed struct {
	Queues []string // "" is the call's own: Own, or else the one it waits in, or waited in last
	Own    string
	Rep    bool
}

// Read is what is brought under "queue": the call's own under its members' names,
// the others under theirs. of is nil for a queue of which nothing is known.
func (r Needed) Read(own string, of func(queue string) map[string]any) map[string]any {
	all := map[string]any{}
	for _, name := range r.Queues {
		if name != "" {
			if v := of(name); v != nil {
				all[name] = v
			}
			continue
		}
		if own = cmp.Or(r.Own, own); own != "" {
			maps.Copy(all, of(own))
		}
	}
	return all
}

// ReadOutcome is what a Read comes to. It brings Vars["queue"] and Vars["rep"].
const ReadOutcome = "read"

// And is what both need.
func (r Needed) And(other Needed) Needed {
	r.Queues = slices.Concat(r.Queues, other.Queues)
	slices.Sort(r.Queues)
	r.Queues, r.Rep = slices.Compact(r.Queues), r.Rep || other.Rep
	return r
}

// Nothing: the expression can be evaluated without.
func (r Needed) Nothing() bool { return len(r.Queues) == 0 && !r.Rep }

// NeededBy is what an expression reads of the hub.
func NeededBy(src string) Needed { return neededBy(reads(src)) }

func neededBy(paths []string) Needed {
	var r Needed
	for _, p := range paths {
		root, rest, _ := strings.Cut(p, ".")
		switch root {
		case "rep":
			r.Rep = true
		case "queue":
			name, _ := memberOf(rest)
			r.Queues = append(r.Queues, name)
		}
	}
	slices.Sort(r.Queues)
	r.Queues = slices.Compact(r.Queues)
	return r
}

// memberOf cuts "waiting", and "sales.waiting": names of queues may have dots.
func memberOf(rest string) (queue, member string) {
	if i := strings.LastIndexByte(rest, '.'); i >= 0 {
		return rest[:i], rest[i+1:]
	}
	return "", rest
}

// InputsOf are the values that an expression is decided by, by their names.
func InputsOf(src string, scope map[string]any) map[string]any { return inputs(scope, reads(src)) }

// needed is what the texts and expressions of a node read, but for those of its
// ladder, which are evaluated when a step begins.
func (n *node) needed() *Needed {
	var paths []string
	var scan func(key string, v any)
	scan = func(key string, v any) {
		switch v := v.(type) {
		case string:
			if !strings.Contains(v, "queue") && !strings.Contains(v, "rep") {
				return
			}
			if key == "when" || key == "priority" {
				paths = append(paths, reads(v)...)
			} else if t, err := parseTemplate(v); err == nil {
				paths = append(paths, t.paths...)
			}
		case map[string]any:
			for k, x := range v {
				if k != "ladder" {
					scan(k, x)
				}
			}
		case []any:
			for _, x := range v {
				scan(key, x)
			}
		}
	}
	scan("", n.cfg)
	r := neededBy(paths)
	if q, ok := n.do.(*queue); ok && slices.Contains(r.Queues, "") {
		r.Own = q.Queue
	}
	if r.Nothing() {
		return nil
	}
	return &r
}

// unread is the command that the walk stops for before a node, nil if it can go on:
// what the node reads is here, or there is nobody any more whose call it is about.
func (w *walk) unread(n *node) Command {
	if n.reads == nil || w.run.Hungup || w.blind || w.read == n.id {
		w.read = ""
		return nil
	}
	return Read{Node: n.id, Needed: *n.reads}
}

// haveRead goes on where a run has stopped for a reading. Any other event than
// ReadOutcome means that nothing was read: runs from before there were readings
// have none.
func haveRead(f *Flow, run Run, e Event) (Run, []Command, error) {
	run = run.copied()
	id := run.At
	if e.Outcome == ReadOutcome {
		e.Vars = brought(e.Vars)
		run.tell(e)
		merge(run.Vars, e.Vars)
	}
	run.At, run.Reading = "", false
	w := &walk{flow: f, run: &run, now: e.At, read: id}
	w.from(id)
	if e.Outcome != ReadOutcome {
		return Resume(f, run, e)
	}
	return run, w.cmds, nil
}
