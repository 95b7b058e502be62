package httpapi_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/callyard/callyard/internal/httpapi"
)

func TestOps(t *testing.T) {
	reg := prometheus.NewRegistry()
	parked := prometheus.NewGauge(prometheus.GaugeOpts{Name: "callyard_parked_calls", Help: "x"})
	reg.MustRegister(parked)
	parked.Set(3)
	var ready error
	ops := httpapi.Ops(httpapi.OpsDeps{Ready: func(context.Context) error { return ready }, Metrics: reg, Log: slog.New(slog.DiscardHandler)})
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		ops.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		return w.Code, w.Body.String()
	}
	if code, _ := get("/livez"); code != 200 {
		t.Errorf("livez %d", code)
	}
	if code, _ := get("/readyz"); code != 200 {
		t.Errorf("readyz %d", code)
	}
	ready = errors.New("draining")
	if code, body := get("/readyz"); code != 503 || !strings.Contains(body, "draining") {
		t.Errorf("readyz %d %s", code, body)
	}
	if code, _ := get("/livez"); code != 200 {
		t.Errorf("livez while draining: %d", code)
	}
	if code, body := get("/metrics"); code != 200 || !strings.Contains(body, "callyard_parked_calls 3") {
		t.Errorf("metrics %d %s", code, body)
	}
}
