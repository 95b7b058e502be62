package app

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/parking/parkingpg"
	"github.com/callyard/callyard/queues/queuespg"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// A change of a calendar reaches the calls that begin after it, and no others.
func TestCallsKeepTheCalendarTheyBeganWith(t *testing.T) {
	db := pgtest.New(t)
	ctx := t.Context()
	routes := routingpg.New(db)
	now := time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)
	save := func(doc string) {
		c, err := routing.ParseCalendar([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := routes.SaveCalendar(ctx, c, now); err != nil {
			t.Fatal(err)
		}
	}
	const open = `{"name": "office", "tz": "UTC", "open": {"mon-fri": ["09:00", "17:00"]}}`
	save(open)
	none := func(*routing.Flow) routing.Findings { return nil }
	for _, doc := range []string{
		`{"schema": "callflow/v1", "name": "inner", "entry": "h", "nodes": {"h": {"type": "hours", "cfg": {"calendar": "office"}, "on": {"open": "o", "default": "r"}}, "o": {"type": "return", "cfg": {"outcome": "open"}}, "r": {"type": "return"}}}`,
		`{"schema": "callflow/v1", "name": "line", "entry": "in", "handlers": {"hangup": "bye"}, "nodes": {
			"in": {"type": "subflow", "cfg": {"flow": "inner"}, "on": {"open": "v", "default": "bye"}},
			"v": {"type": "voicemail", "cfg": {"box": "agent:ann"}, "on": {"default": "bye"}}, "bye": {"type": "hangup"}}}`,
	} {
		if _, _, err := routes.PutFlow(ctx, []byte(doc), "", now, none); err != nil {
			t.Fatal(err)
		}
	}
	if err := routes.SaveNumber(ctx, routing.Number{Number: "+12025550100", Flow: "line"}); err != nil {
		t.Fatal(err)
	}
	p := &planner{db: db, lots: parkingpg.New(db), agents: queuespg.New(db), routes: routes, log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	planned := func() *routing.Flow {
		t.Helper()
		if err := p.Load(ctx); err != nil {
			t.Fatal(err)
		}
		return p.Plan().Flows["line"]
	}
	begin := func(f *routing.Flow) routing.Run {
		t.Helper()
		run, _, err := routing.Start(f, routing.Caller{At: now}, now)
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	first := planned()
	save(strings.Replace(open, "09:00", "12:00", 1))
	second := planned()
	was, is := begin(first), begin(second)
	if was.At != "v" || was.Calendars["office"] != 1 || !is.Ended || is.Calendars["office"] != 2 {
		t.Errorf("the calls are at %q by %v and at %q by %v", was.At, was.Calendars, is.At, is.Calendars)
	}

	a := &App{Routes: routes}
	for _, run := range []routing.Run{was, is} {
		f, err := a.flowOf(ctx, run)
		if err != nil {
			t.Fatal(err)
		}
		if again := begin(f); again.At != run.At || again.Calendars["office"] != run.Calendars["office"] {
			t.Errorf("led again the call is at %q by %v, not at %q by %v", again.At, again.Calendars, run.At, run.Calendars)
		}
	}
	t.Run("one who is owed a call is called by the hours of today", func(t *testing.T) {
		f, err := a.flowOf(ctx, routing.Run{Flow: was.Flow, Version: was.Version, Subflows: was.Subflows})
		if err != nil || f.Calendars()["office"] != 2 {
			t.Errorf("%v, %v", f.Calendars(), err)
		}
	})
}
