package routing_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/callyard/callyard/routing"
)

// long is a flow of n nodes that a call walks through before it waits, of the
// kinds that decide.
func long(n int) string {
	var b strings.Builder
	b.WriteString(`{"schema": "callflow/v1", "name": "long", "entry": "n0", "handlers": {"hangup": "bye"}, "limits": {"max_node_visits": 1000},
		"calendars": {"c": {"tz": "Europe/Madrid", "open": {"mon-fri": ["09:00", "14:00", "16:00", "19:00"]}, "holidays": ["2026-12-25"]}}, "nodes": {`)
	for i := range n {
		next := fmt.Sprintf("n%d", i+1)
		switch i % 5 {
		case 0:
			fmt.Fprintf(&b, `"n%d": {"type": "switch", "cfg": {"cases": [{"when": "crm.deal.amount >= 50000 and crm.tier == \"gold\"", "to": "bye"}, {"when": "caller.number startsWith \"+34\"", "to": %q}]}, "on": {"default": %q}}, `, i, next, next)
		case 1:
			fmt.Fprintf(&b, `"n%d": {"type": "hours", "cfg": {"calendar": "c"}, "on": {"open": %q, "default": %q}}, `, i, next, next)
		case 2:
			fmt.Fprintf(&b, `"n%d": {"type": "set", "cfg": {"vars": {"a": %d, "label": "call from {{caller.number}} to {{call.to}}"}}, "on": {"next": %q}}, `, i, i, next)
		case 3:
			fmt.Fprintf(&b, `"n%d": {"type": "split", "cfg": {"weights": {"a": 1, "b": 3}}, "on": {"a": %q, "default": %q}}, `, i, next, next)
		case 4:
			fmt.Fprintf(&b, `"n%d": {"type": "tag", "cfg": {"campaign": "autumn", "source": "{{call.to}}"}, "on": {"next": %q}}, `, i, next)
		}
	}
	fmt.Fprintf(&b, `"n%d": {"type": "dial", "cfg": {"targets": ["team:sales"]}, "on": {"default": "bye"}}, "bye": {"type": "hangup"}}}`, n)
	return b.String()
}

// Steps of nodes that decide, and of nothing else.
func BenchmarkSteps(b *testing.B) {
	const n = 45
	f := parse(b, long(n))
	caller := routing.Caller{Call: "call_0", From: "+34600000001", To: "+34910000000", At: noon}
	b.ReportAllocs()
	for b.Loop() {
		run, _, err := routing.Start(f, caller, noon)
		if err != nil || run.Visits != n+1 {
			b.Fatal(run.Visits, err)
		}
	}
	b.ReportMetric(float64(b.N)*(n+1)/b.Elapsed().Seconds(), "steps/s")
}

// What publishing does to a flow of 200 nodes, but for the database.
func BenchmarkParseAndLint(b *testing.B) {
	doc := []byte(long(200))
	known := known()
	for b.Loop() {
		f, err := routing.Parse(doc)
		if err != nil {
			b.Fatal(err)
		}
		if found := routing.Lint(f, known).Errors(); len(found) > 0 {
			b.Fatal(found)
		}
	}
}
