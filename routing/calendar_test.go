package routing

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func calendarOf(t *testing.T, doc string) (*calendar, Findings) {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(doc), &v); err != nil {
		t.Fatal(err)
	}
	var out faults
	calendarSchema().check(place{}, v, &out)
	c := readCalendar(place{}, v, &out)
	return c, out.found
}

func TestCalendar(t *testing.T) {
	const madrid = `{"tz": "Europe/Madrid", "open": {"mon-fri": ["09:00", "14:00", "16:00", "19:00"], "sat": ["10:00", "14:00"]},
		"holidays": ["2026-12-25", "2026-12-24"], "overrides": {"2026-12-24": ["09:00", "12:00"], "2026-11-09": []}}`
	const night = `{"tz": "Europe/Madrid", "open": {"sat,sun": ["22:00", "02:30"], "wed": ["00:00", "24:00"]}, "holidays": ["2026-10-31"]}`
	const newYork = `{"tz": "America/New_York", "open": {"sun": ["02:15", "03:15"], "fri-mon": ["09:00", "17:00"]}}`
	for _, c := range []struct{ name, calendar, at, want string }{
		{"a Tuesday morning", madrid, "2026-11-03T10:00:00+01:00", "open"},
		{"opens on the minute", madrid, "2026-11-03T09:00:00+01:00", "open"},
		{"closes on the minute", madrid, "2026-11-03T19:00:00+01:00", "closed"},
		{"the break", madrid, "2026-11-03T15:00:00+01:00", "closed"},
		{"after the break", madrid, "2026-11-03T16:00:00+01:00", "open"},
		{"another zone's clock", madrid, "2026-11-03T08:30:00Z", "open"},
		{"Saturday afternoon", madrid, "2026-11-07T15:00:00+01:00", "closed"},
		{"Sunday", madrid, "2026-11-08T10:00:00+01:00", "closed"},
		{"holiday", madrid, "2026-12-25T10:00:00+01:00", "holiday"},
		{"override wins over a holiday", madrid, "2026-12-24T10:00:00+01:00", "open"},
		{"override wins over the week", madrid, "2026-12-24T13:00:00+01:00", "closed"},
		{"override that closes", madrid, "2026-11-09T10:00:00+01:00", "closed"},
		{"late evening", night, "2026-11-07T23:00:00+01:00", "open"},
		{"after midnight", night, "2026-11-08T02:29:00+01:00", "open"},
		{"over after midnight", night, "2026-11-08T02:30:00+01:00", "closed"},
		{"Monday still belongs to Sunday night", night, "2026-11-09T01:00:00+01:00", "open"},
		{"the night before is no night of ours", night, "2026-11-07T01:00:00+01:00", "closed"},
		{"a holiday has no night", night, "2026-10-31T23:00:00+01:00", "holiday"},
		{"the whole day", night, "2026-11-04T23:59:59+01:00", "open"},
		{"the whole day ends at midnight", night, "2026-11-05T00:00:00+01:00", "closed"},
		{"days around the weekend", newYork, "2026-11-02T10:00:00-05:00", "open"},
		{"no day around the weekend", newYork, "2026-11-03T10:00:00-05:00", "closed"},

		// Clocks go forward on 2026-03-29 at 02:00 in Madrid, on 2026-03-08 in New York.
		{"before the clock goes forward", madrid, "2026-03-27T08:00:00Z", "open"},
		{"after the clock went forward", madrid, "2026-03-30T07:00:00Z", "open"},
		{"after the clock went forward, late", madrid, "2026-03-30T17:00:00Z", "closed"},
		{"night in which an hour is missing", night, "2026-03-29T00:59:00Z", "open"},
		{"its end was skipped", night, "2026-03-29T01:00:00Z", "closed"}, // 01:59 is followed by 03:00
		{"a beginning that was skipped", newYork, "2026-03-08T07:00:00Z", "open"},
		{"a beginning that was skipped, before", newYork, "2026-03-08T06:59:00Z", "closed"},

		// And back on 2026-10-25 at 03:00 in Madrid.
		{"before the clock goes back", madrid, "2026-10-23T07:00:00Z", "open"},
		{"after the clock went back", madrid, "2026-10-26T07:59:00Z", "closed"},
		{"after the clock went back, open", madrid, "2026-10-26T08:00:00Z", "open"},
		{"02:15 for the first time", night, "2026-10-25T00:15:00Z", "open"},
		{"02:45 for the first time", night, "2026-10-25T00:45:00Z", "closed"},
		{"02:15 for the second time", night, "2026-10-25T01:15:00Z", "open"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cal, found := calendarOf(t, c.calendar)
			if len(found) > 0 {
				t.Fatal(found)
			}
			at, err := time.Parse(time.RFC3339, c.at)
			if err != nil {
				t.Fatal(err)
			}
			if got := cal.at(at); got.outcome != c.want || got.reason == "" || got.rule == "" {
				t.Errorf("got %+v, want %s", got, c.want)
			}
		})
	}
}

func TestCalendarFaults(t *testing.T) {
	_, found := calendarOf(t, `{"tz": "Madrid", "open": {"mo-fr": ["09:00", "19:00"], "mon": ["09:00"], "tue": ["9:00", "25:00"], "wed": ["24:00", "01:60"]},
		"holidays": ["25-12-2026"], "overrides": {"someday": ["09:00", "10:00"]}, "labels": {"2026-12-26": "Boxing Day"}, "closed": 3}`)
	for _, want := range []string{
		"tz", "open.mo-fr", "open.mon", "open.tue[0]", "open.wed[0]", "holidays[0]", "overrides.someday", "labels.2026-12-26", "closed",
	} {
		if !strings.Contains(found.String(), "error: "+want+": ") {
			t.Errorf("nothing is said of %s in\n%s", want, found)
		}
	}
}
