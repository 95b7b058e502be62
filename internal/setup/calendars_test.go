package setup_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/routing"
)

const hoursFlow = `
flows:
  - {schema: callflow/v1, name: day, entry: h, handlers: {hangup: bye}, nodes: {
      h: {type: hours, cfg: {calendar: office}, on: {default: bye}}, bye: {type: hangup}},
     tests: [{name: Christmas, given: {at: "2026-12-25T10:00:00+01:00"}, expect: {path: [h, bye]}}]}
`

const officeCalendar = `
calendars:
  - name: office
    tz: Europe/Madrid
    open: {mon-fri: [09:00, "19:00"]}
    holidays: [2026-12-25]
    overrides: {2026-12-24: ["09:00", "12:00"]}
    labels: {2026-12-25: Christmas}
`

// refused is why a document is not applied.
func refused(t *testing.T, s setup.Stores, doc string, o setup.Options) string {
	t.Helper()
	d, err := setup.Read([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	changes, err := setup.Apply(t.Context(), s, d, o, time.Now())
	if err == nil || len(changes) > 0 {
		t.Fatalf("%v, %v", changes, err)
	}
	if found, ok := errors.AsType[*setup.FlowsError](err); ok {
		return found.Findings.String()
	}
	return err.Error()
}

func TestApplyCalendars(t *testing.T) {
	t.Parallel()
	s := stores(t)
	s.InUse, s.Waiting = idle, idle
	t.Run("a flow may name one of the same document, or of the hub, and no other", func(t *testing.T) {
		if got := refused(t, s, hoursFlow, setup.Options{}); !strings.Contains(got, `flows[0].nodes.h.cfg.calendar: there is no calendar "office"`) {
			t.Error(got)
		}
		near := strings.Replace(officeCalendar, "name: office", "name: offices", 1)
		if got := refused(t, s, hoursFlow+near, setup.Options{}); !strings.Contains(got, `did you mean "offices"?`) {
			t.Error(got)
		}
		would := applyWith(t, s, []byte(hoursFlow+officeCalendar), setup.Options{DryRun: true})
		did := applyWith(t, s, []byte(hoursFlow+officeCalendar), setup.Options{})
		if !slices.Equal(would, did) || !slices.Equal(did, []string{"created calendar office", "created flow day"}) {
			t.Errorf("it would %q, and did %q", would, did)
		}
		if got := applyWith(t, s, []byte(hoursFlow+officeCalendar), setup.Options{}); len(got) > 0 {
			t.Errorf("again it %q", got)
		}
	})
	t.Run("dates need no quotes in YAML", func(t *testing.T) {
		list, err := s.Routes.Calendars(t.Context())
		if err != nil || len(list) != 1 || !strings.Contains(string(list[0].Doc), `"holidays":["2026-12-25"],"overrides":{"2026-12-24":["09:00","12:00"]},"labels":{"2026-12-25":"Christmas"}`) {
			t.Errorf("%v, %v", list, err)
		}
	})
	t.Run("a change is a revision, and a flow's tests look at it", func(t *testing.T) {
		later := strings.Replace(officeCalendar, "09:00, ", `"10:00", `, 1)
		would := applyWith(t, s, []byte(later), setup.Options{DryRun: true})
		if did := applyWith(t, s, []byte(later), setup.Options{}); !slices.Equal(did, []string{"changed calendar office"}) || !slices.Equal(would, did) {
			t.Errorf("it would %q, and did %q", would, did)
		}
		shut := strings.Replace(hoursFlow, "default: bye}}, bye", "holiday: party, default: bye}}, party: {type: hangup}, bye", 1)
		if got := refused(t, s, shut, setup.Options{}); !strings.Contains(got, "Christmas") {
			t.Error(got)
		}
	})
	t.Run("every fault is named with its place", func(t *testing.T) {
		got := refused(t, s, `calendars: [{name: office, tz: Mars, open: {mon: ["09:00"]}}, {name: b, tz: UTC, open: {}}, {name: b, tz: UTC, open: {}}]`, setup.Options{})
		for _, want := range []string{`calendars[0].tz: "Mars"`, "calendars[0].open.mon: ", `calendars[2].name: "b" is calendars[1] already`} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not in\n%s", want, got)
			}
		}
	})
	t.Run("one that a flow looks at is not pruned", func(t *testing.T) {
		if got := applyWith(t, s, []byte("calendars: [{name: depot, tz: UTC, open: {}}]"), setup.Options{Prune: true}); !slices.ContainsFunc(got, func(c string) bool {
			return strings.HasPrefix(c, "kept calendar office calendar office is looked at by day")
		}) {
			t.Errorf("%q", got)
		}
		if got := refused(t, s, hoursFlow+"calendars: []", setup.Options{Prune: true}); !strings.Contains(got, `flows[0].nodes.h.cfg.calendar`) {
			t.Error(got)
		}
		if got := applyWith(t, s, []byte("calendars: []\nflows: []"), setup.Options{Prune: true}); !slices.Equal(got, []string{"removed flow day", "removed calendar depot", "removed calendar office"}) {
			t.Errorf("%q", got)
		}
		if got := applyWith(t, s, []byte(officeCalendar), setup.Options{}); !slices.Equal(got, []string{"created calendar office"}) {
			t.Errorf("made again: %q", got)
		}
	})
}

