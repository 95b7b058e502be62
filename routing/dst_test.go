package routing

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// clockChange is a change of a zone's clock as its government announced it: the
// oracle of the test below reads no zone database.
type clockChange struct {
	zone          string
	at            string // UTC
	before, after int    // minutes east of UTC
}

var clockChanges = []clockChange{
	{"Europe/Madrid", "2026-03-29T01:00:00Z", 60, 120},
	{"Europe/Madrid", "2026-10-25T01:00:00Z", 120, 60},
	{"America/New_York", "2026-03-08T07:00:00Z", -300, -240},
	{"America/New_York", "2026-11-01T06:00:00Z", -240, -300},
	{"Australia/Lord_Howe", "2026-04-04T15:00:00Z", 660, 630}, // by half an hour
	{"Australia/Lord_Howe", "2026-10-03T15:30:00Z", 630, 660},
	{"America/Santiago", "2026-04-05T03:00:00Z", -180, -240}, // 24:00 is 23:00 again
	{"America/Santiago", "2026-09-06T04:00:00Z", -240, -180}, // there is no midnight
	{"Africa/Cairo", "2026-04-23T22:00:00Z", 120, 180},       // nor here
	{"Africa/Cairo", "2026-10-29T21:00:00Z", 180, 120},
	{"America/St_Johns", "2026-03-08T05:30:00Z", -210, -150},
	{"America/St_Johns", "2026-11-01T04:30:00Z", -150, -210},
	{"Asia/Kathmandu", "2026-03-29T01:00:00Z", 345, 345}, // never changes
}

// hoursOf a test calendar: the same every day, but for one holiday and one override.
type hoursOf struct{ week, override [][2]int }

// Every minute around every change of the clock is what arithmetic with the
// announced offsets says.
func TestCalendarsWhenClocksChange(t *testing.T) {
	for _, c := range clockChanges {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		for i, h := range []hoursOf{
			{week: [][2]int{{0, 1440}}},
			{week: [][2]int{{135, 165}, {540, 1020}}},       // 02:15–02:45, within the hour that is skipped or comes twice
			{week: [][2]int{{1320, 1440 + 150}}},            // 22:00–02:30
			{week: [][2]int{{0, 30}, {60, 180}}},            // from a midnight that may not exist
			{week: [][2]int{{1410, 1440 + 90}, {120, 121}}}, // 23:30–01:30
			{week: [][2]int{{1320, 1440 + 150}}, override: [][2]int{{100, 130}, {1380, 1440 + 45}}},
		} {
			for _, special := range []int{-1, 0, 1} { // the holiday is a day before, on or after the change
				local := at.Add(time.Duration(c.before) * time.Minute)
				holiday := civil(local).add(special)
				override := holiday.add(1)
				cal, found := calendarOf(t, h.document(c.zone, holiday, override))
				if len(found) > 0 {
					t.Fatal(found)
				}
				var begins []string
				for m := -26 * 60; m <= 26*60; m++ {
					now := at.Add(time.Duration(m) * time.Minute)
					offset := c.before
					if m >= 0 {
						offset = c.after
					}
					if got, want := cal.at(now).outcome, h.oracle(now.Add(time.Duration(offset)*time.Minute), holiday, override); got != want {
						t.Fatalf("%s, hours %d, holiday %s: at %s it is %s, want %s (%s)", c.zone, i, holiday, now.Format(time.RFC3339), got, want, cal.at(now).reason)
					} else if n := len(begins); n == 0 || !strings.HasSuffix(begins[n-1], got) {
						begins = append(begins, now.UTC().Format(time.RFC3339)+" "+got)
					}
				}
				var periods []string
				for _, p := range cal.periods(at.Add(-26*time.Hour), at.Add(26*time.Hour+time.Minute)) {
					periods = append(periods, p.From.UTC().Format(time.RFC3339)+" "+p.State)
				}
				if !slices.Equal(periods, begins) {
					t.Fatalf("%s, hours %d, holiday %s: periods\n%v, want\n%v", c.zone, i, holiday, periods, begins)
				}
			}
		}
	}
}

// day is a date of the calendar on the wall, as days since 1970-01-01.
type day int

func civil(wall time.Time) day { return day(floor(wall.Unix(), 86400)) }

func (d day) add(n int) day { return d + day(n) }

func (d day) String() string { return time.Unix(int64(d)*86400, 0).UTC().Format(time.DateOnly) }

func floor(a, b int64) int64 {
	if a < 0 {
		return (a - b + 1) / b
	}
	return a / b
}

// oracle reads a wall clock (as if it were UTC).
func (h hoursOf) oracle(wall time.Time, holiday, override day) string {
	today := civil(wall)
	minute := int(wall.Unix()-int64(today)*86400) / 60
	of := func(d day) [][2]int {
		switch {
		case d == override && h.override != nil:
			return h.override
		case d == holiday:
			return nil
		}
		return h.week
	}
	for _, s := range of(today) {
		if minute >= s[0] && minute < s[1] {
			return "open"
		}
	}
	for _, s := range of(today - 1) {
		if minute+1440 >= s[0] && minute+1440 < s[1] {
			return "open"
		}
	}
	if today == holiday {
		return "holiday"
	}
	return "closed"
}

func (h hoursOf) document(zone string, holiday, override day) string {
	list := func(spans [][2]int) string {
		s := ""
		for _, x := range spans {
			to := x[1]
			if to > 1440 {
				to -= 1440
			}
			s += fmt.Sprintf(`, "%02d:%02d", "%02d:%02d"`, x[0]/60, x[0]%60, to/60, to%60)
		}
		return s[2:]
	}
	doc := fmt.Sprintf(`{"tz": %q, "open": {"mon-sun": [%s]}, "holidays": [%q]`, zone, list(h.week), holiday)
	if h.override != nil {
		doc += fmt.Sprintf(`, "overrides": {%q: [%s]}`, override, list(h.override))
	}
	return doc + "}"
}
