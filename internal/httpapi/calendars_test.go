package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/routing"
)

const officeCalendar = `{"description":"Madrid","tz":"Europe/Madrid","open":{"mon-fri":["09:00","19:00"]},
	"holidays":["2026-12-25"],"overrides":{"2026-12-24":["09:00","12:00"]},"labels":{"2026-12-25":"Christmas"}}`

// dayFlow is a flow that looks at a calendar, and plays something when it is open.
func dayFlow(calendar string) string {
	return fmt.Sprintf(`{"schema":"callflow/v1","name":"line","entry":"h","handlers":{"hangup":"bye"},"nodes":{
		"h":{"type":"hours","cfg":{"calendar":%q},"on":{"open":"mail","default":"bye"}},
		"mail":{"type":"voicemail","cfg":{"box":"owner_or_team"},"on":{"default":"bye"}},"bye":{"type":"hangup"}}}`, calendar)
}

func TestCalendars(t *testing.T) {
	h := newHub(t)
	const at = "/v1/calendars/office"
	put := h.must(200, "PUT", at, officeCalendar)
	if put.doc["name"] != "office" || put.doc["revision"] != 1.0 || put.header.Get("ETag") == "" {
		t.Error(put.body, put.header)
	}
	before := h.changes()
	if again := h.must(200, "PUT", at, put.doc); again.body != put.body || h.changes() != before { // what was read can be written
		t.Errorf("%s\n%s", put.body, again.body)
	}
	if got := h.must(200, "GET", at, nil); got.body != put.body || got.header.Get("ETag") != put.header.Get("ETag") {
		t.Errorf("%s\n%s", put.body, got.body)
	}
	t.Run("a change needs the calendar that was read, if it says so", func(t *testing.T) {
		changed := h.must(200, "PATCH", at, `{"overrides":{"2026-12-31":[]},"labels":{"2026-12-31":"New Year's Eve"}}`, "If-Match", put.header.Get("ETag"), "Content-Type", "application/merge-patch+json")
		if changed.doc["revision"] != 2.0 || dig(changed.doc, "labels", "2026-12-25") != "Christmas" || fmt.Sprint(dig(changed.doc, "overrides", "2026-12-31")) != "[]" {
			t.Error(changed.body)
		}
		h.problem(412, "precondition_failed", "PUT", at, officeCalendar, "If-Match", put.header.Get("ETag"))
		if a := h.must(304, "GET", at, nil, "If-None-Match", changed.header.Get("ETag")); a.body != "" {
			t.Error(a.body)
		}
		if h.changes() != before+1 {
			t.Errorf("the hub was told of %d changes", h.changes()-before)
		}
	})
	t.Run("a fault is told with its place", func(t *testing.T) {
		for doc, where := range map[string]string{
			`{"tz":"Mars","open":{}}`:                            "body.tz",
			`{"tz":"UTC","open":{"mon":["09:00"]}}`:              "body.open.mon",
			`{"tz":"UTC","open":{"mon":["9","10:00"]}}`:          "body.open.mon[0]",
			`{"tz":"UTC","open":{},"holidays":["25-12-2026"]}`:   "body.holidays[0]",
			`{"tz":"UTC","open":{},"labels":{"2026-12-25":"x"}}`: "body.labels.2026-12-25",
			`{"tz":"UTC"}`:                      "body",
			`{"tz":"UTC","open":{},"opens":{}}`: "body.opens",
			`{"tz":"UTC","open":{"mon":null}}`:  "body.open.mon",
		} {
			if a := h.problem(422, "validation_failed", "PUT", at, doc); a.location() != where {
				t.Errorf("%s: %s, want %s", doc, a.body, where)
			}
		}
		if a := h.problem(422, "validation_failed", "PUT", "/v1/calendars/1st", officeCalendar); a.location() != "path.name" {
			t.Error(a.body)
		}
		if a := h.problem(422, "not_text", "PUT", at, `{"tz":"UTC","open":{},"description":"a\u0000"}`); a.location() != "body" {
			t.Error(a.body)
		}
	})
	t.Run("what flows look at is not deleted", func(t *testing.T) {
		h.must(200, "PUT", "/v1/flows/line/draft", dayFlow("office"), "If-None-Match", "*")
		if a := h.must(200, "GET", at+"/flows", nil); len(a.data()) != 1 || a.data()[0]["flow"] != "line" {
			t.Error(a.body)
		}
		if a := h.problem(409, "calendar_in_use", "DELETE", at, nil); !strings.Contains(a.body, "looked at by line") {
			t.Error(a.body)
		}
		h.must(204, "DELETE", "/v1/flows/line", nil)
		h.must(204, "DELETE", at, nil)
		h.problem(404, "calendar_not_found", "DELETE", at, nil)
		h.problem(404, "calendar_not_found", "GET", at, nil)
		h.problem(404, "calendar_not_found", "GET", at+"/opening", nil)
		h.problem(404, "calendar_not_found", "GET", at+"/flows", nil)
	})
	t.Run("what it was can be read", func(t *testing.T) {
		list := h.must(200, "GET", at+"/revisions?limit=1", nil)
		if len(list.data()) != 1 || list.data()[0]["revision"] != 2.0 || list.doc["next_cursor"] == nil {
			t.Error(list.body)
		}
		if a := h.must(200, "GET", at+"/revisions/1", nil); a.doc["revision"] != 1.0 || dig(a.doc, "overrides", "2026-12-31") != nil || dig(a.doc, "labels", "2026-12-25") != "Christmas" {
			t.Error(a.body)
		}
		h.problem(404, "calendar_not_found", "GET", at+"/revisions/3", nil)
		h.problem(404, "calendar_not_found", "GET", "/v1/calendars/nowhere/revisions", nil)
	})
	for _, name := range []string{"b", "a", "c"} {
		h.must(200, "PUT", "/v1/calendars/"+name, officeCalendar)
	}
	list := h.must(200, "GET", "/v1/calendars?limit=2", nil)
	next, _ := list.doc["next_cursor"].(string)
	if rest := h.must(200, "GET", "/v1/calendars?cursor="+next, nil); len(list.data()) != 2 || list.data()[0]["name"] != "a" || len(rest.data()) != 1 || rest.data()[0]["name"] != "c" {
		t.Errorf("%s\n%s", list.body, rest.body)
	}
	log := h.must(200, "GET", "/v1/audit_events?object=calendar&name=office", nil).data()
	if len(log) != 3 || log[0]["action"] != "deleted" || log[1]["action"] != "changed" || dig(log[1], "before", "revision") != 1.0 || dig(log[1], "after", "doc", "labels", "2026-12-31") != "New Year's Eve" {
		t.Errorf("%v", log)
	}
}

