package routingpg_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/routing/routingpg"
)

// long is a flow of n nodes that say, ask and decide, with 2n/5 expressions.
func long(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"schema": "callflow/v1", "name": "long", "description": "round 000000", "entry": "n0", "handlers": {"hangup": "bye"}, "limits": {"max_node_visits": 1000},
		"calendars": {"c": {"tz": "Europe/Madrid", "open": {"mon-fri": ["09:00", "14:00", "16:00", "19:00"]}}}, "nodes": {`)
	for i := range n - 1 {
		next := fmt.Sprintf("n%d", i+1)
		if i == n-2 {
			next = "bye"
		}
		node := []string{
			`"n%d": {"type": "switch", "cfg": {"cases": [{"when": "crm.deal.amount >= 50000 and crm.tier == \"gold\"", "to": "bye"}, {"when": "caller.number startsWith \"+34\"", "to": %[2]q}]}, "on": {"default": %[2]q}}, `,
			`"n%d": {"type": "hours", "cfg": {"calendar": "c"}, "on": {"open": %[2]q, "default": %[2]q}}, `,
			`"n%d": {"type": "play", "cfg": {"say": "You are caller {{caller.number}}."}, "on": {"next": %[2]q}}, `,
			`"n%d": {"type": "menu", "cfg": {"say": "Press one, or two.", "options": {"1": "sales", "2": "service"}}, "on": {"1": %[2]q, "2": "bye", "default": %[2]q}}, `,
			`"n%d": {"type": "tag", "cfg": {"campaign": "autumn", "source": "{{call.to}}"}, "on": {"next": %[2]q}}, `,
		}[i%5]
		fmt.Fprintf(&b, node, i, next)
	}
	b.WriteString(`"bye": {"type": "hangup"}}}`)
	return []byte(b.String())
}

// From the draft to the version that new calls run: read, checked, tried with its
// lint, written and committed. Each round publishes another document.
func BenchmarkPublish(b *testing.B) {
	s := routingpg.New(pgtest.New(b))
	doc, n := long(200), 0
	for b.Loop() {
		b.StopTimer()
		n++
		if _, err := s.SaveDraft(b.Context(), "long", bytes.Replace(doc, []byte("000000"), fmt.Appendf(nil, "%06d", n), 1), nil); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if v, err := s.Publish(b.Context(), "long", "again", "ann", noon, lint); err != nil || v.N != n {
			b.Fatal(v.N, err)
		}
	}
}
