package routing

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Schema describes a JSON value: the part of JSON Schema that flows need. It is
// what documents are checked by, where defaults come from, and what an editor
// builds its forms from. An object without Each has no other keys than its
// Properties.
type Schema struct {
	Type        string             `json:"type,omitempty"` // "object", "array", "string", "number", "integer", "boolean"; "" any
	Description string             `json:"description,omitempty"`
	Properties  map[string]*Schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Each        *Schema            `json:"-"` // values of an object with free keys; shown as additionalProperties
	Keys        string             `json:"-"` // pattern of the free keys; shown as propertyNames
	keys        *regexp.Regexp     // Keys, compiled
	Items       *Schema            `json:"items,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	Default     any                `json:"default,omitempty"`
	Minimum     *float64           `json:"minimum,omitempty"`
	Maximum     *float64           `json:"maximum,omitempty"`
	MaxLength   int                `json:"maxLength,omitempty"`
	Format      Format             `json:"format,omitempty"`
}

// Format says what a string names or holds, so that it can be checked and an
// editor can offer what there is.
type Format string

// The formats.
const (
	NodeName        Format = "node"
	QueueName       Format = "queue"
	LotName         Format = "lot"
	PromptName      Format = "prompt"
	CalendarName    Format = "calendar"
	FlowName        Format = "flow"
	DispositionCode Format = "disposition_code"
	Channel         Format = "channel"       // "webhook", "email", "chat", "chat:sales"
	PhoneNumber     Format = "phone_number"  // "+34910000000"
	DialTarget      Format = "dial_target"   // "owner", "agent:ann", "team:enterprise", "number:+34…"
	LadderTarget    Format = "ladder_target" // also "parker", "manager"
	MailBox         Format = "box"           // "owner", "owner_or_team", "agent:ann", "team:sales" or a name
	Condition       Format = "condition"     // an expression that is true or false
	Numeric         Format = "numeric"       // an expression that is a number
	Template        Format = "template"      // text with {{crm.company}}
	Regexp          Format = "regex"
	TimeZone        Format = "time_zone"
	Date            Format = "date"
	Clock           Format = "clock" // "09:00", up to "24:00"
	DateTime        Format = "date-time"
)

// MarshalJSON shows the schema as JSON Schema.
func (s *Schema) MarshalJSON() ([]byte, error) {
	type plain Schema
	shown := struct {
		*plain
		Additional any `json:"additionalProperties,omitempty"`
		Names      any `json:"propertyNames,omitempty"`
		Longest    int `json:"maxLength,omitempty"`
	}{plain: (*plain)(s)}
	if len(s.Enum) == 0 && (s.Type == "string" || s.Type == "") {
		shown.Longest = s.longest()
	}
	if s.Type == "object" {
		shown.Additional = false
		if s.Each != nil {
			shown.Additional = s.Each
		}
		if s.Keys != "" {
			shown.Names = map[string]string{"pattern": s.Keys}
		}
	}
	return json.Marshal(shown)
}

// check reports every way in which v is not what s describes.
func (s *Schema) check(at place, v any, out *faults) {
	switch v := v.(type) {
	case map[string]any:
		if s.wants(at, "object", "an object", out) {
			s.checkObject(at, v, out)
		}
	case []any:
		if s.wants(at, "array", "a list", out) {
			for i, x := range v {
				if s.Items != nil {
					s.Items.check(at.item(i), x, out)
				}
			}
		}
	case string:
		if s.wants(at, "string", "a string", out) {
			s.checkString(at, v, out)
		}
	case float64:
		s.checkNumber(at, v, out)
	case bool:
		s.wants(at, "boolean", "true or false", out)
	default:
		if s.Type != "" {
			out.err(at, "must not be null")
		}
	}
}

// wants reports a value of the wrong type.
func (s *Schema) wants(at place, got, gotName string, out *faults) bool {
	if s.Type == got || s.Type == "" {
		return true
	}
	names := map[string]string{"object": "an object", "array": "a list", "string": "a string", "number": "a number", "integer": "a whole number", "boolean": "true or false"}
	out.err(at, "wants %s, not %s", names[s.Type], gotName)
	return false
}

func (s *Schema) checkObject(at place, v map[string]any, out *faults) {
	for _, key := range s.Required {
		if _, ok := v[key]; !ok {
			out.err(at.in(key), "is missing")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(v)) {
		p, known := s.Properties[key]
		switch {
		case known:
			p.check(at.in(key), v[key], out)
		case s.Each != nil:
			if s.keys != nil && !s.keys.MatchString(key) {
				out.err(at.in(key), "%q is no name that can stand here", key)
			}
			s.Each.check(at.in(key), v[key], out)
		case s.Type == "":
		default:
			s.unknownKey(at.in(key), key, v[key], out)
		}
	}
}

// unknownKey reports a key that nobody reads. A number whose unit was left out
// is told what it should have been called.
func (s *Schema) unknownKey(at place, key string, v any, out *faults) {
	if _, number := v.(float64); number {
		for _, unit := range []string{"_s", "_ms"} {
			if _, ok := s.Properties[key+unit]; ok {
				out.err(at, "a number without a unit: write %q", key+unit)
				return
			}
		}
	}
	if len(s.Properties) == 0 {
		out.err(at, "unknown key")
		return
	}
	names := slices.Sorted(maps.Keys(s.Properties))
	out.err(at, "unknown key; there are %s%s", strings.Join(names, ", "), meant(key, names))
}

func (s *Schema) checkString(at place, v string, out *faults) {
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		out.err(at, "%q is not one of %s", v, strings.Join(s.Enum, ", "))
	}
	if limit := s.longest(); utf8.RuneCountInString(v) > limit {
		out.err(at, "is longer than %d characters", limit)
	}
}

// longest is how many characters a string may have, as JSON Schema counts them.
func (s *Schema) longest() int {
	if s.Format == Condition || s.Format == Numeric {
		return maxExpression
	}
	return cmp.Or(s.MaxLength, 2000)
}

func (s *Schema) checkNumber(at place, v float64, out *faults) {
	if s.Type != "number" && s.Type != "integer" {
		s.wants(at, "number", "a number", out)
		return
	}
	if s.Type == "integer" && v != math.Trunc(v) {
		out.err(at, "wants a whole number")
	}
	if s.Minimum != nil && v < *s.Minimum {
		out.err(at, "%v is less than %v", v, *s.Minimum)
	}
	if s.Maximum != nil && v > *s.Maximum {
		out.err(at, "%v is more than %v", v, *s.Maximum)
	}
}

// filled is a copy of v with the defaults of s where v says nothing.
func (s *Schema) filled(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, p := range s.Properties {
			if p.Default != nil {
				m[key] = p.Default
			}
		}
		for key, x := range v {
			switch p := s.Properties[key]; {
			case p != nil:
				m[key] = p.filled(x)
			case s.Each != nil:
				m[key] = s.Each.filled(x)
			default:
				m[key] = x
			}
		}
		return m
	case []any:
		if s.Items == nil {
			return v
		}
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = s.Items.filled(x)
		}
		return list
	}
	return v
}

// strings calls f with every string in v that has a format.
func (s *Schema) strings(at place, v any, f func(place, Format, string)) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if p := s.Properties[key]; p != nil {
				p.strings(at.in(key), v[key], f)
			} else if s.Each != nil {
				s.Each.strings(at.in(key), v[key], f)
			}
		}
	case []any:
		for i, x := range v {
			if s.Items != nil {
				s.Items.strings(at.item(i), x, f)
			}
		}
	case string:
		if s.Format != "" {
			f(at, s.Format, v)
		}
	}
}

// The kinds of values that flow documents are made of.

type fields map[string]*Schema

func object(props fields, required ...string) *Schema {
	return &Schema{Type: "object", Properties: props, Required: required}
}

func mapOf(keys string, each *Schema) *Schema {
	s := &Schema{Type: "object", Keys: keys, Each: each}
	if keys != "" {
		s.keys = regexp.MustCompile(keys)
	}
	return s
}

func listOf(items *Schema) *Schema { return &Schema{Type: "array", Items: items} }

func text(doc string) *Schema { return &Schema{Type: "string", Description: doc} }

func name(f Format, doc string) *Schema {
	return &Schema{Type: "string", Format: f, Description: doc}
}

func choice(doc, standard string, others ...string) *Schema {
	return &Schema{Type: "string", Description: doc, Default: standard, Enum: append([]string{standard}, others...)}
}

func flag(doc string, standard bool) *Schema {
	return &Schema{Type: "boolean", Description: doc, Default: standard}
}

// amount is a number with its unit in its key, or a count.
func amount(kind, doc string, standard any, low, high float64) *Schema {
	return &Schema{Type: kind, Description: doc, Default: standard, Minimum: &low, Maximum: &high}
}

func seconds(doc string, standard any, low, high float64) *Schema {
	return amount("number", doc, standard, low, high)
}

func count(doc string, standard any, low, high float64) *Schema {
	return amount("integer", doc, standard, low, high)
}

func (s *Schema) describedAs(doc string) *Schema {
	s.Description = doc
	return s
}

func (s *Schema) withDefault(v any) *Schema {
	s.Default = v
	return s
}
