package routing

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
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
}

// span is a part of a day in minutes from midnight; to is beyond 1440 when it
// ends on the next day.
type span struct{ from, to int }

const dayMinutes = 24 * 60

var dayNames = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// at says whether it is open, closed or a holiday at t, and why.
func (c *calendar) at(t time.Time) (outcome, reason string) {
	local := t.In(c.zone)
	y, m, d := local.Date()
	// Noon exists on every day in every zone; midnight does not.
	today := time.Date(y, m, d, 12, 0, 0, 0, c.zone)
	yesterday := time.Date(y, m, d-1, 12, 0, 0, 0, c.zone)
	minute := local.Hour()*60 + local.Minute()
	when := dayNames[local.Weekday()] + local.Format(" 2006-01-02 15:04 ") + c.zone.String()
	for _, s := range c.spans(today) {
		if s.from <= minute && minute < s.to {
			return "open", fmt.Sprintf("%s is within %s", when, s)
		}
	}
	for _, s := range c.spans(yesterday) {
		if minute < s.to-dayMinutes {
			return "open", fmt.Sprintf("%s is within %s of the day before", when, s)
		}
	}
	date := today.Format(time.DateOnly)
	if _, special := c.overrides[date]; !special && c.holidays[date] {
		return "holiday", when + " is a holiday"
	}
	return "closed", when + " is outside the hours"
}

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
	to := s.to
	if to > dayMinutes {
		to -= dayMinutes
	}
	return fmt.Sprintf("%02d:%02d–%02d:%02d", s.from/60, s.from%60, to/60, to%60)
}

// calendarSchema is how a calendar is written.
func calendarSchema() *Schema {
	hours := listOf(name(Clock, "opening and closing times in turn: \"09:00\", \"14:00\", \"16:00\", \"19:00\""))
	return object(fields{
		"tz":        name(TimeZone, "IANA zone: Europe/Madrid"),
		"open":      mapOf("", hours),
		"holidays":  listOf(name(Date, "2026-12-25")),
		"overrides": mapOf("", hours),
	}, "tz", "open")
}

// readCalendar reports what is wrong with a calendar and reads the rest.
func readCalendar(at place, v map[string]any, out *faults) *calendar {
	c := &calendar{zone: time.UTC, holidays: map[string]bool{}, overrides: map[string][]span{}}
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
		spans := readSpans(here, open[days], out)
		which, ok := weekdays(days)
		if !ok {
			out.err(here, "%q are no weekdays: write mon-fri, or sat,sun", days)
		}
		for _, d := range which {
			c.week[d] = append(c.week[d], spans...)
		}
	}
	holidays, _ := v["holidays"].([]any)
	for i, h := range holidays {
		s, _ := h.(string)
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			out.err(at.in("holidays").item(i), "%q is no date such as 2026-12-25", s)
		}
		c.holidays[s] = true
	}
	overrides := branch(v, "overrides")
	for _, date := range slices.Sorted(maps.Keys(overrides)) {
		here := at.in("overrides").in(date)
		if _, err := time.Parse(time.DateOnly, date); err != nil {
			out.err(here, "%q is no date such as 2026-12-24", date)
		}
		c.overrides[date] = readSpans(here, overrides[date], out)
	}
	return c
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

func readSpans(at place, v any, out *faults) []span {
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
		spans = append(spans, span{from, to})
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
