package app

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/callyard/callyard/routing"
)

func TestTrunkMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(trunkMetrics{func() []routing.TrunkStatus {
		return []routing.TrunkStatus{
			{
				Name: "a", Calls: 2, Registration: routing.TrunkRegistration{State: "registered"},
				Gateways: []routing.GatewayStatus{{Address: "192.0.2.1:5060", Up: true}, {Address: "192.0.2.2:5060"}},
				Since:    routing.TrunkCounts{In: 3, Out: 4, Shed: 5, Failovers: 6, Failures: map[string]int64{"dns": 7}},
			},
			{Name: "b", Registration: routing.TrunkRegistration{State: "none"}},
		}
	}})
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetValue()
			}
			got[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	for key, want := range map[string]float64{
		"callyard_trunk_calls_in_use a": 2, "callyard_trunk_calls_in_total a": 3, "callyard_trunk_calls_out_total a": 4, "callyard_trunk_calls_shed_total a": 5,
		"callyard_trunk_failovers_total a": 6, "callyard_trunk_failures_total dns a": 7, "callyard_trunk_registered a": 1,
		"callyard_trunk_gateway_up 192.0.2.1:5060 a": 1, "callyard_trunk_gateway_up 192.0.2.2:5060 a": 0,
	} {
		if v, ok := got[key]; !ok || v != want {
			t.Errorf("%s is %v, %v; want %v of %v", key, v, ok, want, got)
		}
	}
	if _, ok := got["callyard_trunk_registered b"]; ok {
		t.Error("a trunk that does not register")
	}
}
