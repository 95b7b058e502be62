package routing

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Scope is what expressions and templates see of a run at a time, by root name:
// call, caller, crm, queue, lot, rep, time and vars. Queue, lot and rep are
// empty unless an event has brought them; whoever evaluates may put them in.
// The words of time.* are those of the given time's zone.
func Scope(run Run, now time.Time) map[string]any {
	scope := make(map[string]any, 8)
	for _, name := range roots() {
		scope[name] = scopeOf(name, &run, now)
	}
	return scope
}

// scopeOf is what stands under one root.
func scopeOf(root string, run *Run, now time.Time) map[string]any {
	switch root {
	case "call":
		return callScope(run)
	case "caller":
		return map[string]any{
			"number": string(run.Caller.From), "name": run.Caller.Name, "withheld": run.Caller.From == "",
		}
	case "time":
		return map[string]any{
			"hour": now.Hour(), "minute": now.Minute(), "weekday": dayNames[now.Weekday()],
			"date": now.Format(time.DateOnly), "day": now.Day(), "month": int(now.Month()), "year": now.Year(),
		}
	case "vars":
		return varsScope(run)
	}
	return branch(run.Vars, root)
}

func callScope(run *Run) map[string]any {
	the := make(map[string]any, 8)
	the["id"], the["from"], the["to"] = string(run.Caller.Call), string(run.Caller.From), string(run.Caller.To)
	the["trunk"], the["flow"], the["version"] = run.Caller.Trunk, run.Flow, run.Version
	maps.Copy(the, branch(run.Vars, "tags"))
	return the
}

// varsScope is vars with what was pressed last. It is the run's own map where
// nothing has to be added, and must not be written to.
func varsScope(run *Run) map[string]any {
	vars, own := branch(run.Vars, "vars"), true
	for _, pressed := range []string{"digits", "key"} {
		if v, ok := run.Vars[pressed]; ok && vars[pressed] == nil {
			if own {
				vars, own = maps.Clone(vars), false
			}
			vars[pressed] = v
		}
	}
	return vars
}

// roots are the names that expressions begin with.
func roots() []string {
	return []string{"call", "caller", "crm", "queue", "lot", "rep", "time", "vars"}
}

func isRoot(s string) bool { return slices.Contains(roots(), s) }

// branch is a map in a map, empty if there is none.
func branch(m map[string]any, key string) map[string]any {
	if b, ok := m[key].(map[string]any); ok {
		return b
	}
	return map[string]any{}
}

// brought is what an event brings, as JSON would bring it back.
func brought(vars map[string]any) map[string]any {
	if len(vars) == 0 {
		return nil
	}
	out := make(map[string]any, len(vars))
	for k, v := range vars {
		out[k] = plain(v)
	}
	return out
}

// merge puts what an event brings into the variables of a run: vars are added
// to, everything else takes the place of what was there.
func merge(vars, brought map[string]any) {
	for k, v := range brought {
		if m, ok := v.(map[string]any); ok && k == "vars" {
			put(vars, "vars", m)
			continue
		}
		vars[k] = v
	}
}

// put adds to a map within the variables without touching the old one, which
// an earlier run may share.
func put(vars map[string]any, key string, add map[string]any) {
	m := maps.Clone(branch(vars, key))
	maps.Copy(m, add)
	vars[key] = m
}

// plain is a copy of v as JSON would bring it back, so that a run goes on in
// the same way whether it was stored in between or not.
func plain(v any) any {
	switch v := v.(type) {
	case nil, string, bool, float64:
		return v
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, x := range v {
			m[k] = plain(x)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = plain(x)
		}
		return list
	}
	if f, ok := number(v); ok {
		return f
	}
	var out any
	b, err := json.Marshal(v)
	if err != nil || json.Unmarshal(b, &out) != nil {
		return nil
	}
	return out
}

// inputs are the values that a decision was made by, by their dotted names.
func inputs(scope map[string]any, paths []string) map[string]any {
	m := map[string]any{}
	for _, p := range paths {
		m[p] = plain(lookup(scope, p))
	}
	return m
}

// missing names the values that were not there.
func missing(scope map[string]any, paths []string) string {
	var out []string
	for _, p := range paths {
		if lookup(scope, p) == nil {
			out = append(out, p)
		}
	}
	return strings.Join(out, ", ")
}
