package routing

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"
)

// A decision is kept in the ledger for as long as the call is, so that it is
// bounded whatever a document or a CRM brings.
const (
	maxRejected = 20
	maxInputs   = 20
	maxSaid     = 300 // bytes of a reason or of a value
)

// brief is the beginning of a text.
func brief(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// bounded are inputs of which none is large, and not too many.
func bounded(inputs map[string]any) map[string]any {
	fits := len(inputs) <= maxInputs
	for _, v := range inputs {
		fits = fits && small(v)
	}
	if fits {
		return inputs
	}
	out := make(map[string]any, maxInputs)
	for _, name := range keys(inputs) {
		if len(out) == maxInputs {
			break
		}
		switch v := inputs[name].(type) {
		case string:
			out[name] = brief(v, maxSaid)
		default:
			if small(v) {
				out[name] = v
			} else {
				out[name] = "(a record)"
			}
		}
	}
	return out
}

func small(v any) bool {
	switch v := v.(type) {
	case string:
		return len(v) <= maxSaid
	case []string:
		return len(v) <= maxInputs
	case []any:
		for _, x := range v {
			if !small(x) {
				return false
			}
		}
		return len(v) <= maxInputs
	case map[string]any:
		return false
	}
	return true
}

// asked is what a command was given, as the decision that follows it will tell.
func asked(c Command) map[string]any {
	switch c := c.(type) {
	case Dial:
		return map[string]any{"targets": list(c.Targets), "strategy": c.Strategy, "ring_s": c.Ring.Seconds()}
	case Queue:
		return map[string]any{"queue": c.Queue, "priority": float64(c.Priority), "max_wait_s": c.MaxWait.Seconds()}
	case Park:
		return map[string]any{"lot": c.Lot, "slot": c.Slot, "max_park_s": c.MaxPark.Seconds(), "steps": float64(len(c.Ladder))}
	case Lookup:
		return map[string]any{"by": c.By, "deadline_ms": float64(c.Deadline.Milliseconds())}
	case Voicemail:
		return map[string]any{"box": c.Box, "max_s": c.Max.Seconds()}
	case Gather:
		return map[string]any{"timeout_s": c.Timeout.Seconds()}
	}
	return nil
}

func list(of []string) []any {
	out := make([]any, len(of))
	for i, s := range of {
		out[i] = s
	}
	return out
}

// ask gives the command of a node that waits, and keeps what it was given until
// the decision.
func (w *walk) ask(n *node, do waiting) Command {
	w.noted = nil
	c := do.ask(w, n)
	w.run.Asked = joined(asked(c), w.noted)
	return c
}

// joined is both, and nil if there is neither; b wins.
func joined(a, b map[string]any) map[string]any {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	m := maps.Clone(a)
	maps.Copy(m, b)
	return m
}

// said are the outcomes that others bring about, in words.
var said = map[string]string{
	"answer.next": "the caller is picked up", "play.next": "played", "record.next": "done",
	"menu.timeout": "no key was pressed", "menu.invalid": "no such option",
	"collect.timeout": "no key was pressed", "collect.ok": "keys as they should be", "collect.invalid": "keys that cannot be taken",
	"crm_lookup.one": "one record has this number", "crm_lookup.none": "no record has this number",
	"crm_lookup.many": "several records have this number", "crm_lookup.error": "the CRM gave no answer within its time",
	"http.ok": "answered", "http.error": "no answer that could be used", "http.timeout": "no answer within its time",
	"dial.answered": "somebody answered", "dial.no_answer": "nobody answered in time", "dial.busy": "all who could be rung are busy",
	"dial.unavailable": "nobody can be reached", "dial.rejected": "declined", "dial.failed": "the call could not be placed",
	"queue.answered": "a rep answered", "queue.timeout": "the longest wait is over", "queue.full": "the queue is full",
	"queue.no_agents": "nobody serves the queue now", "queue.callback_requested": "the caller asked to be called back",
	"park.retrieved": "somebody took the call from its slot", "park.expired": "the ladder came to its end",
	"park.full": "the lot has no free slot", "park.failed": "the call could not be parked",
	"voicemail.left": "a message was left", "voicemail.empty": "no message was left",
	"disposition.set": "the rep has chosen", "disposition.timed_out": "the rep has not chosen in time",
}

// explained is a turn with what is not said of it yet: the rule and the reason.
func (n *node) explained(t turn, exact bool) turn {
	edge := "on." + t.outcome
	if !exact && t.to == "" {
		edge = "on.default"
	}
	if t.rule == "" {
		t.rule = edge
	}
	if n.kind != nil {
		t.reason = cmp.Or(t.reason, said[n.kind.Type+"."+t.outcome])
	}
	if t.reason == "" {
		t.reason = "it came to " + t.outcome
	}
	return t
}

// why a condition does not hold.
func why(cond *expression, scope map[string]any, err error) string {
	var b strings.Builder
	b.WriteString(cond.source)
	sep := ": "
	for _, p := range cond.paths {
		b.WriteString(sep)
		switch v := lookup(scope, p); {
		case v == nil:
			b.WriteString(p + " is missing")
		case small(v):
			fmt.Fprintf(&b, "%s is %s", p, brief(fmt.Sprint(v), maxSaid/4))
		default:
			b.WriteString(p + " is a record")
		}
		sep = ", "
	}
	if err != nil {
		b.WriteString(sep + err.Error())
	}
	return brief(b.String(), maxSaid)
}

// WhyNot says with which values a condition does not hold in a Scope.
func WhyNot(src string, scope map[string]any) string {
	cond, err := compileCondition(src)
	if err != nil {
		return err.Error()
	}
	return why(cond, scope, nil)
}
