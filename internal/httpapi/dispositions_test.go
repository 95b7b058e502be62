package httpapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/queues"
)

func TestDispositions(t *testing.T) {
	h := newHub(t)
	for _, name := range []string{"ann", "ben"} {
		if err := h.agents.SaveAgent(t.Context(), queues.Agent{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	id := h.call()
	path := "/v1/calls/" + string(id) + "/disposition"
	state := func(name string) queues.State {
		a, err := h.agents.Agent(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return a.State
	}

	t.Run("the codes that ship, until somebody sets others", func(t *testing.T) {
		if got := h.must(200, "GET", "/v1/dispositions", nil).data(); len(got) != 5 || got[0]["code"] != "won" {
			t.Error(got)
		}
		before := h.changes()
		a := h.must(200, "PUT", "/v1/dispositions", map[string]any{"data": []map[string]any{{"code": "sold", "label": "Sold", "category": "positive"}, {"code": "lost"}}})
		if got := a.data(); len(got) != 2 || got[1]["label"] != "lost" || got[1]["category"] != "uncategorized" || h.changes() != before+1 {
			t.Error(a.body)
		}
		twice := map[string]any{"data": []map[string]any{{"code": "sold"}, {"code": "sold"}}}
		if a := h.problem(422, "validation_failed", "PUT", "/v1/dispositions", twice); !strings.Contains(a.body, "is there twice") {
			t.Error(a.body)
		}
		h.must(422, "PUT", "/v1/dispositions", map[string]any{"data": []map[string]any{{"code": "auto:x"}}})
	})
	t.Run("a code that is not in the list is refused with the list", func(t *testing.T) {
		a := h.problem(422, "disposition_unknown", "POST", path, map[string]any{"code": "won"})
		if !strings.Contains(a.body, "sold, lost") || a.location() != "body.code" {
			t.Error(a.body)
		}
		h.problem(404, "call_not_found", "POST", "/v1/calls/call_none/disposition", map[string]any{"code": "sold"})
		h.problem(404, "agent_not_found", "POST", path, map[string]any{"code": "sold", "agent": "zoe"})
	})
	t.Run("said in wrap-up, which ends by it: that of this call only", func(t *testing.T) {
		if got := h.must(200, "GET", "/v1/calls/"+string(id), nil).doc["disposition"]; got != nil {
			t.Error(got)
		}
		now := time.Now()
		for name, c := range map[string]callID{"ann": id, "ben": "call_other"} {
			if err := h.agents.Talk(t.Context(), name, c, now); err != nil {
				t.Fatal(err)
			}
			if err := h.agents.Free(t.Context(), name, c, time.Minute, now); err != nil {
				t.Fatal(err)
			}
		}
		a := h.must(200, "POST", path, map[string]any{"code": "sold", "note": "by Friday", "agent": "ann"})
		if a.doc["label"] != "Sold" || a.doc["category"] != "positive" || a.doc["note"] != "by Friday" || dig(a.doc, "by", "user") != "ann" {
			t.Error(a.body)
		}
		if state("ann") != queues.Idle || state("ben") != queues.WrapUp {
			t.Errorf("ann is %s, ben is %s", state("ann"), state("ben"))
		}
	})
	t.Run("a later word counts, and the timeline has both", func(t *testing.T) {
		h.must(200, "POST", path, map[string]any{"code": "lost"})
		d := h.must(200, "GET", "/v1/calls/"+string(id), nil).doc["disposition"]
		if dig(d, "code") != "lost" || dig(d, "note") != "" {
			t.Error(d)
		}
		var said []any
		for _, e := range h.must(200, "GET", "/v1/calls/"+string(id)+"/timeline", nil).data() {
			if e["type"] == "call.disposed" {
				said = append(said, dig(e, "data", "code"), dig(e, "data", "before"))
			}
		}
		if len(said) != 4 || said[0] != "sold" || said[1] != nil || said[2] != "lost" || said[3] != "sold" {
			t.Error(said)
		}
	})
}
