package httpapi_test

import (
	"strings"
	"testing"

	"github.com/callyard/callyard/parking"
)

func TestNumberingConflicts(t *testing.T) {
	h := newHub(t)
	h.must(200, "PUT", "/v1/lots/sales", map[string]any{"first": 701, "last": 709, "extension": "700"})
	h.must(200, "PUT", "/v1/agents/ann", map[string]any{"password": "correct horse", "extension": "201"})
	for path, body := range map[string]map[string]any{
		"/v1/lots/new":   {"first": 709, "last": 719},
		"/v1/agents/bob": {"password": "correct horse", "extension": "201"},
		"/v1/agents/705": {"password": "correct horse"},
	} {
		h.problem(409, "numbering_conflict", "PUT", path, body)
		if a := h.do("GET", path, nil); a.status != 404 {
			t.Errorf("%s was written: %s", path, a.body)
		}
	}
	t.Run("its own codes may be kept", func(t *testing.T) {
		h.must(200, "PUT", "/v1/lots/sales", map[string]any{"first": 701, "last": 708, "extension": "700"})
		h.must(200, "PUT", "/v1/agents/ann", map[string]any{"extension": "201"})
	})
	t.Run("an old conflict does not keep from other changes", func(t *testing.T) {
		if err := h.lots.SaveLot(t.Context(), parking.Lot{Name: "old", First: 701, Last: 702}.WithDefaults()); err != nil {
			t.Fatal(err)
		}
		h.must(200, "PUT", "/v1/agents/ann", map[string]any{"extension": "202"})
		h.must(200, "PUT", "/v1/lots/old", map[string]any{"first": 721, "last": 722})
	})
	t.Run("a set-up file that lacks something is the sender's fault", func(t *testing.T) {
		a := h.problem(422, "validation_failed", "POST", "/v1/apply", `{"queues": [{"name": "new", "agents": [{"agent": "none"}]}]}`)
		if !strings.Contains(a.body, `there is no agent \"none\"`) {
			t.Error(a.body)
		}
	})
	t.Run("a step says what happens when its condition cannot be known", func(t *testing.T) {
		lot := func(unknown string) map[string]any {
			return map[string]any{"first": 731, "last": 732, "ladder": []any{map[string]any{"after_s": 20, "do": "remind", "to": "parker", "when": "vip", "on_unknown": unknown}}}
		}
		if a := h.must(200, "PUT", "/v1/lots/steps", lot("skip")); !strings.Contains(a.body, `"on_unknown":"skip"`) {
			t.Error(a.body)
		}
		h.problem(422, "validation_failed", "PUT", "/v1/lots/steps", lot("maybe"))
	})
}
