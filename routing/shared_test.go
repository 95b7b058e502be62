package routing_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/routing"
)

func calendar(t testing.TB, revision int, doc string) *routing.Calendar {
	t.Helper()
	c, err := routing.ParseCalendar([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return c.WithRevision(revision)
}

// calendars finds them by name.
func calendars(list ...*routing.Calendar) func(string) *routing.Calendar {
	return func(name string) *routing.Calendar {
		for _, c := range list {
			if c.Name() == name {
				return c
			}
		}
		return nil
	}
}

const officeHours = `{"name": "office", "tz": "America/New_York", "open": {"mon-fri": ["09:00", "17:00"]}, "holidays": ["2026-11-26"], "labels": {"2026-11-26": "Thanksgiving"}}`

func TestSharedCalendars(t *testing.T) {
	l := library{}
	l.put(t, "main", 1, `"entry": "h", "calendars": {"mine": {"tz": "America/New_York", "open": {}}}, "nodes": {
		"h": {"type": "hours", "cfg": {"calendar": "office"}, "on": {"open": "s", "default": "own"}},
		"own": {"type": "hours", "cfg": {"calendar": "mine"}, "on": {"default": "bye"}},
		"s": {"type": "subflow", "cfg": {"flow": "inner"}, "on": {"default": "cb"}},
		"cb": {"type": "callback", "cfg": {"calendar": "office"}, "on": {"default": "bye"}}`)
	l.put(t, "inner", 2, `"entry": "h", "nodes": {"h": {"type": "hours", "cfg": {"calendar": "warehouse"}, "on": {"default": "r"}}, "r": {"type": "return"}`)
	office := calendar(t, 7, officeHours)
	warehouse := calendar(t, 3, `{"name": "warehouse", "tz": "Europe/Madrid", "open": {"mon-sun": ["00:00", "24:00"]}}`)
	unused := calendar(t, 9, `{"name": "mine", "tz": "UTC", "open": {"mon-sun": ["00:00", "24:00"]}}`)
	f, err := routing.Link(l["main"], routing.Parts{Flow: l.find, Calendar: calendars(office, warehouse, unused)})
	if err != nil {
		t.Fatal(err)
	}
	open, holiday := time.Date(2026, 11, 3, 15, 0, 0, 0, time.UTC), time.Date(2026, 11, 26, 15, 0, 0, 0, time.UTC)

	t.Run("a run says which revisions it looks at, stored or not", func(t *testing.T) {
		run, _, err := routing.Start(f, routing.Caller{At: open}, open)
		if err != nil || run.At != "cb" || len(run.Calendars) != 2 || run.Calendars["office"] != 7 || run.Calendars["warehouse"] != 3 {
			t.Errorf("at %s with %v, %v", run.At, run.Calendars, err)
		}
		d := run.Path[0]
		if d.Outcome != "open" || d.Rule != "calendars.office.open.mon-fri" || d.Inputs["calendar_revision"] != 7.0 || d.Inputs["tz"] != "America/New_York" {
			t.Errorf("decision %+v", d)
		}
		b, err := json.Marshal(run)
		var stored routing.Run
		if err != nil || json.Unmarshal(b, &stored) != nil || stored.Calendars["office"] != 7 {
			t.Errorf("stored as %s, %v", b, err)
		}
	})
	t.Run("a holiday is called by its name", func(t *testing.T) {
		run, _, err := routing.Start(f, routing.Caller{At: holiday}, holiday)
		if d := run.Path[0]; err != nil || d.Outcome != "holiday" || !strings.Contains(d.Reason, "is a holiday: Thanksgiving") || d.Inputs["label"] != "Thanksgiving" {
			t.Errorf("decision %+v, %v", d, err)
		}
	})
	t.Run("the flow's own goes before a shared one of the same name", func(t *testing.T) {
		run, _, _ := routing.Start(f, routing.Caller{At: holiday}, holiday)
		if d := run.Path[1]; d.Node != "own" || d.Outcome != "closed" || d.Inputs["calendar_revision"] != nil || run.Calendars["mine"] != 0 {
			t.Errorf("decision %+v of %v", d, run.Calendars)
		}
	})
	t.Run("words of time go by the clock of the calendar", func(t *testing.T) {
		if got := f.LocalAt("h", open).Hour(); got != 10 {
			t.Errorf("it is %d o'clock in main", got)
		}
		if got := f.LocalAt("s/h", open).Hour(); got != 16 {
			t.Errorf("it is %d o'clock in inner", got)
		}
	})
	t.Run("nobody is called back outside its hours", func(t *testing.T) {
		if at, ok := routing.MayCallBack(f, "cb", holiday); !ok || at.UTC().Format(time.RFC3339) != "2026-11-27T14:00:00Z" {
			t.Errorf("%v %v", at, ok)
		}
	})
	t.Run("a later revision does not reach a flow that was linked before", func(t *testing.T) {
		later := calendar(t, 8, strings.Replace(officeHours, "09:00", "12:00", 1))
		g, err := routing.Link(l["main"], routing.Parts{Flow: l.find, Calendar: calendars(later, warehouse)})
		if err != nil {
			t.Fatal(err)
		}
		was, _, _ := routing.Start(f, routing.Caller{At: open}, open)
		is, _, _ := routing.Start(g, routing.Caller{At: open}, open)
		if was.Path[0].Outcome != "open" || is.Path[0].Outcome != "closed" || is.Calendars["office"] != 8 {
			t.Errorf("%s and %s", was.Path[0].Outcome, is.Path[0].Outcome)
		}
	})
	t.Run("one that is not there is a fault, wherever it is named", func(t *testing.T) {
		_, err := routing.Link(l["main"], routing.Parts{Flow: l.find, Calendar: calendars()})
		var bad *routing.LinkError
		if !errors.As(err, &bad) || len(bad.Findings) != 3 {
			t.Fatalf("%v", err)
		}
		for i, at := range []string{"nodes.cb.cfg.calendar", "nodes.h.cfg.calendar", "nodes.s.cfg.flow"} {
			if f := bad.Findings[i]; f.Location != at || !strings.Contains(f.Message, "there is no calendar") {
				t.Errorf("%+v, want one at %s", f, at)
			}
		}
		found := routing.Lint(l["main"], routing.Known{Flow: l.find, Calendar: calendars()})
		if errs := found.Errors(); len(errs) != 3 {
			t.Errorf("lint says\n%s", found)
		}
	})
	t.Run("that the flow's own hides one is told", func(t *testing.T) {
		found := routing.Lint(l["main"], routing.Known{Flow: l.find, Calendar: calendars(office, warehouse, unused)})
		if len(found) != 1 || found[0].Severity != routing.Warning || found[0].Location != "calendars.mine" {
			t.Errorf("lint says\n%s", found)
		}
	})
	t.Run("without a hub it is a doubt", func(t *testing.T) {
		found := routing.Lint(l["inner"], routing.Known{})
		if len(found.Errors()) > 0 || len(found) != 1 || found[0].Location != "nodes.h.cfg.calendar" {
			t.Errorf("lint says\n%s", found)
		}
		run, _, err := routing.Start(l["inner"], routing.Caller{At: open}, open)
		if err != nil || run.Path[0].Outcome != "error" || !strings.Contains(run.Path[0].Reason, "not linked in") {
			t.Errorf("%+v, %v", run.Path, err)
		}
	})
}

func TestReplayKeepsTheCalendarItBeganWith(t *testing.T) {
	f := parse(t, `{"schema": "callflow/v1", "name": "x", "entry": "h", "handlers": {"hangup": "bye"}, "nodes": {
		"h": {"type": "hours", "cfg": {"calendar": "office"}, "on": {"open": "d", "default": "v"}},
		"d": {"type": "dial", "cfg": {"targets": ["agent:ann"]}, "on": {"default": "v"}},
		"v": {"type": "voicemail", "cfg": {"box": "agent:ann"}, "on": {"default": "bye"}}, "bye": {"type": "hangup"}}}`)
	at := func(c *routing.Calendar) *routing.Flow {
		g, err := routing.Link(f, routing.Parts{Calendar: calendars(c)})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	before, since := at(calendar(t, 1, officeHours)), at(calendar(t, 2, strings.Replace(officeHours, "09:00", "12:00", 1)))
	now := time.Date(2026, 11, 3, 15, 0, 0, 0, time.UTC)
	run, _, err := routing.Start(before, routing.Caller{At: now}, now)
	if err != nil {
		t.Fatal(err)
	}
	if run, _, err = routing.Resume(before, run, routing.Event{Node: run.At, Outcome: "no_answer", At: now.Add(20 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		f    *routing.Flow
		path string
	}{{before, "h d"}, {since, "h"}} {
		stands, err := routing.Replay(c.f, run)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(walked(stands[len(stands)-1].Run.Path), " "); got != c.path {
			t.Errorf("revision %d leads it by %q, want %q", c.f.Calendars()["office"], got, c.path)
		}
	}
}

func TestParseCalendar(t *testing.T) {
	a := calendar(t, 0, officeHours)
	b := calendar(t, 0, `{"open": {"mon-fri": ["09:00", "17:00"]}, "overrides": {}, "labels": {"2026-11-26": "Thanksgiving"}, "description": "",
		"tz": "America/New_York", "holidays": ["2026-11-26"], "name": "office"}`)
	if string(a.Doc()) != string(b.Doc()) {
		t.Errorf("the same calendar is written in two ways:\n%s\n%s", a.Doc(), b.Doc())
	}
	again := calendar(t, 0, string(a.Doc()))
	if string(again.Doc()) != string(a.Doc()) || again.At(noon).State != a.At(noon).State {
		t.Errorf("it reads back as %s", again.Doc())
	}
	for doc, at := range map[string]string{
		`{"name": "office", "tz": "Mars", "open": {}}`:                                                              "tz: ",
		`{"name": "office", "tz": "UTC", "open": {"mon": ["09:00"]}}`:                                               "open.mon: ",
		`{"name": "of fice", "tz": "UTC", "open": {}}`:                                                              "name: ",
		`{"tz": "UTC", "open": {}}`:                                                                                 "name: is missing",
		`{"name": "office", "tz": "UTC", "open": {}, "hollidays": []}`:                                              "hollidays: unknown key",
		`{"name": "office", "tz": "UTC", "open": {}, "labels": {"2026-11-26": "Thanksgiving"}}`:                     "labels.2026-11-26: ",
		`{"name": "office", "tz": "UTC", "open": {"mon": ["09:00", "12:00"], "mon-tue": ["11:00", "12:30"]}}`:       "open.mon-tue: ",
		`{"name": "office", "tz": "UTC", "open": {"mon": [` + manyHours(25) + `]}}`:                                 "open: mon opens more than 24 times",
		`{"name": "office", "tz": "UTC", "open": {}, "overrides": {"2026-11-26": [` + manyHours(25) + `]}}`:         "overrides.2026-11-26: opens more than 24 times",
		`{"name": "office", "tz": "UTC", "open": {}, "holidays": ["2026-11-26"], "labels": {"2026-11-26": "a\nb"}}`: "labels.2026-11-26: wants one line",
		`{"name": "office", "tz": "UTC", "open": {}, "holidays": ["2026-11-26"], "labels": {"2026-11-26": ""}}`:     "labels.2026-11-26: wants one line",
		`[]`: "wants an object", `{`: "not JSON",
	} {
		_, err := routing.ParseCalendar([]byte(doc))
		var bad *routing.CalendarError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), at) {
			t.Errorf("%s: %v, want %q", doc, err, at)
		}
	}
}

// manyHours are openings of a minute each.
func manyHours(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"%02d:%02d", "%02d:%02d"`, i/6, i%6*10, i/6, i%6*10+1)
	}
	return strings.Join(list, ", ")
}

// Whatever is written as a calendar, it is refused, or says the same of a time at
// once and in the periods of a day or two, and reads back as it is.
func FuzzCalendar(f *testing.F) {
	f.Add(officeHours, int64(1795600000))
	f.Add(`{"name": "a", "tz": "America/Santiago", "open": {"sat,sun": ["22:00", "02:30"], "wed": ["00:00", "24:00"]}, "overrides": {"2026-09-06": ["00:00", "00:30"]}}`, int64(1788667200))
	f.Fuzz(func(t *testing.T, doc string, unix int64) {
		c, err := routing.ParseCalendar([]byte(doc))
		if err != nil {
			return
		}
		if again, err := routing.ParseCalendar(c.Doc()); err != nil || string(again.Doc()) != string(c.Doc()) {
			t.Fatalf("%s reads back with %v", c.Doc(), err)
		}
		from := time.Unix(unix%4102444800, 0)
		end := from.Add(36 * time.Hour)
		at := from
		for _, p := range c.Periods(from, end) {
			for _, in := range []time.Time{p.From, p.From.Add(p.To.Sub(p.From) / 2), p.To.Add(-time.Second)} {
				if o := c.At(in); !p.From.Equal(at) || o.State != p.State || o.Label != p.Label {
					t.Fatalf("%s: at %s it is %+v, within %+v after %s", doc, in, o, p, at)
				}
			}
			at = p.To
		}
		if !at.Equal(end) {
			t.Fatalf("the periods end at %s, not %s", at, end)
		}
	})
}
