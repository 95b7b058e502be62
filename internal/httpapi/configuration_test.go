package httpapi_test

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

func TestConfigurationReadsAsItWasWritten(t *testing.T) {
	h := newHub(t)
	h.must(200, "PUT", "/v1/agents/ann", map[string]any{"password": "correct horse", "extension": "201", "teams": []string{"sales"}})
	if a := h.must(200, "GET", "/v1/agents/ann", nil); strings.Contains(a.body, "horse") || strings.Contains(a.body, "password") || a.doc["status"] != "available" {
		t.Error(a.body)
	}
	want := queues.NewHA1("ann", "test", "correct horse")
	stored, err := h.agents.Agent(t.Context(), "ann")
	if err != nil || stored.HA1 != want {
		t.Errorf("the password was not kept as a digest: %v", err)
	}
	doc := os.ReadFile
	flow, err := doc("../../routing/testdata/reception.json")
	if err != nil {
		t.Fatal(err)
	}
	h.must(200, "PUT", "/v1/flows/reception/draft", string(flow), "If-None-Match", "*")
	before := h.changed
	for _, c := range []struct {
		path string
		body map[string]any
	}{
		{"/v1/lots/sales", map[string]any{
			"first": 701, "last": 709, "extension": "700", "cool_down_s": 0, "claim_s": 7.5,
			"ladder": []any{map[string]any{"after_s": 20, "do": "offer", "to": "team:sales", "ring_s": 15, "strategy": "longest_idle"}}, "on_expired": "voicemail:sales",
		}},
		{"/v1/lots/bare", map[string]any{"first": 801, "last": 802}},
		{"/v1/lots/quiet", map[string]any{"first": 811, "last": 812, "ladder": []any{}}},
		{"/v1/queues/sales", map[string]any{"strategy": "longest_idle", "ring_s": 12, "wrap_up_s": -1, "max_len": 9, "agents": []any{map[string]any{"agent": "ann", "tier": 1}}}},
		{"/v1/queues/bare", map[string]any{}},
		{"/v1/trunks/carrier", map[string]any{"sources": []any{"192.0.2.0/24"}, "host": "192.0.2.1", "codecs": []any{"PCMA"}, "max_calls": 30}},
		{"/v1/numbers/+34910000001", map[string]any{"flow": "reception", "label": "main"}},
		{"/v1/agents/ann", map[string]any{"display": "Ann", "extension": "202", "teams": []any{"sales"}, "skills": []any{"fr"}, "srtp": "required"}},
	} {
		put := h.must(200, "PUT", c.path, c.body)
		got := h.must(200, "GET", c.path, nil)
		for k, v := range c.body {
			if k != "ladder" && k != "agents" && !reflect.DeepEqual(toJSON(v), got.doc[k]) {
				t.Errorf("%s: %s is %v, want %v", c.path, k, got.doc[k], v)
			}
		}
		again := h.must(200, "PUT", c.path, got.body) // what was read can be written
		delete(got.doc, "slots")                      // are shown of a lot that is read
		if !reflect.DeepEqual(put.doc, got.doc) || !reflect.DeepEqual(again.doc, got.doc) {
			t.Errorf("%s changes when it is written as it was read:\n%s\n%s\n%s", c.path, put.body, got.body, again.body)
		}
	}
	if h.changed-before != 16 {
		t.Errorf("the hub was told of %d changes", h.changed-before)
	}
	t.Run("no key of a domain type is lost", func(t *testing.T) {
		for path, v := range map[string]any{"/v1/lots/sales": parking.Lot{}, "/v1/queues/sales": queues.Queue{}, "/v1/agents/ann": queues.Agent{}} {
			has := h.must(200, "GET", path, nil).doc
			keys, _ := toJSON(v).(map[string]any)
			for k := range keys {
				if _, ok := has[k]; !ok && k != "music" && k != "max_len" {
					t.Errorf("%s has no %s: has %v", path, k, slices.Sorted(maps.Keys(has)))
				}
			}
		}
	})
	t.Run("a ladder that is empty has its end only", func(t *testing.T) {
		ladder, _ := h.must(200, "GET", "/v1/lots/quiet", nil).doc["ladder"].([]any)
		bare, _ := h.must(200, "GET", "/v1/lots/bare", nil).doc["ladder"].([]any)
		if len(ladder) != 1 || len(bare) != 3 {
			t.Errorf("%v and %v", ladder, bare)
		}
	})
	t.Run("the password stays when none is given", func(t *testing.T) {
		if stored, err := h.agents.Agent(t.Context(), "ann"); err != nil || stored.HA1 != want || stored.Extension != "202" {
			t.Errorf("%+v, %v", stored, err)
		}
		if a := h.problem(422, "validation_failed", "PUT", "/v1/agents/new", map[string]any{}); a.location() != "body.password" {
			t.Error(a.body)
		}
		h.problem(422, "validation_failed", "PUT", "/v1/agents/No-Name", map[string]any{"password": "correct horse"})
	})
	t.Run("a trunk's password is written, never shown", func(t *testing.T) {
		a := h.must(200, "PUT", "/v1/trunks/carrier", map[string]any{"host": "192.0.2.1", "username": "u1", "password": "correct horse", "register": true, "srtp": "optional"})
		list := h.must(200, "GET", "/v1/trunks", nil)
		if strings.Contains(a.body+list.body, "horse") || a.doc["srtp"] != "optional" {
			t.Error(a.body, list.body)
		}
		h.must(200, "PUT", "/v1/trunks/carrier", a.doc) // what was read can be written
		if stored, err := h.routes.Trunk(t.Context(), "carrier"); err != nil || stored.Password != "correct horse" {
			t.Errorf("%+v, %v", stored, err)
		}
	})
	t.Run("a trunk's account is no agent's", func(t *testing.T) {
		h.problem(409, "account_conflict", "PUT", "/v1/trunks/other", map[string]any{"username": "ann", "password": "x"})
		h.problem(409, "account_conflict", "PUT", "/v1/trunks/other", map[string]any{"username": "202", "password": "x"})
		h.problem(409, "account_conflict", "PUT", "/v1/agents/u1", map[string]any{"password": "correct horse"})
	})
	t.Run("faults that the domain finds", func(t *testing.T) {
		h.problem(422, "validation_failed", "PUT", "/v1/lots/bad", map[string]any{"first": 9, "last": 3})
		h.problem(422, "validation_failed", "PUT", "/v1/queues/bad", map[string]any{"strategy": "dice"})
		h.problem(422, "validation_failed", "PUT", "/v1/trunks/bad", map[string]any{"sources": []string{"nowhere"}})
		h.problem(404, "flow_not_found", "PUT", "/v1/numbers/+34910000002", map[string]any{"flow": "none"})
		h.problem(409, "flow_in_use", "DELETE", "/v1/flows/reception", nil)
	})
	t.Run("status is the agent's wish", func(t *testing.T) {
		if a := h.must(200, "POST", "/v1/agents/ann/status", map[string]any{"status": "away", "reason": "lunch"}); a.doc["status"] != "away" || a.doc["reason"] != "lunch" {
			t.Error(a.body)
		}
		h.problem(422, "validation_failed", "POST", "/v1/agents/ann/status", map[string]any{"status": "not_responding"})
		h.problem(404, "agent_not_found", "POST", "/v1/agents/none/status", map[string]any{"status": "away"})
		h.must(200, "GET", "/v1/agents/ann/devices", nil)
		first := h.must(200, "GET", "/v1/agents/ann/history?limit=1", nil)
		if dig(first.doc, "data", 0, "status") != "away" || dig(first.doc, "data", 0, "reason") != "lunch" {
			t.Error(first.body)
		}
		rest := h.must(200, "GET", "/v1/agents/ann/history?cursor="+first.doc["next_cursor"].(string), nil)
		if dig(rest.doc, "data", 0, "status") != "available" || rest.doc["next_cursor"] != nil {
			t.Error(rest.body)
		}
		h.problem(422, "validation_failed", "GET", "/v1/agents/ann/history?cursor=eA", nil)
		h.problem(404, "agent_not_found", "GET", "/v1/agents/none/history", nil)
		h.must(200, "GET", "/v1/queues/sales/entries", nil)
		h.problem(404, "queue_not_found", "GET", "/v1/queues/none/entries", nil)
	})
	t.Run("deleting", func(t *testing.T) {
		for _, path := range []string{"/v1/numbers/+34910000001", "/v1/flows/reception", "/v1/trunks/carrier", "/v1/queues/bare", "/v1/lots/bare"} {
			h.must(204, "DELETE", path, nil)
			h.must(404, "GET", path, nil)
			h.must(404, "DELETE", path, nil)
		}
	})
}

