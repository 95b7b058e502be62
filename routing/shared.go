package routing

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Calendar is one that flows share: a revision of it, read. It does not change, so
// that any number of flows can be linked with it.
type Calendar struct {
	name     string
	revision int
	hours    *calendar
	doc      []byte
}

// CalendarError says why a document is no calendar: everything at once.
type CalendarError struct {
	Name     string
	Findings Findings
}

func (e *CalendarError) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = strings.TrimPrefix(f.Location+": ", ": ") + f.Message
	}
	return strings.Join(lines, "\n")
}

// calendarDoc is a calendar as it is written: like one of a flow, with its name.
type calendarDoc struct {
	Name        string              `json:"name"`
	Description string              `json:"description,omitempty"`
	TZ          string              `json:"tz"`
	Open        map[string][]string `json:"open"`
	Holidays    []string            `json:"holidays,omitempty"`
	Overrides   map[string][]string `json:"overrides,omitempty"`
	Labels      map[string]string   `json:"labels,omitempty"`
}

var sharedSchema = sync.OnceValue(func() *Schema {
	s := calendarSchema()
	s.Properties["name"] = &Schema{Type: "string", MaxLength: 64}
	s.Properties["description"] = &Schema{Type: "string", MaxLength: 500}
	s.Required = append(s.Required, "name")
	return s
})

// maxOpenings of a day bound what there is to tell of a year.
const maxOpenings = 24

var calendarNames = regexp.MustCompile(id)

// ParseCalendar reads a shared calendar. It is checked as those of flows are. The
// error is a *CalendarError.
func ParseCalendar(doc []byte) (*Calendar, error) {
	var out faults
	tree, err := readTree(doc, &out)
	if err != nil {
		out.err(place{}, "%v", err)
		return nil, &CalendarError{Findings: out.found}
	}
	root, ok := tree.(map[string]any)
	if !ok {
		out.err(place{}, "wants an object")
		return nil, &CalendarError{Findings: out.found}
	}
	sharedSchema().check(place{}, root, &out)
	c := &Calendar{hours: readCalendar(place{}, root, &out)}
	c.name, _ = root["name"].(string)
	if _, given := root["name"]; given && !calendarNames.MatchString(c.name) {
		out.err(place{}.in("name"), "%q is no name: wants a letter, then letters, digits, _ and -", c.name)
	}
	for d, spans := range c.hours.week {
		if len(spans) > maxOpenings {
			out.err(place{}.in("open"), "%s opens more than %d times", dayNames[d], maxOpenings)
		}
	}
	for date, spans := range c.hours.overrides {
		if len(spans) > maxOpenings {
			out.err(place{}.in("overrides").in(date), "opens more than %d times", maxOpenings)
		}
	}
	if len(out.found) > 0 {
		return nil, &CalendarError{c.name, out.found.sorted()}
	}
	var d calendarDoc
	err = reread(root, &d)
	if err == nil {
		c.doc, err = json.Marshal(d)
	}
	if err != nil { // cannot be, after the check
		return nil, fmt.Errorf("calendar %s: %w", c.name, err)
	}
	return c, nil
}

// Name is what flows call it.
func (c *Calendar) Name() string { return c.name }

// Revision is the number under which it was saved, 0 before.
func (c *Calendar) Revision() int { return c.revision }

// WithRevision is the same calendar as saved under a number.
func (c *Calendar) WithRevision(n int) *Calendar {
	hours := *c.hours
	hours.revision = n
	return &Calendar{c.name, n, &hours, c.doc}
}

// Doc is the document in a form of its own: calendars that say the same have the
// same. It must not be changed.
func (c *Calendar) Doc() []byte { return c.doc }

// Zone is where its clock hangs.
func (c *Calendar) Zone() *time.Location { return c.hours.zone }

// At says what it is at a time.
func (c *Calendar) At(t time.Time) Opening { return c.hours.opening(t) }

// Next is the first moment after t at which it becomes something else; false if
// that is more than a year away.
func (c *Calendar) Next(t time.Time) (Opening, bool) { return c.hours.next(t, foresight) }

// Periods cuts a time into what it is when.
func (c *Calendar) Periods(from, to time.Time) []Period { return c.hours.periods(from, to) }

// SharedCalendars are the names of the calendars that nodes of the flow name and that
// are none of its own, in order.
func (f *Flow) SharedCalendars() []string { return f.shared }

// calendarsNamed are those of SharedCalendars, also by nodes that have faults.
func (f *Flow) calendarsNamed() []string {
	seen := map[string]bool{}
	for _, n := range f.nodes {
		if n.kind == nil {
			continue
		}
		n.kind.Cfg.strings(place{}, n.cfg, func(_ place, format Format, s string) {
			if format == CalendarName && s != "" && f.calendars[s] == nil {
				seen[s] = true
			}
		})
	}
	return keys(seen)
}

func noCalendar(name string) string {
	return fmt.Sprintf("there is no calendar %q, neither the flow's own nor a shared one", name)
}

// explained puts what a calendar says into a decision.
func (c *calendar) explained(name string, at time.Time) turn {
	v := c.at(at)
	t := turn{
		outcome: v.outcome, rule: "calendars." + name + "." + v.rule, reason: v.reason, rejected: v.rejected,
		inputs: map[string]any{"local_time": at.In(c.zone).Format(time.RFC3339), "tz": c.zone.String()},
	}
	if v.label != "" {
		t.inputs["label"] = v.label
	}
	if c.revision > 0 {
		t.inputs["calendar_revision"] = float64(c.revision)
	}
	return t
}