func TestOpening(t *testing.T) {
	h := newHub(t)
	h.must(200, "PUT", "/v1/calendars/office", officeCalendar)
	ask := func(query ...string) string {
		v := url.Values{}
		for i := 0; i < len(query); i += 2 {
			v.Set(query[i], query[i+1])
		}
		return "/v1/calendars/office/opening?" + v.Encode()
	}
	a := h.must(200, "GET", ask("at", "2026-12-25T10:00:00+01:00"), nil)
	if a.doc["state"] != "holiday" || a.doc["label"] != "Christmas" || a.doc["rule"] != "holidays" || a.doc["tz"] != "Europe/Madrid" || a.doc["periods"] != nil ||
		dig(a.doc, "next", "at") != "2026-12-26T00:00:00+01:00" || dig(a.doc, "next", "state") != "closed" {
		t.Error(a.body)
	}
	a = h.must(200, "GET", ask("from", "2026-12-24T08:00:00Z", "to", "2026-12-24T23:30:00Z"), nil)
	periods, _ := a.doc["periods"].([]any)
	if a.doc["state"] != "open" || len(periods) != 3 || dig(periods[1], "from") != "2026-12-24T12:00:00+01:00" || dig(periods[2], "state") != "holiday" || dig(periods[2], "to") != "2026-12-25T00:30:00+01:00" {
		t.Error(a.body)
	}
	if a := h.must(200, "GET", ask(), nil); a.doc["state"] == "" || a.doc["next"] == nil {
		t.Error(a.body)
	}
	h.must(200, "PUT", "/v1/calendars/office", `{"tz":"UTC","open":{"mon-sun":["00:00","24:00"]}}`)
	if a := h.must(200, "GET", ask(), nil); a.doc["state"] != "open" || a.doc["next"] != nil {
		t.Error(a.body)
	}
	for query, where := range map[string]string{
		ask("at", "2026-12-25T10:00:00Z", "from", "2026-12-25T10:00:00Z"): "query.from",
		ask("from", "2026-12-25T10:00:00Z", "to", "2026-12-25T10:00:00Z"): "query.to",
		ask("from", "2026-12-25T10:00:00Z", "to", "2028-12-25T10:00:00Z"): "query.to",
		ask("at", "9999-12-31T23:59:59Z"):                                 "query.at",
		ask("at", "tomorrow"):                                             "query.at",
	} {
		if a := h.problem(422, "validation_failed", "GET", query, nil); a.location() != where {
			t.Errorf("%s: %s", query, a.body)
		}
	}
}

