package httpapi_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// carriers are trunks of which one does well, and another is being tested.
type carriers struct{}

func (carriers) TrunkStatus(name string) (routing.TrunkStatus, bool) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return routing.TrunkStatus{
		Name: name, Calls: 3, MaxCalls: 30, Registration: routing.TrunkRegistration{State: "registered", Until: at, Status: 200},
		Gateways: []routing.GatewayStatus{{Address: "192.0.2.1:5060", Name: "gw", Up: true, Seen: at, RTT: 1500 * time.Microsecond}},
		Since:    routing.TrunkCounts{Out: 9, Failures: map[string]int64{"dns": 1, "timeout": 2}},
	}, name != "new"
}

func (carriers) TryTrunk(_ context.Context, trunk string, number call.Number, ring time.Duration) (routing.Trial, error) {
	if trunk == "busy" {
		return routing.Trial{}, routing.ErrTrial
	}
	return routing.Trial{
		Trunk: trunk, OK: number == "+34911234567" && ring == 20*time.Second, Verdict: "answered",
		Steps: []routing.TrialStep{{AtMS: 7, What: "answered", Gateway: "192.0.2.1:5060", Status: 200, Codec: "PCMA", SRTP: "off"}},
	}, nil
}

func TestTrunkStatus(t *testing.T) {
	h := newHub(t)
	for _, name := range []string{"carrier", "busy", "new"} {
		h.must(200, "PUT", "/v1/trunks/"+name, map[string]any{"host": "192.0.2.1"})
	}
	a := h.must(200, "GET", "/v1/trunks/carrier/status", nil)
	for _, want := range []string{`"calls":3`, `"max_calls":30`, `"rtt_ms":1.5`, `"state":"registered"`, `"until":"2026-01-02T03:04:05Z"`, `"failed":3`, `"timeout":2`} {
		if !strings.Contains(strings.ReplaceAll(a.body, " ", ""), want) {
			t.Errorf("no %s in %s", want, a.body)
		}
	}
	if strings.Contains(a.body, "error_at") {
		t.Error("the time of no error", a.body)
	}
	h.problem(404, "trunk_not_found", "GET", "/v1/trunks/none/status", nil)
	h.problem(409, "trunk_not_loaded", "GET", "/v1/trunks/new/status", nil)

	try := map[string]any{"to": "+34911234567", "ring_s": 20}
	a = h.must(200, "POST", "/v1/trunks/carrier/test-call", try)
	steps, _ := a.doc["steps"].([]any)
	if step, _ := steps[0].(map[string]any); a.doc["ok"] != true || step["at_ms"] != 7.0 || step["codec"] != "PCMA" {
		t.Error(a.body)
	}
	h.problem(409, "test_under_way", "POST", "/v1/trunks/busy/test-call", try)
	h.problem(404, "trunk_not_found", "POST", "/v1/trunks/none/test-call", try)
	for _, bad := range []map[string]any{{}, {"to": "sip:x@y"}, {"to": "1", "ring_s": 31}, {"to": ""}} {
		h.problem(422, "validation_failed", "POST", "/v1/trunks/carrier/test-call", bad)
	}
}