func TestContacts(t *testing.T) {
	h := newHub(t)
	made := h.must(201, "POST", "/v1/contacts", map[string]any{"name": "Ana", "phones": []string{"600 000 001"}, "fields": map[string]any{"tier": "gold"}})
	at := made.header.Get("Location")
	if dig(made.doc, "phones", 0) != "+34600000001" {
		t.Error(made.body)
	}
	if a := h.must(200, "PUT", at, made.body); a.doc["id"] != made.doc["id"] {
		t.Error(a.body)
	}
	if a := h.problem(422, "validation_failed", "PUT", at, map[string]any{"name": "Ana", "phones": []string{"600000002", "x"}}); a.location() != "body.phones[1]" {
		t.Error(a.body)
	}
	in := h.must(200, "POST", "/v1/contacts/import", "name,phone\nBen,600000002\nCleo,nonsense\n", "Content-Type", "text/csv")
	if in.doc["created"] != 2.0 || dig(in.doc, "problems", 0, "line") != 3.0 {
		t.Error(in.body)
	}
	in = h.must(200, "POST", "/v1/contacts/import", `[{"name":"Ben","phones":["600000002"]}]`)
	if in.doc["unchanged"] != 1.0 {
		t.Error(in.body)
	}
	list := h.must(200, "GET", "/v1/contacts?limit=2", nil)
	next, _ := list.doc["next_cursor"].(string)
	rest := h.must(200, "GET", "/v1/contacts?limit=2&cursor="+next, nil)
	if len(list.data()) != 2 || len(rest.data()) != 1 || rest.doc["next_cursor"] != nil {
		t.Errorf("%s\n%s", list.body, rest.body)
	}
	if a := h.must(200, "GET", "/v1/contacts?text=ana", nil); len(a.data()) != 1 {
		t.Error(a.body)
	}
	h.must(204, "DELETE", at, nil)
	h.problem(404, "contact_not_found", "GET", at, nil)
	h.problem(404, "crm_delivery_not_found", "POST", "/v1/crm_deliveries/7/resend", nil)
	h.problem(404, "job_not_found", "POST", "/v1/jobs/discarded/7/retry", nil)
}

