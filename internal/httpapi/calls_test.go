package httpapi_test

import "testing"

func TestCalls(t *testing.T) {
	h := newHub(t)
	id := h.call()
	t.Run("a list of those that are asked for", func(t *testing.T) {
		for query, n := range map[string]int{
			"number=%2B34600000001": 1, "number=600000001": 1, "number=%2B34910000001": 1, "number=%2B34600000009": 0,
			"flow=none": 0, "live=true&number=600000001": 1, "outcome=answered": 0, "from=2020-01-01T00:00:00Z&to=2021-01-01T00:00:00Z": 0,
		} {
			if got := h.must(200, "GET", "/v1/calls?"+query, nil).data(); len(got) != n {
				t.Errorf("%s: %d calls", query, len(got))
			}
		}
	})
	t.Run("sent elsewhere", func(t *testing.T) {
		path := "/v1/calls/" + string(id) + "/transfer"
		h.must(202, "POST", path, map[string]any{"to": "bea"})
		if a := h.problem(422, "validation_failed", "POST", path, map[string]any{"to": "nobody"}); a.location() != "body.to" {
			t.Error(a.body)
		}
		h.problem(422, "validation_failed", "POST", path, map[string]any{"to": "sip:x@y"})
		h.problem(409, "too_many_transfers", "POST", path, map[string]any{"to": "busy"})
		h.problem(404, "call_not_found", "POST", "/v1/calls/call_none/transfer", map[string]any{"to": "bea"})
	})
	t.Run("ended", func(t *testing.T) {
		h.must(202, "POST", "/v1/calls/"+string(id)+"/hang_up", nil)
		h.problem(404, "call_not_found", "POST", "/v1/calls/call_none/hang_up", nil)
	})
}