// A call is led again through the calendar that it found, whatever that says now.
func TestTryingFlowsThatLookAtCalendars(t *testing.T) {
	h := newHub(t)
	read := func(revision int, doc string) *routing.Calendar {
		c, err := routing.ParseCalendar([]byte(strings.Replace(doc, `{`, `{"name":"office",`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return c.WithRevision(revision)
	}
	const late = `{"tz":"Europe/Madrid","open":{"mon-fri":["12:00","19:00"]}}`
	if a := h.must(200, "POST", "/v1/flows/check", dayFlow("office")); a.doc["ok"] != false || !strings.Contains(a.body, `nodes.h.cfg.calendar`) {
		t.Error(a.body)
	}
	h.must(200, "PUT", "/v1/calendars/office", officeCalendar)
	if a := h.must(200, "POST", "/v1/flows/check", dayFlow("ofice")); !strings.Contains(a.body, `did you mean \"office\"?`) {
		t.Error(a.body)
	}
	h.must(200, "PUT", "/v1/flows/line/draft", dayFlow("office"), "If-None-Match", "*")
	h.must(200, "POST", "/v1/flows/line/publish", `{"message":"first"}`)

	at := time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC) // 10:00 there
	f, err := routing.Parse([]byte(dayFlow("office")))
	if err != nil {
		t.Fatal(err)
	}
	found := func(c *routing.Calendar) *routing.Flow {
		linked, err := routing.Link(f.WithVersion(1), routing.Parts{Calendar: func(string) *routing.Calendar { return c }})
		if err != nil {
			t.Fatal(err)
		}
		return linked
	}
	h.happened(found(read(1, officeCalendar)), "call_1", at, routing.Imagined{})
	h.must(200, "PUT", "/v1/calendars/office", late)
	h.happened(found(read(2, late)), "call_2", at.Add(time.Minute), routing.Imagined{})

	imagine := func() any {
		return dig(h.must(200, "POST", "/v1/flows/line/simulate", `{"given":{"at":"2026-11-03T09:00:00Z"}}`).doc, "path", 1)
	}
	dry := func(more string) sim.Tally {
		var out struct{ Tally sim.Tally }
		a := h.must(200, "POST", "/v1/flows/line/dry_run", `{"from":"2026-11-03T00:00:00Z","to":"2026-11-04T00:00:00Z","version":1`+more+`}`)
		if err := json.Unmarshal([]byte(a.body), &out); err != nil {
			t.Fatal(err)
		}
		return out.Tally
	}
	if got := imagine(); got != "bye" {
		t.Errorf("a call of now goes to %v", got)
	}
	if got := dry(""); got.Same != 2 || got.Calls != 2 {
		t.Errorf("the version that the calls ran makes %+v of them", got)
	}
	if got := dry(`,"calendars":"now"`); got.Same != 1 || got.Changed != 1 {
		t.Errorf("with the calendar of today it makes %+v of them", got)
	}
	t.Run("a flow's own tests look at it as it is now", func(t *testing.T) {
		tested := strings.Replace(dayFlow("office"), `"entry"`, `"tests":[{"name":"morning","given":{"at":"2026-11-03T10:00:00+01:00"},"expect":{"path":["h","mail","bye"]}}],"entry"`, 1)
		saved := h.must(200, "PUT", "/v1/flows/line/draft", tested, "If-Match", "*")
		if saved.doc["ok"] != false || !strings.Contains(saved.body, "morning") {
			t.Error(saved.body)
		}
		h.must(200, "PUT", "/v1/calendars/office", officeCalendar)
		if a := h.must(200, "POST", "/v1/flows/line/tests", `{}`); a.doc["passed"] != true || len(a.data()) != 1 {
			t.Error(a.body)
		}
		h.must(200, "PUT", "/v1/calendars/office", late)
		if a := h.must(200, "POST", "/v1/flows/line/tests", `{}`); a.doc["passed"] != false {
			t.Error(a.body)
		}
		h.problem(422, "flow_faulty", "POST", "/v1/flows/line/publish", `{"message":"open in the morning"}`)
	})
	t.Run("also when the calendar is gone", func(t *testing.T) {
		h.must(200, "PUT", "/v1/flows/line/draft", strings.Replace(dayFlow("office"), `"entry"`, `"calendars":{"office":{"tz":"UTC","open":{}}},"entry"`, 1), "If-Match", "*")
		h.must(200, "POST", "/v1/flows/line/publish", `{"message":"a calendar of its own"}`)
		h.must(204, "DELETE", "/v1/calendars/office", nil)
		if got := dry(""); got.Same != 2 {
			t.Errorf("the version that the calls ran makes %+v of them", got)
		}
		if a := h.must(200, "POST", "/v1/flows/line/dry_run", `{"from":"2026-11-03T00:00:00Z","to":"2026-11-04T00:00:00Z"}`); dig(a.doc, "tally", "changed") != 1.0 {
			t.Error(a.body) // the second one was closed already
		}
		if a := h.problem(422, "flow_faulty", "POST", "/v1/flows/line/rollback", `{"to":1}`); a.location() != "body.nodes.h.cfg.calendar" {
			t.Error(a.body)
		}
	})
}