func TestApply(t *testing.T) {
	h := newHub(t)
	const file = "lots:\n  - {name: sales, first: 701, last: 705}\nagents:\n  - {name: ann, extension: '201', password: correct horse}\n"
	a := h.must(200, "POST", "/v1/apply", file, "Content-Type", "application/yaml")
	if len(a.data()) != 2 || a.data()[0]["action"] != "created" {
		t.Error(a.body)
	}
	a = h.must(200, "POST", "/v1/apply", `{"lots":[{"name":"sales","first":701,"last":705}]}`)
	if a.data()[0]["action"] != "unchanged" {
		t.Error(a.body)
	}
	h.problem(422, "validation_failed", "POST", "/v1/apply", "lotts: []\n", "Content-Type", "application/yaml")
	h.problem(422, "validation_failed", "POST", "/v1/apply", `{"lots":[{"name":"sales","first":9,"last":3}]}`)
}

func TestReport(t *testing.T) {
	h := newHub(t)
	if a := h.must(200, "GET", "/v1/reports/park-to-answer?group_by=lot&tz=Europe/Madrid", nil); a.doc["definition"] != 1.0 || a.doc["group_by"] != "lot" {
		t.Error(a.body)
	}
	a := h.must(200, "GET", "/v1/reports/park-to-answer", nil, "Accept", "text/csv")
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/csv") || !strings.Contains(a.body, "*") {
		t.Error(a.header, a.body)
	}
	for _, q := range []string{"group_by=colour", "tz=Mars", "tz=Local", "from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "from=yesterday"} {
		h.problem(422, "validation_failed", "GET", "/v1/reports/park-to-answer?"+q, nil)
	}
}

