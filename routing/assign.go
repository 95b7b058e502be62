package routing

// assignments are the variables that a node sets. They are made ready once.
type assignments []assignment

type assignment struct {
	name  string
	value any       // unless it is
	text  *template // a text with values in it
}

func prepareAssignments(vars map[string]any) assignments {
	list := make(assignments, 0, len(vars))
	for _, name := range keys(vars) {
		a := assignment{name: name, value: vars[name]}
		if s, ok := a.value.(string); ok {
			t, _ := parseTemplate(s) // reported by Lint
			a.text = &t
		}
		list = append(list, a)
	}
	return list
}

// assign sets the variables. All are worked out before any is set.
func (list assignments) assign(w *walk) {
	add := make(map[string]any, len(list))
	for _, a := range list {
		switch {
		case a.text == nil:
			add[a.name] = a.value
		case a.text.alone():
			add[a.name] = plain(lookup(w.see(), a.text.paths[0]))
		default:
			add[a.name] = a.text.expand(w.see)
		}
	}
	w.set("vars", add)
}

func (list assignments) lint(at place, vars map[string]any, out *faults) {
	for _, name := range keys(vars) {
		switch vars[name].(type) {
		case map[string]any, []any:
			out.err(at.in(name), "wants a text, a number or true or false")
		}
	}
}
