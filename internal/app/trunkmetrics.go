package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/callyard/callyard/routing"
)

// trunkMetrics is what operators watch of trunks. Trunks come and go, so that
// nothing is registered for one: every scrape asks.
type trunkMetrics struct {
	status func() []routing.TrunkStatus
}

func trunkDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("callyard_trunk_"+name, help, append([]string{"trunk"}, labels...), nil)
}

var (
	trunkIn         = trunkDesc("calls_in_total", "Calls that came in by the trunk.")
	trunkOut        = trunkDesc("calls_out_total", "Calls that went out by the trunk.")
	trunkInUse      = trunkDesc("calls_in_use", "Calls of the trunk now, both ways.")
	trunkShed       = trunkDesc("calls_shed_total", "Calls refused or passed over because the trunk was full.")
	trunkFailures   = trunkDesc("failures_total", "Outbound attempts that failed.", "class")
	trunkFailovers  = trunkDesc("failovers_total", "Calls that went on to another gateway of the trunk.")
	trunkRegistered = trunkDesc("registered", "1 if the carrier holds our registration; only trunks that register.")
	gatewayUp       = trunkDesc("gateway_up", "1 if nothing is known against the gateway.", "gateway")
)

// Describe implements prometheus.Collector.
func (trunkMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{trunkIn, trunkOut, trunkInUse, trunkShed, trunkFailures, trunkFailovers, trunkRegistered, gatewayUp} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m trunkMetrics) Collect(to chan<- prometheus.Metric) {
	for _, st := range m.status() {
		tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(d, kind, v, append([]string{st.Name}, labels...)...)
		}
		tell(trunkIn, prometheus.CounterValue, float64(st.Since.In))
		tell(trunkOut, prometheus.CounterValue, float64(st.Since.Out))
		tell(trunkInUse, prometheus.GaugeValue, float64(st.Calls))
		tell(trunkShed, prometheus.CounterValue, float64(st.Since.Shed))
		tell(trunkFailovers, prometheus.CounterValue, float64(st.Since.Failovers))
		for class, n := range st.Since.Failures {
			tell(trunkFailures, prometheus.CounterValue, float64(n), class)
		}
		if st.Registration.State != "none" {
			tell(trunkRegistered, prometheus.GaugeValue, one(st.Registration.State == "registered"))
		}
		for _, g := range st.Gateways {
			tell(gatewayUp, prometheus.GaugeValue, one(g.Up), g.Address)
		}
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
