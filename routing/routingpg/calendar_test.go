package routingpg_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// office is a calendar that opens at an hour.
func office(t *testing.T, hour string) *routing.Calendar {
	t.Helper()
	c, err := routing.ParseCalendar(fmt.Appendf(nil, `{"name": "office", "tz": "Europe/Madrid", "open": {"mon-fri": [%q, "19:00"]}}`, hour))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// looking is a flow with a node that looks at a calendar.
func looking(name, at string) []byte {
	return fmt.Appendf(nil, `{"schema": "callflow/v1", "name": %q, "entry": "h", "handlers": {"hangup": "bye"},
		"nodes": {"h": {"type": "hours", "cfg": {"calendar": %q}, "on": {"default": "bye"}}, "bye": {"type": "hangup"}}}`, name, at)
}

func saveOffice(t *testing.T, s *routingpg.Store, hour string) routingpg.Calendar {
	t.Helper()
	c, _, err := s.SaveCalendar(t.Context(), office(t, hour), noon)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCalendars(t *testing.T) {
	db, s := open(t)
	ctx := t.Context()
	t.Run("what it was stays when it changes, and when it is gone", func(t *testing.T) {
		if first := saveOffice(t, s, "09:00"); first.Revision != 1 || !first.SavedAt.Equal(noon.Truncate(time.Microsecond)) {
			t.Errorf("saved as %+v", first)
		}
		if second := saveOffice(t, s, "10:00"); second.Revision != 2 {
			t.Errorf("saved as %+v", second)
		}
		if err := s.DeleteCalendar(ctx, "office"); err != nil {
			t.Fatal(err)
		}
		is[*routingpg.NotFoundError](t, s.DeleteCalendar(ctx, "office"))
		_, err := s.Calendar(ctx, "office")
		is[*routingpg.NotFoundError](t, err)
		if c := saveOffice(t, s, "11:00"); c.Revision != 3 {
			t.Errorf("made again as %+v", c)
		}
		for n, opens := range map[int]string{1: "09:00", 2: "10:00", 3: "11:00", 0: "11:00"} {
			c, err := s.CalendarRevision(ctx, "office", n)
			if err != nil || !strings.Contains(string(c.Doc), opens) {
				t.Errorf("revision %d is %s, %v", n, c.Doc, err)
			}
		}
		if list, err := s.CalendarRevisions(ctx, "office"); err != nil || len(list) != 3 || list[0].Revision != 3 || list[2].Revision != 1 || list[0].Doc != nil {
			t.Errorf("revisions %+v, %v", list, err)
		}
		_, err = s.CalendarRevisions(ctx, "nowhere")
		is[*routingpg.NotFoundError](t, err)
		for _, n := range []int{4, -1, 1 << 40} {
			_, err := s.CalendarRevision(ctx, "office", n)
			is[*routingpg.NotFoundError](t, err)
		}
		if _, err := db.Pool.Exec(ctx, `update calendar_revisions set doc = '{}'`); err == nil {
			t.Error("a revision can be changed")
		}
	})
	t.Run("saying the same again makes no revision", func(t *testing.T) {
		c, fresh, err := s.SaveCalendar(ctx, office(t, "11:00"), noon.Add(time.Hour))
		if err != nil || fresh || c.Revision != 3 || !c.SavedAt.Equal(noon.Truncate(time.Microsecond)) {
			t.Errorf("%+v, fresh %v, %v", c, fresh, err)
		}
		if list, err := s.Calendars(ctx); err != nil || len(list) != 1 || list[0].Revision != 3 {
			t.Errorf("%+v, %v", list, err)
		}
		read, err := c.Parse()
		if err != nil || read.Revision() != 3 || read.Name() != "office" {
			t.Errorf("read as %+v, %v", read, err)
		}
	})
	t.Run("who writes at the same time gets revisions of their own", func(t *testing.T) {
		var wg sync.WaitGroup
		got := make([]int, 5)
		for i := range got {
			wg.Go(func() {
				if c, _, err := s.SaveCalendar(ctx, office(t, fmt.Sprintf("12:%02d", i)), noon); err == nil {
					got[i] = c.Revision
				}
			})
		}
		wg.Wait()
		slices.Sort(got)
		if !slices.Equal(got, []int{4, 5, 6, 7, 8}) {
			t.Errorf("revisions %v", got)
		}
	})
}

func TestCalendarsThatFlowsLookAt(t *testing.T) {
	_, s := open(t)
	ctx := t.Context()
	doubt := func(f *routing.Flow) routing.Findings { return routing.Lint(f, routing.Known{}) }
	put := func(name, at string) error {
		_, _, err := s.PutFlow(ctx, looking(name, at), "", noon, doubt)
		return err
	}
	inUse := func() []string {
		return is[*routingpg.CalendarInUseError](t, s.DeleteCalendar(ctx, "office")).Flows
	}
	if f := is[*routingpg.LintError](t, put("day", "office")).Findings.Errors(); len(f) != 1 || f[0].Location != "nodes.h.cfg.calendar" {
		t.Errorf("a flow is published that looks at what is not there: %v", f)
	}
	saveOffice(t, s, "09:00")
	if err := put("day", "office"); err != nil {
		t.Fatal(err)
	}
	// A draft counts although it has faults; a flow with a calendar of its own of this name does not.
	faulty := strings.Replace(string(looking("night", "office")), `"handlers"`, `"handler"`, 1)
	if _, err := s.SaveDraft(ctx, "night", []byte(faulty), nil); err != nil {
		t.Fatal(err)
	}
	own := strings.Replace(string(looking("own", "office")), `"nodes"`, `"calendars": {"office": {"tz": "UTC", "open": {}}}, "nodes"`, 1)
	if _, err := s.SaveDraft(ctx, "own", []byte(own), nil); err != nil {
		t.Fatal(err)
	}
	if got := inUse(); !slices.Equal(got, []string{"day", "night"}) {
		t.Errorf("it is looked at by %v", got)
	}
	if got, err := s.LookingAt(ctx, "office"); err != nil || !slices.Equal(got, []string{"day", "night"}) {
		t.Errorf("it is looked at by %v, %v", got, err)
	}
	for _, name := range []string{"day", "night"} {
		if err := s.DeleteFlow(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := put("day", "office"); err != nil {
		t.Fatal(err)
	}
	// The live version counts when the draft has moved on, and a canary when the live version has.
	if _, err := s.SaveDraft(ctx, "day", greetingOf("day"), nil); err != nil {
		t.Fatal(err)
	}
	if got := inUse(); !slices.Equal(got, []string{"day"}) {
		t.Errorf("it is looked at by %v", got)
	}
	if _, err := s.Publish(ctx, "day", "", "ann", noon, doubt); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetAlias(ctx, "day", routingpg.Wish{Version: 2, Canary: 1, Percent: 10}, "ann", noon, doubt); err != nil {
		t.Fatal(err)
	}
	if got := inUse(); !slices.Equal(got, []string{"day"}) {
		t.Errorf("it is looked at by %v", got)
	}
	if _, err := s.Abort(ctx, "day", "ann", noon); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteCalendar(ctx, "office"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetLive(ctx, "day", 1, "", "ann", noon, doubt); err == nil {
		t.Error("a version goes live that looks at what is not there any more")
	}
}

// Publishing checks against the calendars as they are in its transaction.
func TestFlowTestsLookAtSharedCalendars(t *testing.T) {
	_, s := open(t)
	saveOffice(t, s, "09:00")
	c, err := s.Calendar(t.Context(), "office")
	if err != nil {
		t.Fatal(err)
	}
	read, err := c.Parse()
	if err != nil {
		t.Fatal(err)
	}
	known := routing.Known{Calendar: func(string) *routing.Calendar { return read }}
	doc := strings.Replace(string(looking("day", "office")), `"nodes"`, `"tests": [{"name": "noon", "given": {"at": "2026-11-03T12:00:00+01:00"}, "expect": {"path": ["h", "shut"]}}], "nodes"`, 1)
	doc = strings.Replace(doc, `"on": {"default": "bye"}`, `"on": {"open": "bye", "default": "shut"}`, 1)
	doc = strings.Replace(doc, `"bye":`, `"shut": {"type": "hangup"}, "bye":`, 1)
	_, _, err = s.PutFlow(t.Context(), []byte(doc), "", noon, func(f *routing.Flow) routing.Findings { return sim.Check(t.Context(), f, known) })
	if bad := is[*routingpg.LintError](t, err); !strings.Contains(bad.Findings.String(), "noon") {
		t.Errorf("%v", bad.Findings)
	}
}

func greetingOf(name string) []byte {
	return []byte(strings.Replace(string(greeting("hello")), `"greeting"`, fmt.Sprintf("%q", name), 1))
}
