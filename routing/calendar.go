package routing

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	_ "time/tzdata" // calendars mean the same on a machine without a zone database
)

// calendar says when a business is open, by the clock on its wall. Comparing
// wall clocks keeps the hours right on the days when the clock is changed: an
// hour that is skipped is not worked, one that comes twice is worked twice.
type calendar struct {
	zone      *time.Location
	week      [7][]span // by time.Weekday
	holidays  map[string]bool
	overrides map[string][]span // by date; they win over holidays and the week
	labels    map[string]string // what a holiday, or a date with its own hours, is called
	revision  int               // of a shared one; 0: it is the flow's own
}

// span is a part of a day in minutes from midnight; to is beyond 1440 when it
// ends on the next day. rule is the key that it stands under: "open.mon-fri".
type span struct {
	from, to int
	rule     string
}

const dayMinutes = 24 * 60

var dayNames = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// verdict is what a calendar says of a time, and why.
type verdict struct {
	outcome, rule, reason string
	label                 string // of the holiday or of the date, if it has one
	rejected              []Rejection
	quiet                 bool // nobody asks for words
}

// at says whether it is open, closed or a holiday at t, and why.
func (c *calendar) at(t time.Time) verdict { return c.look(t, verdict{}) }

// is says it without the words.
func (c *calendar) is(t time.Time) verdict { return c.look(t, verdict{quiet: true}) }

func (c *calendar) look(t time.Time, v verdict) verdict {
	local := t.In(c.zone)
	y, m, d := local.Date()
	// Noon exists on every day in every zone; midnight does not.
	today := time.Date(y, m, d, 12, 0, 0, 0, c.zone)
	yesterday := time.Date(y, m, d-1, 12, 0, 0, 0, c.zone)
	minute := local.Hour()*60 + local.Minute()
	when := dayNames[local.Weekday()] + local.Format(" 2006-01-02 15:04 ") + c.zone.String()
	date := today.Format(time.DateOnly)
	_, special := c.overrides[date]
	v.label = c.labels[date]
	if special {
		v.reject("open", "the override of %s wins over the week", date)
	}
	if c.holidays[date] {
		if special {
			v.reject("holiday", "the override of %s wins over the holiday", date)
		} else {
			v.reject("open", "the holiday wins over the week")
		}
	}
	for _, s := range c.spans(today) {
		if s.from <= minute && minute < s.to {
			return v.is("open", s.rule, "%s is within %s", when, s)
		}
		v.reject(s.rule, "%s is not within %s", when, s)
	}
	for _, s := range c.spans(yesterday) {
		if minute < s.to-dayMinutes {
			v.label = c.labels[yesterday.Format(time.DateOnly)]
			return v.is("open", s.rule, "%s is within %s of the day before", when, s)
		}
	}
	switch {
	case special:
		return v.is("closed", "overrides."+date, "%s is outside the hours of this date", when)
	case c.holidays[date]:
		return v.is("holiday", "holidays", "%s is a holiday", when)
	}
	return v.is("closed", "open", "%s is outside the hours", when)
}

func (v verdict) is(outcome, rule, reason string, args ...any) verdict {
	v.outcome, v.rule = outcome, rule
	if v.quiet {
		return v
	}
	v.reason = fmt.Sprintf(reason, args...)
	if v.label != "" {
		v.reason += ": " + v.label
	}
	return v
}

func (v *verdict) reject(choice, why string, args ...any) {
	if !v.quiet {
		v.rejected = append(v.rejected, Rejection{choice, fmt.Sprintf(why, args...)})
	}
}

// spans of a day: those of a dated override, else none on a holiday, else those
// of the week.
func (c *calendar) spans(day time.Time) []span {
	date := day.Format(time.DateOnly)
	if s, ok := c.overrides[date]; ok {
		return s
	}
	if c.holidays[date] {
		return nil
	}
	return c.week[day.Weekday()]
}

func (s span) String() string {
	from, to := (s.from+dayMinutes)%dayMinutes, s.to
	if to > dayMinutes {
		to -= dayMinutes
	}
	return fmt.Sprintf("%02d:%02d–%02d:%02d", from/60, from%60, to/60, to%60)
}

// calendarSchema is how a calendar is written.
func calendarSchema() *Schema {
	hours := listOf(name(Clock, "opening and closing times in turn: \"09:00\", \"14:00\", \"16:00\", \"19:00\""))
	return object(fields{
		"tz":        name(TimeZone, "IANA zone: Europe/Madrid"),
		"open":      mapOf("", hours),
		"holidays":  listOf(name(Date, "2026-12-25")),
		"overrides": mapOf("", hours),
		"labels":    mapOf("", &Schema{Type: "string", MaxLength: 100, Description: "Christmas"}).describedAs("what a date is called that is a holiday or has hours of its own"),
	}, "tz", "open")
}

