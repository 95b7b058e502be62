package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

const officeCalendar = `{"name":"office","revision":2,"updated":"2026-11-03T10:00:00Z","tz":"Europe/Madrid","open":{"mon-fri":["09:00","19:00"]},"holidays":["2026-12-25"],"labels":{"2026-12-25":"Christmas"}}`

func TestCalendar(t *testing.T) {
	answers := map[string]string{
		"GET /v1/calendars":        `{"data":[` + officeCalendar + `],"next_cursor":null}`,
		"GET /v1/calendars/office": officeCalendar, "PUT /v1/calendars/office": officeCalendar, "PUT /v1/calendars/new": officeCalendar, "DELETE /v1/calendars/office": ``,
		"GET /v1/calendars/office/flows":       `{"data":[{"flow":"inbound-sales"}],"next_cursor":null}`,
		"GET /v1/calendars/office/revisions/1": `{"name":"office","revision":1,"tz":"UTC","open":{}}`,
		"GET /v1/calendars/office/opening": `{"at":"2026-12-25T10:00:00+01:00","tz":"Europe/Madrid","state":"holiday","label":"Christmas","rule":"holidays","reason":"…",
			"next":{"at":"2026-12-26T00:00:00+01:00","state":"closed","label":""},
			"periods":[{"from":"2026-12-25T10:00:00+01:00","to":"2026-12-26T00:00:00+01:00","state":"holiday","label":"Christmas"}]}`,
	}
	h := tells(t, answers)
	t.Run("list and show", func(t *testing.T) {
		sh(t, "calendar", "list").must(t, OK, "CALENDAR", "office", "Europe/Madrid", `{"mon-fri":["09:00","19:00"]}`)
		sh(t, "calendar", "show", "office").must(t, OK, "tz: Europe/Madrid", "2026-12-25")
		sh(t, "calendar", "show", "ofice").must(t, Failure, `there is no calendar "ofice"; did you mean office?`)
	})
	t.Run("who looks at it", func(t *testing.T) {
		sh(t, "calendar", "flows", "office").must(t, OK, "FLOW", "inbound-sales")
		sh(t, "calendar", "flows", "ofice").must(t, Failure, "did you mean office?")
	})
	t.Run("as a call found it", func(t *testing.T) {
		sh(t, "calendar", "show", "office", "--revision", "1").must(t, OK, "tz: UTC")
		sh(t, "calendar", "show", "office", "--revision", "9").must(t, Failure, "calendar office: there is no such thing")
	})
	t.Run("parts of it are changed", func(t *testing.T) {
		sh(t, "calendar", "set", "office", "--open", "sat=10:00-14:00,16:00-18:00", "--open", "mon-fri=", "--holiday", "2026-12-26", "--holiday", "2026-01-06=Epiphany",
			"--override", "2026-12-31=closed", "--override", "2026-12-24=09:00-12:00", "--label", "2026-12-24=Christmas Eve", "--drop", "2026-12-25", "-o", "json").must(t, OK, `"revision": 2`)
		h.was(t, `PUT /v1/calendars/office {"tz":"Europe/Madrid","open":{"sat":["10:00","14:00","16:00","18:00"]},"holidays":["2026-01-06","2026-12-26"],"overrides":{"2026-12-24":["09:00","12:00"],"2026-12-31":[]},"labels":{"2026-01-06":"Epiphany","2026-12-24":"Christmas Eve"}}`)
	})
	t.Run("a file is all of it", func(t *testing.T) {
		file := write(t, "office.yaml", "name: office\ntz: UTC\nopen: {mon: [09:00, \"10:00\"]}\nholidays: [2026-12-25]\n")
		sh(t, "calendar", "set", "office", "-f", file).must(t, OK)
		h.was(t, `PUT /v1/calendars/office {"tz":"UTC","open":{"mon":["09:00","10:00"]},"holidays":["2026-12-25"]}`)
		sh(t, "calendar", "set", "new", "-f", file).must(t, Failure, `is calendar "office", not "new"`)
		sh(t, "calendar", "set", "new", "-f", write(t, "x.yaml", "tz: UTC\nopn: {}\n")).must(t, Failure, `unknown field "opn"`)
		sh(t, "calendar", "set", "office", "-f", write(t, "shown.json", officeCalendar)).must(t, OK) // what was shown can be set
	})
	t.Run("what cannot be read is told how to be written", func(t *testing.T) {
		sh(t, "calendar", "set", "new").must(t, Failure, "no time zone yet", "--tz")
		sh(t, "calendar", "set", "office", "--open", "mon=nine").must(t, Failure, "--open mon=nine", "09:00-14:00")
		sh(t, "calendar", "set", "office", "--label", "2026-12-25").must(t, Failure, "2026-12-24=Christmas Eve")
		sh(t, "calendar", "opening", "office", "--at", "noon").must(t, Failure, "--at noon", "2026-11-03")
	})
	t.Run("what is open when", func(t *testing.T) {
		sh(t, "calendar", "opening", "office", "--at", "2026-12-25T10:00:00+01:00").must(t, OK,
			"Fri 2026-12-25 10:00 CET: office is on holiday: Christmas (holidays)", "until Sat 2026-12-26 00:00 CET, then closed", "FROM")
		h.was(t, "GET /v1/calendars/office/opening?at=2026-12-25T10%3A00%3A00%2B01%3A00")
		var o opening
		if s := sh(t, "calendar", "opening", "office", "-o", "json"); json.Unmarshal([]byte(s.out), &o) != nil || o.State != "holiday" || len(o.Periods) != 1 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("delete", func(t *testing.T) {
		sh(t, "calendar", "delete", "office").must(t, OK, "calendar office is deleted")
		sh(t, "calendar", "delete", "ofice").must(t, Failure, "did you mean office?")
	})
	t.Run("the shell offers what there is", func(t *testing.T) {
		for _, of := range []string{"show", "set", "delete", "opening"} {
			if s := sh(t, cobra.ShellCompRequestCmd, "calendar", of, ""); !strings.HasPrefix(s.out, "office\n") {
				t.Errorf("%s: %+v", of, s)
			}
		}
	})
}

const dayFlow = `{"schema":"callflow/v1","name":"day","entry":"h","handlers":{"hangup":"bye"},"nodes":{
	"h":{"type":"hours","cfg":{"calendar":"office"},"on":{"open":"mail","default":"bye"}},
	"mail":{"type":"voicemail","cfg":{"box":"agent:ann"},"on":{"default":"bye"}},"bye":{"type":"hangup"}},
	"tests":[{"name":"Christmas","given":{"at":"2026-12-25T10:00:00+01:00"},"expect":{"path":["h","bye"]}}]}`

func TestFilesThatLookAtCalendars(t *testing.T) {
	file := write(t, "day.json", dayFlow)
	setUp := write(t, "setup.yaml", "calendars:\n  - {name: office, tz: Europe/Madrid, open: {mon-fri: [\"09:00\", \"19:00\"]}, holidays: [2026-12-25], labels: {2026-12-25: Christmas}}\n")
	t.Run("alone it is not known what they say", func(t *testing.T) {
		sh(t, "flow", "check", file).must(t, OK, "warning", `the flow has no calendar "office": only a hub knows`, "looks at the shared calendar office", "0 of 0 tests passed")
		sh(t, "flow", "simulate", file).must(t, Failure, "looks at the shared calendar office, which only a hub knows: give --setup FILE")
	})
	t.Run("with a set-up file it is", func(t *testing.T) {
		sh(t, "flow", "check", file, "--setup", setUp).must(t, OK, "in order: 0 errors, 0 warnings, 1 of 1 test passed")
		near := write(t, "near.json", strings.Replace(dayFlow, `"office"`, `"ofice"`, 1))
		sh(t, "flow", "check", near, "--setup", setUp).must(t, Failure, "nodes.h.cfg.calendar", `did you mean "office"?`)
		sh(t, "flow", "check", file, "--setup", write(t, "bad.yaml", "calendars: [{name: office, tz: Mars, open: {}}]")).must(t, Failure, "bad.yaml: calendars[0].tz")
		sh(t, "flow", "simulate", file, "--setup", setUp, "--at", "2026-12-25T10:00:00+01:00").must(t, OK, "is a holiday: Christmas", "h → bye")
		sh(t, "flow", "simulate", file, "--setup", setUp, "--at", "2026-12-23T10:00:00+01:00").must(t, OK, "h → mail → bye")
		sh(t, "flow", "simulate", near, "--setup", setUp).must(t, Failure, "there is no calendar", "does not have it")
	})
	t.Run("a hub is asked", func(t *testing.T) {
		h := tells(t, map[string]string{"POST /v1/flows/check": `{"ok":false,"findings":[{"severity":"error","node":"h","key":"calendar","location":"nodes.h.cfg.calendar","message":"there is no calendar \"office\""}]}`})
		sh(t, "flow", "check", file, "--hub").must(t, Failure, "node h: calendar: nodes.h.cfg.calendar", "not in order: 1 error")
		h.was(t, "POST /v1/flows/check "+strings.NewReplacer("\n", "", "\t", "").Replace(dayFlow))
		sh(t, "flow", "check", file, "--hub", "--setup", setUp).must(t, Misuse, "there can be one")
		sh(t, "flow", "check", write(t, "none.json", "{"), "--hub").must(t, Failure, "not JSON")
		tells(t, map[string]string{"POST /v1/flows/check": `{"ok":true,"findings":[]}`})
		sh(t, "flow", "check", file, "--hub").must(t, OK, "in order: 0 errors, 0 warnings, 1 of 1 test passed")
	})
}