// A flow that names something nearly right is told what there is.
func TestKnownNamesWhatMayHaveBeenMeant(t *testing.T) {
	t.Parallel()
	s := stores(t)
	s.Prompt, s.Prompts = func(name string) bool { return name == "welcome" }, func() []string { return []string{"welcome"} }
	if _, err := apply(t, s, strings.Replace(whole, "teams: [sales]", "teams: [enterprise], skills: [french]", 1)); err != nil {
		t.Fatal(err)
	}
	for cfg, want := range map[string]string{
		`"play", "cfg": {"prompt": "welcme"}`:             `no prompt "welcme" (did you mean "welcome"?)`,
		`"queue", "cfg": {"queue": "slaes"}`:              `no queue "slaes" (did you mean "sales"?)`,
		`"park", "cfg": {"lot": "sale"}`:                  `no lot "sale" (did you mean "sales"?)`,
		`"dial", "cfg": {"targets": ["team:enterprize"]}`: `no team "enterprize" (did you mean "enterprise"?)`,
		`"dial", "cfg": {"targets": ["agent:anne"]}`:      `no agent "anne" (did you mean "ann"?)`,
		`"dial", "cfg": {"targets": ["skill:frnch"]}`:     `no agent with the skill "frnch" (did you mean "french"?)`,
		`"hours", "cfg": {"calendar": "ofice"}`:           `no calendar "ofice", neither the flow's own nor a shared one (did you mean "office"?)`,
		`"subflow", "cfg": {"flow": "inn"}`:               `no published flow "inn" (did you mean "in"?)`,
		`"disposition", "cfg": {"default_code": "slod"}`:  `no disposition "slod" (did you mean "sold"?)`,
		`"voicemail", "cfg": {"box": "team:enterprse"}`:   `no team "enterprse" (did you mean "enterprise"?)`,
		`"park", "cfg": {"lot": "sales", "ladder": [{"after_s": 20, "do": "enqueue", "queue": "salse"}, {"after_s": 60, "do": "goto", "outcome": "expired"}]}`: `no queue "salse" (did you mean "sales"?)`,
	} {
		known, err := setup.KnownTo(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		f, err := routing.Parse([]byte(`{"schema": "callflow/v1", "name": "x", "entry": "n", "handlers": {"hangup": "bye"}, "nodes": {
			"n": {"type": ` + cfg + `, "on": {"default": "bye"}}, "bye": {"type": "hangup"}}}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := routing.Lint(f, known).String(); !strings.Contains(got, want) {
			t.Errorf("%s: lint says\n%s", cfg, got)
		}
	}
}
