package routing

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

const (
	maxExpansion = 200  // characters of one value
	maxExpanded  = 1000 // characters of the whole text
)

// template is text with values in it: "{{crm.company}}". It knows paths and
// nothing else: no expressions, no loops, and what it puts in is not read again.
type template struct {
	literals []string // one more than paths
	paths    []string
}

var path = regexp.MustCompile(`^[a-z_]+(\.[A-Za-z_][A-Za-z0-9_]*)+$`)

func parseTemplate(s string) (template, error) {
	var t template
	for {
		before, rest, found := strings.Cut(s, "{{")
		t.literals = append(t.literals, before)
		if !found {
			return t, nil
		}
		inner, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return template{}, fmt.Errorf("{{ without }}")
		}
		p := strings.TrimSpace(inner)
		if !path.MatchString(p) {
			return template{}, fmt.Errorf("{{%s}} is no path such as {{crm.company}}", inner)
		}
		t.paths = append(t.paths, p)
		s = after
	}
}

// alone: the text is one value and nothing else.
func (t *template) alone() bool {
	return len(t.paths) == 1 && t.literals[0] == "" && t.literals[1] == ""
}

// expand puts the values in. What is missing is left out; control characters
// are too, because the text ends up in SIP headers and messages. The scope is
// only asked for if there is something to put in.
func (t *template) expand(scope func() map[string]any) string {
	switch {
	case len(t.literals) == 0: // refused when published
		return ""
	case len(t.paths) == 0:
		return clean(t.literals[0], maxExpanded)
	}
	var b strings.Builder
	for i, lit := range t.literals {
		b.WriteString(lit)
		if i < len(t.paths) {
			b.WriteString(clean(show(lookup(scope(), t.paths[i])), maxExpansion))
		}
	}
	return clean(b.String(), maxExpanded)
}

// expand reads a text and puts the values in.
func expand(s string, scope map[string]any) string {
	t, err := parseTemplate(s)
	if err != nil {
		return "" // refused when published
	}
	return t.expand(func() map[string]any { return scope })
}

func clean(s string, limit int) string {
	n := 0
	return strings.Map(func(r rune) rune {
		if n++; n > limit || unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
}

// show is a value as text; maps and lists have none.
func show(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case nil:
		return ""
	}
	if f, ok := number(v); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return ""
}

// lookup finds "crm.deal.amount"; nil if any part is missing.
func lookup(scope map[string]any, dotted string) any {
	var v any = scope
	for part := range strings.SplitSeq(dotted, ".") {
		v = member(v, part)
	}
	return v
}
