package httpapi_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func toJSON(v any) (out any) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

const small = `{"schema":"callflow/v1","name":"small","entry":"bye","handlers":{"hangup":"bye","error":"bye"},
	"nodes":{"bye":{"type":"hangup","cfg":{"cause":"normal_clearing"}}}}`

func TestFlows(t *testing.T) {
	h := newHub(t)
	const draft = "/v1/flows/small/draft"

	h.problem(428, "precondition_required", "PUT", draft, small)
	made := h.must(200, "PUT", draft, small, "If-None-Match", "*")
	tag := made.header.Get("ETag")
	if tag != `"1"` || made.doc["ok"] != true {
		t.Fatal(tag, made.body)
	}
	if got := h.must(200, "GET", draft, nil); got.header.Get("ETag") != tag || got.doc["name"] != "small" {
		t.Error(got.header, got.body)
	}
	t.Run("a stale change is refused with the newer tag", func(t *testing.T) {
		h.must(200, "PUT", draft, small, "If-Match", tag)
		a := h.problem(412, "draft_changed", "PUT", draft, small, "If-Match", tag)
		if a.header.Get("ETag") != `"2"` {
			t.Error(a.header)
		}
		h.problem(412, "draft_changed", "PUT", draft, small, "If-None-Match", "*")
		h.problem(412, "draft_changed", "PUT", draft, small, "If-Match", "soon")
		h.must(200, "PUT", draft, small, "If-Match", "*")
	})
	t.Run("faults are named where they stand, saved or not", func(t *testing.T) {
		bad := strings.Replace(small, `"entry":"bye"`, `"entry":"hello"`, 1)
		a := h.must(200, "POST", "/v1/flows/check", bad)
		if a.doc["ok"] != false || dig(a.doc, "findings", 0, "message") == nil {
			t.Error(a.body)
		}
		if a := h.must(200, "POST", "/v1/flows/check", small); a.doc["ok"] != true {
			t.Error(a.body)
		}
		h.must(200, "PUT", "/v1/flows/bad/draft", strings.Replace(bad, `"small"`, `"bad"`, 1), "If-None-Match", "*")
		a = h.problem(422, "flow_faulty", "POST", "/v1/flows/bad/publish", `{"message":"try"}`)
		if !strings.HasPrefix(a.location(), "body.") {
			t.Error(a.body)
		}
		h.must(200, "POST", "/v1/flows/check", `not json`)
	})
	t.Run("published, compared, rolled back", func(t *testing.T) {
		h.problem(422, "validation_failed", "POST", "/v1/flows/small/publish", `{"message":""}`)
		if v := h.must(200, "POST", "/v1/flows/small/publish", `{"message":"first"}`); v.doc["version"] != 1.0 || v.doc["author"] != "first" {
			t.Error(v.body)
		}
		h.must(200, "PUT", draft, strings.Replace(small, "normal_clearing", "busy", 1), "If-Match", "*")
		h.must(200, "POST", "/v1/flows/small/publish", `{"message":"busy now"}`)
		d := h.must(200, "GET", "/v1/flows/small/diff?a=1&b=2", nil)
		changes, _ := d.doc["changes"].([]any)
		if len(changes) != 1 {
			t.Fatal(d.body)
		}
		c, _ := changes[0].(map[string]any)
		if c["path"] != "nodes.bye.cfg.cause" || c["change"] != "changed" || c["before"] != "normal_clearing" || c["after"] != "busy" {
			t.Error(d.body)
		}
		if v := h.must(200, "POST", "/v1/flows/small/rollback", `{"to":1,"message":"too busy"}`); v.doc["version"] != 3.0 || v.doc["restored"] != 1.0 {
			t.Error(v.body)
		}
		list := h.must(200, "GET", "/v1/flows/small/versions", nil).data()
		if len(list) != 3 || list[0]["version"] != 3.0 || list[0]["doc"] != nil {
			t.Error(list)
		}
		if f := h.must(200, "GET", "/v1/flows/small", nil); f.doc["live_version"] != 3.0 {
			t.Error(f.body)
		}
		h.must(200, "GET", "/v1/flows/small/versions/2", nil)
		h.problem(404, "version_not_found", "GET", "/v1/flows/small/versions/9", nil)
		h.problem(404, "flow_not_found", "GET", "/v1/flows/none/versions", nil)
		if h.changed == 0 {
			t.Error("the hub was not told")
		}
	})
	t.Run("its own tests run", func(t *testing.T) {
		doc, err := os.ReadFile("../../routing/testdata/reception.json")
		if err != nil {
			t.Fatal(err)
		}
		h.must(200, "PUT", "/v1/flows/reception/draft", string(doc), "If-None-Match", "*")
		if a := h.must(200, "POST", "/v1/flows/reception/tests", nil); a.doc["passed"] != true {
			t.Error(a.body)
		}
	})
}
