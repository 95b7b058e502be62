package routing

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The nodes that decide or remember at once: set, tag, switch and hours.

type set struct {
	Vars map[string]any `json:"vars"`

	vars assignments
}

// variableName is what a variable may be called.
const variableName = `^[A-Za-z_][A-Za-z0-9_]*$`

func setType() kind {
	return kind{NodeType{
		Type: "set", Doc: "Sets variables, read as vars.<name>. Text may hold {{…}}; text that is nothing else keeps the value's type.",
		Cfg:      object(fields{"vars": mapOf(variableName, &Schema{Format: Template})}, "vars"),
		Outcomes: []string{"next"},
	}, as[set]}
}

func (s *set) prepare(*Flow) { s.vars = prepareAssignments(s.Vars) }

func (s *set) pass(w *walk) turn {
	s.vars.assign(w)
	// The values may be a secret of the caller's: the ledger gets their names.
	return turn{outcome: "next", rule: "vars", reason: "sets " + strings.Join(keys(s.Vars), ", ")}
}

func (s *set) lint(_ *node, at place, out *faults) { s.vars.lint(at.in("vars"), s.Vars, out) }

type tag struct {
	Campaign string `json:"campaign"`
	Source   string `json:"source"`
	Keyword  string `json:"keyword"`
}

func tagType() kind {
	return kind{NodeType{
		Type: "tag", Doc: "Says what brought the caller, read as call.campaign, call.source and call.keyword.",
		Cfg: object(fields{
			"campaign": name(Template, ""), "source": name(Template, ""), "keyword": name(Template, ""),
		}),
		Outcomes: []string{"next"},
	}, as[tag]}
}

func (t *tag) pass(w *walk) turn {
	add := map[string]any{}
	for k, v := range map[string]string{"campaign": t.Campaign, "source": t.Source, "keyword": t.Keyword} {
		if v != "" {
			add[k] = w.text(v)
		}
	}
	w.set("tags", add)
	return turn{outcome: "next", rule: "cfg", reason: "says what brought the caller", inputs: add}
}

type choose struct {
	Cases []struct {
		When string `json:"when"`
		To   string `json:"to"`
	} `json:"cases"`

	conditions []*expression // nil where it does not compile
	roots      []string      // what they read
}

func switchType() kind {
	return kind{NodeType{
		Type: "switch", Doc: "Goes to the first case that holds.",
		Cfg: object(fields{"cases": listOf(object(fields{
			"when": name(Condition, "crm.deal.amount >= 50000"),
			"to":   name(NodeName, ""),
		}, "when", "to"))}, "cases"),
		Outcomes: []string{"default"},
	}, as[choose]}
}

func (c *choose) prepare(*Flow) {
	c.conditions = make([]*expression, len(c.Cases))
	for i, one := range c.Cases {
		c.conditions[i], _ = compileCondition(one.When) // reported by Lint
		if c.conditions[i] != nil {
			c.roots = append(c.roots, c.conditions[i].roots...)
		}
	}
	slices.Sort(c.roots)
	c.roots = slices.Compact(c.roots)
}

func (c *choose) pass(w *walk) turn {
	scope := w.seeing(c.roots)
	var t turn
	var read []string
	for i, cond := range c.conditions {
		if cond == nil { // refused when published
			continue
		}
		read = append(read, cond.paths...)
		ok, err := cond.holds(scope)
		if err == nil && ok {
			t.outcome, t.to, t.rule, t.reason = "case "+strconv.Itoa(i+1), c.Cases[i].To, "cases["+strconv.Itoa(i)+"]", cond.source
			t.inputs = inputs(scope, read)
			return t
		}
		if len(t.rejected) < maxRejected {
			t.reject("case "+strconv.Itoa(i+1), "%s", why(cond, scope, err))
		}
	}
	t.outcome, t.rule, t.reason, t.inputs = "default", "on.default", "no case holds", inputs(scope, read)
	if m := missing(scope, read); m != "" {
		t.reason += "; missing: " + m
	}
	return t
}

func (c *choose) jumps() []jump {
	var out []jump
	for i, one := range c.Cases {
		out = append(out, jump{one.To, fmt.Sprintf("cases[%d].to", i)})
	}
	return out
}

func (c *choose) lint(_ *node, at place, out *faults) {
	if len(c.Cases) == 0 {
		out.err(at.in("cases"), "a switch needs at least one case")
	}
}

type hours struct {
	Calendar string `json:"calendar"`

	calendar *calendar
}

func hoursType() kind {
	return kind{NodeType{
		Type: "hours", Doc: "Looks at a calendar of the flow, or at a shared one. A dated override wins over a holiday, a holiday over the week.",
		Cfg:      object(fields{"calendar": name(CalendarName, "one of the flow's own; if it has none of this name, one that is shared")}, "calendar"),
		Outcomes: []string{"open", "closed", "holiday"},
	}, as[hours]}
}

func (h *hours) prepare(f *Flow) { h.calendar = f.calendars[h.Calendar] }

func (h *hours) pass(w *walk) turn {
	if h.calendar == nil { // refused when published
		return turn{failed: true, reason: fmt.Sprintf("calendar %q is not linked in", h.Calendar)}
	}
	return h.calendar.explained(h.Calendar, w.now)
}

func (h *hours) calendarName() string { return h.Calendar }

func (h *hours) onCalendar(c *calendar) any {
	linked := *h
	linked.calendar = c
	return &linked
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