func TestCallsAndNodeTypes(t *testing.T) {
	h := newHub(t)
	ids := []callID{h.call("call.ringing"), h.call(), h.call()}
	list := h.must(200, "GET", "/v1/calls?limit=2&live=true", nil)
	next, _ := list.doc["next_cursor"].(string)
	rest := h.must(200, "GET", "/v1/calls?limit=2&live=true&cursor="+next, nil)
	if len(list.data()) != 2 || len(rest.data()) != 1 || rest.data()[0]["id"] != string(ids[0]) {
		t.Errorf("%s\n%s", list.body, rest.body)
	}
	h.problem(422, "validation_failed", "GET", "/v1/calls?cursor=x", nil)
	h.must(200, "GET", "/v1/calls/"+string(ids[0]), nil)
	tl := h.must(200, "GET", "/v1/calls/"+string(ids[0])+"/timeline", nil).data()
	if len(tl) != 2 || tl[0]["type"] != "call.offered" || tl[1]["seq"] != 2.0 {
		t.Error(tl)
	}
	h.problem(404, "call_not_found", "GET", "/v1/calls/call_x/timeline", nil)
	for _, path := range []string{"/v1/calls/%00/timeline", "/v1/calls/a%FFb"} {
		if a := h.problem(422, "not_text", "GET", path, nil); a.location() != "path" {
			t.Error(a.body)
		}
	}
	types := h.must(200, "GET", "/v1/node_types", nil).data()
	if len(types) < 10 || dig(types[0], "cfg", "type") != "object" {
		t.Error(types)
	}
	if a := h.must(200, "GET", "/v1/openapi.json", nil); a.doc["openapi"] != "3.1.0" {
		t.Error(a.body[:100])
	}
}

func TestLotsWithStepsAboutQueues(t *testing.T) {
	h := newHub(t)
	ladder := `[{"after_s":10,"do":"offer_callback","to":"call-you"},{"after_s":20,"do":"enqueue","queue":"sales","tier":0,"skills":["es"]},` +
		`{"after_s":40,"do":"widen","tier":2,"skills":[]},{"after_s":60,"do":"enqueue","queue":"sales","stay_parked":false}]`
	h.must(200, "PUT", "/v1/lots/sales", `{"first":701,"last":709,"ladder":`+ladder+`}`)
	got := h.must(200, "GET", "/v1/lots/sales", nil).doc["ladder"]
	if dig(got, 1, "tier") != 0.0 || dig(got, 1, "skills", 0) != "es" || dig(got, 1, "stay_parked") != nil {
		t.Errorf("enqueue: %v", dig(got, 1))
	}
	if skills, _ := dig(got, 2, "skills").([]any); dig(got, 2, "tier") != 2.0 || skills == nil || len(skills) != 0 {
		t.Errorf("widen: %v", dig(got, 2))
	}
	if dig(got, 3, "stay_parked") != false {
		t.Errorf("leaves: %v", dig(got, 3))
	}
	a := h.problem(422, "validation_failed", "PUT", "/v1/lots/sales", `{"first":701,"last":709,"ladder":[{"after_s":40,"do":"widen","tier":2}]}`)
	if a.location() != "body" || !strings.Contains(a.body, "ladder[0].do: everybody") {
		t.Error(a.body)
	}
}
