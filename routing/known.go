package routing

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
)

// members are what the closed roots of the Scope have, and of which type. The
// others (crm) hold what a CRM brings, queue and rep what is read (see Needed), and vars what the
// flow sets.
var members = map[string]types.Map{
	"call": {
		"id": types.String, "from": types.String, "to": types.String, "trunk": types.String, "flow": types.String, "version": types.Int,
		"campaign": types.String, "source": types.String, "keyword": types.String,
		"disposition": types.String, "disposition_category": types.String,
	},
	"caller": {"number": types.String, "name": types.String, "withheld": types.Bool},
	"time": {
		"hour": types.Int, "minute": types.Int, "weekday": types.String, "date": types.String,
		"day": types.Int, "month": types.Int, "year": types.Int,
	},
	"lot": {"name": types.String, "slot": types.Int, "age_s": types.Float},
}

// variables are what the nodes of a flow set under vars, and the type of what
// all of them agree on.
type variables struct {
	types types.Map
	whole bool // nobody else sets any
}

func (f *Flow) variables() variables {
	v := variables{types: types.Map{"digits": types.String, "key": types.String}, whole: !f.isCalled()}
	put := func(name string, t types.Type) {
		if before, ok := v.types[name]; ok && !before.Equal(t) {
			t = types.Any
		}
		if name != "" {
			v.types[name] = t
		}
	}
	for _, id := range f.ids() {
		n := f.nodes[id]
		if n.do == nil && n.kind != nil && sets[n.kind.Type] {
			v.whole = false // what it sets cannot be told
		}
		switch do := n.do.(type) {
		case *set:
			do.vars.declare(put)
		case *subflow:
			do.params.declare(put)
			v.whole = v.whole && do.callee != nil
		case *collect:
			put(do.Save, types.String)
		case *crmLookup:
			put(do.Save, types.Any)
		case *request:
			put(do.Save, types.Any)
		}
	}
	for _, t := range f.tests {
		for name := range t.Given.Vars {
			put(name, types.Any)
		}
	}
	return v
}

// sets are the types of nodes that set variables.
var sets = map[string]bool{"set": true, "subflow": true, "collect": true, "crm_lookup": true, "http": true}

func (list assignments) declare(put func(string, types.Type)) {
	for _, a := range list {
		switch v := a.value.(type) {
		case string:
			if a.text.alone() {
				put(a.name, types.Any)
			} else {
				put(a.name, types.String)
			}
		case float64:
			put(a.name, types.Float)
		case bool:
			put(a.name, types.Bool)
		default:
			_ = v
			put(a.name, types.Any)
		}
	}
}

// scopeTypes are the types of all that an expression can read.
func scopeTypes(vars types.Map) types.Map {
	env := types.Map{}
	for _, root := range roots() {
		env[root] = types.TypeOf(map[string]any{})
	}
	for root, m := range members {
		env[root] = m
	}
	if vars != nil {
		open := types.Map{types.Extra: types.Any}
		maps.Copy(open, vars)
		env["vars"] = open
	}
	return env
}

// reads are the dotted names that an expression reads, also one whose names are
// wrong; nil if it cannot be parsed.
func reads(src string) []string {
	if utf8.RuneCountInString(src) > maxExpression {
		return nil
	}
	tree, err := parser.Parse(src)
	if err != nil {
		return nil
	}
	p := &pathReader{}
	ast.Walk(&tree.Node, p)
	slices.Sort(p.paths)
	return slices.Compact(p.paths)
}

// pathReader collects the longest dotted names.
type pathReader struct{ paths []string }

// Visit is called for every part of the expression, innermost first.
func (r *pathReader) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if _, callable := functions()[n.Value]; !callable {
			r.paths = append(r.paths, n.Value)
		}
	case *ast.MemberNode:
		if p := dotted(n); p != "" {
			r.paths = slices.DeleteFunc(r.paths, func(shorter string) bool { return strings.HasPrefix(p, shorter+".") || p == shorter })
			r.paths = append(r.paths, p)
		}
	}
}

// reading reports names that cannot be there, with what may have been meant;
// false if there is one.
func (l *linter) reading(at place, paths []string) bool {
	sound := true
	for _, p := range paths {
		root, rest, _ := strings.Cut(p, ".")
		name, _, deeper := strings.Cut(rest, ".")
		closed, isClosed := members[root]
		switch {
		case !isRoot(root):
			l.err(at, "there is no %q; there are %s%s", root, strings.Join(roots(), ", "), meant(root, roots()))
			sound = false
		case rest == "":
		case isClosed && closed[name] == nil:
			l.err(at, "%s has no %q; there are %s%s", root, name, strings.Join(keys(closed), ", "), meant(name, keys(closed)))
			sound = false
		case isClosed && deeper:
			l.err(at, "%s.%s has no parts", root, name)
			sound = false
		case root == "rep" && repMembers[name] == nil:
			l.err(at, "rep has no %q; there are %s%s", name, strings.Join(keys(repMembers), ", "), meant(name, keys(repMembers)))
			sound = false
		case root == "queue":
			sound = l.readsQueue(at, rest) && sound
		case root == "vars" && l.vars.whole && l.vars.types[name] == nil:
			l.warn(at, "nothing sets vars.%s%s", name, meant(name, keys(l.vars.types)))
		}
	}
	return sound
}

// readsQueue checks queue.waiting, of the call's own queue, and queue.sales.waiting.
func (l *linter) readsQueue(at place, rest string) bool {
	queue, member := memberOf(rest)
	if queueMembers[member] == nil {
		l.err(at, "queue has no %q; there are %s%s", member, strings.Join(keys(queueMembers), ", "), meant(member, keys(queueMembers)))
		return false
	}
	if queue != "" {
		l.exists(at, "queue", queue, l.known.Queue)
	}
	return true
}
