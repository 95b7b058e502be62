package routing

import (
	"strings"
	"testing"
	"time"
)

func moment(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestOpening(t *testing.T) {
	c, found := calendarOf(t, `{"tz": "Europe/Madrid", "open": {"mon-fri": ["09:00", "14:00", "16:00", "19:00"]},
		"holidays": ["2026-12-25", "2026-12-28"], "overrides": {"2026-12-24": ["09:00", "12:00"], "2026-12-23": ["22:00", "01:00"]},
		"labels": {"2026-12-25": "Christmas", "2026-12-24": "Christmas Eve", "2026-12-23": "late shift"}}`)
	if len(found) > 0 {
		t.Fatal(found)
	}
	t.Run("a date that has a name is called by it", func(t *testing.T) {
		for _, w := range []struct{ at, state, label, rule string }{
			{"2026-12-25T10:00:00+01:00", "holiday", "Christmas", "holidays"},
			{"2026-12-28T10:00:00+01:00", "holiday", "", "holidays"},
			{"2026-12-24T10:00:00+01:00", "open", "Christmas Eve", "overrides.2026-12-24"},
			{"2026-12-24T13:00:00+01:00", "closed", "Christmas Eve", "overrides.2026-12-24"},
			{"2026-12-24T00:30:00+01:00", "open", "late shift", "overrides.2026-12-23"}, // of the night before
			{"2026-12-22T10:00:00+01:00", "open", "", "open.mon-fri"},
		} {
			o := c.opening(moment(t, w.at))
			if o.State != w.state || o.Label != w.label || o.Rule != w.rule || w.label != "" && !strings.HasSuffix(o.Reason, ": "+w.label) {
				t.Errorf("%s: %+v", w.at, o)
			}
		}
	})
	t.Run("the next change is to another state", func(t *testing.T) {
		for _, w := range []struct{ at, next, state string }{
			{"2026-12-22T10:00:00+01:00", "2026-12-22T14:00:00+01:00", "closed"},
			{"2026-12-22T19:00:00+01:00", "2026-12-23T22:00:00+01:00", "open"}, // closed on one day and on the next is no change
			{"2026-12-24T12:00:00+01:00", "2026-12-25T00:00:00+01:00", "holiday"},
			{"2026-12-25T12:00:00+01:00", "2026-12-26T00:00:00+01:00", "closed"},
			{"2027-03-26T20:00:00+01:00", "2027-03-29T09:00:00+02:00", "open"}, // the clock goes forward meanwhile
		} {
			o, ok := c.next(moment(t, w.at), foresight)
			if !ok || o.State != w.state || o.At.Format(time.RFC3339) != w.next {
				t.Errorf("after %s: %v %+v, want %s", w.at, ok, o, w.next)
			}
		}
		always, _ := calendarOf(t, `{"tz": "UTC", "open": {"mon-sun": ["00:00", "24:00"]}}`)
		if o, ok := always.next(noonOf(2026), foresight); ok {
			t.Errorf("what is always open changes: %+v", o)
		}
	})
	t.Run("a week in periods", func(t *testing.T) {
		var got []string
		list := c.periods(moment(t, "2026-12-23T23:00:00+01:00"), moment(t, "2026-12-26T10:00:00+01:00"))
		for i, p := range list {
			if i > 0 && !list[i-1].To.Equal(p.From) {
				t.Errorf("a gap before %+v", p)
			}
			got = append(got, p.From.Format("02 15:04")+" "+p.State+" "+p.Label)
		}
		want := "23 23:00 open late shift, 24 01:00 closed Christmas Eve, 24 09:00 open Christmas Eve, 24 12:00 closed Christmas Eve, 25 00:00 holiday Christmas, 26 00:00 closed "
		if s := strings.Join(got, ", "); s != want || !list[len(list)-1].To.Equal(moment(t, "2026-12-26T10:00:00+01:00")) {
			t.Errorf("%s", s)
		}
		if p := c.periods(noonOf(2026), noonOf(2026)); p != nil {
			t.Errorf("no time has periods: %v", p)
		}
	})
}

func noonOf(year int) time.Time { return time.Date(year, 11, 3, 12, 0, 0, 0, time.UTC) }