// readCalendar reports what is wrong with a calendar and reads the rest.
func readCalendar(at place, v map[string]any, out *faults) *calendar {
	c := &calendar{zone: time.UTC, holidays: map[string]bool{}, overrides: map[string][]span{}, labels: map[string]string{}}
	if tz, ok := v["tz"].(string); ok {
		zone, err := time.LoadLocation(tz)
		if err != nil || tz == "" || tz == "Local" {
			out.err(at.in("tz"), "%q is no IANA time zone", tz)
		} else {
			c.zone = zone
		}
	}
	open := branch(v, "open")
	for _, days := range slices.Sorted(maps.Keys(open)) {
		here := at.in("open").in(days)
		spans := readSpans(here, "open."+days, open[days], out)
		which, ok := weekdays(days)
		if !ok {
			out.err(here, "%q are no weekdays: write mon-fri, or sat,sun", days)
		}
		for _, d := range which {
			c.week[d] = append(c.week[d], spans...)
		}
	}
	c.overlaps(at, out)
	holidays, _ := v["holidays"].([]any)
	for i, h := range holidays {
		s, _ := h.(string)
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			out.err(at.in("holidays").item(i), "%q is no date such as 2026-12-25", s)
		}
		if c.holidays[s] {
			out.err(at.in("holidays").item(i), "%s is given twice", s)
		}
		c.holidays[s] = true
	}
	overrides := branch(v, "overrides")
	for _, date := range slices.Sorted(maps.Keys(overrides)) {
		here := at.in("overrides").in(date)
		if _, err := time.Parse(time.DateOnly, date); err != nil {
			out.err(here, "%q is no date such as 2026-12-24", date)
		}
		c.overrides[date] = readSpans(here, "overrides."+date, overrides[date], out)
	}
	labels := branch(v, "labels")
	for _, date := range slices.Sorted(maps.Keys(labels)) {
		if _, special := c.overrides[date]; !special && !c.holidays[date] {
			out.err(at.in("labels").in(date), "%q is neither a holiday nor a date with hours of its own%s", date, meant(date, slices.Concat(keys(c.holidays), keys(c.overrides))))
		}
		label, _ := labels[date].(string)
		if label == "" || strings.ContainsFunc(label, unicode.IsControl) {
			out.err(at.in("labels").in(date), "wants one line of text; leave it out if the date is called nothing")
		}
		c.labels[date] = label
	}
	return c
}

// overlaps reports hours of the week that are given twice: on one day, or where
// a night reaches into the morning after. Each pair of keys is told once.
func (c *calendar) overlaps(at place, out *faults) {
	told := map[[2]string]bool{}
	for d := range c.week {
		all := slices.Clone(c.week[d])
		for _, s := range c.week[(d+6)%7] {
			if s.to > dayMinutes { // its morning, seen from this day
				all = append(all, span{s.from - dayMinutes, s.to - dayMinutes, s.rule})
			}
		}
		for i, a := range all {
			for _, b := range all[i+1:] {
				if max(a.from, b.from) >= min(a.to, b.to) || min(a.to, b.to) <= 0 {
					continue
				}
				later, first := max(a.rule, b.rule), min(a.rule, b.rule)
				if told[[2]string{first, later}] {
					continue
				}
				told[[2]string{first, later}] = true
				days := strings.TrimPrefix(later, "open.")
				out.err(at.in("open").in(days), "%s overlap on %s", pair(a, b, first, later), dayNames[d])
			}
		}
	}
}

func pair(a, b span, first, later string) string {
	if first == later {
		return fmt.Sprintf("%s and %s", a, b)
	}
	return fmt.Sprintf("%s of %s and %s of %s", a, strings.TrimPrefix(a.rule, "open."), b, strings.TrimPrefix(b.rule, "open."))
}

// weekdays reads "mon-fri", "sat,sun" or "fri-mon".
func weekdays(s string) ([]time.Weekday, bool) {
	var out []time.Weekday
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, to := slices.Index(dayNames[:], first), slices.Index(dayNames[:], last)
		if !isRange {
			to = from
		}
		if from < 0 || to < 0 {
			return nil, false
		}
		for d := from; ; d = (d + 1) % 7 {
			out = append(out, time.Weekday(d))
			if d == to {
				break
			}
		}
	}
	return out, true
}

func readSpans(at place, rule string, v any, out *faults) []span {
	list, _ := v.([]any)
	if len(list)%2 != 0 {
		out.err(at, "wants pairs of opening and closing times")
		return nil
	}
	var spans []span
	for i := 0; i < len(list); i += 2 {
		from, ok := clock(list[i])
		if !ok || from == dayMinutes {
			out.err(at.item(i), "%v is no time of day such as \"09:00\"", list[i])
			continue
		}
		to, ok := clock(list[i+1])
		if !ok {
			out.err(at.item(i+1), "%v is no time of day such as \"19:00\"", list[i+1])
			continue
		}
		if to <= from { // "22:00" to "02:00" ends on the next day
			to += dayMinutes
		}
		next := span{from, to, rule}
		if strings.HasPrefix(rule, "overrides.") && slices.ContainsFunc(spans, func(s span) bool { return max(s.from, next.from) < min(s.to, next.to) }) {
			out.err(at.item(i), "%s overlaps hours before it", next)
		}
		spans = append(spans, next)
	}
	return spans
}

// clock reads "09:00", up to "24:00", in minutes.
func clock(v any) (int, bool) {
	s, _ := v.(string)
	if len(s) != 5 || s[2] != ':' {
		return 0, false
	}
	h, err1 := strconv.ParseUint(s[:2], 10, 8)
	m, err2 := strconv.ParseUint(s[3:], 10, 8)
	total := int(h)*60 + int(m)
	return total, err1 == nil && err2 == nil && m < 60 && total <= dayMinutes
}
