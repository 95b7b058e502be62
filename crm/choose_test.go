package crm_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
)

func TestChoose(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	with := func(r crm.Record, change func(*crm.Record)) crm.Record { change(&r); return r }
	a := with(person("a", "ann"), func(r *crm.Record) { r.Updated = now })
	b := with(person("b", "bob"), func(r *crm.Record) { r.Updated = now.Add(-time.Hour) })
	deal := func(r *crm.Record) { r.Fields = map[string]any{"deal": map[string]any{"amount": 50000.0}} }
	kind := func(k string) func(*crm.Record) { return func(r *crm.Record) { r.Kind = k } }

	for _, c := range []struct {
		name      string
		records   []crm.Record
		in        crm.Insight
		best      string
		ambiguous bool
	}{
		{name: "nobody", best: ""},
		{name: "an open deal beats the more recent", records: []crm.Record{a, with(b, deal)}, best: "b"},
		{name: "a flat deal field is a deal", records: []crm.Record{a, with(b, func(r *crm.Record) { r.Fields = map[string]any{"deal.stage": "won"} })}, best: "b"},
		{name: "an empty deal is none", records: []crm.Record{a, with(b, func(r *crm.Record) { r.Fields = map[string]any{"deal": map[string]any{}} })}, best: "a", ambiguous: true},
		{name: "the same rank of two owners is ambiguous, the recent first", records: []crm.Record{b, a}, best: "a", ambiguous: true},
		{name: "the same rank of one owner is not", records: []crm.Record{a, with(b, func(r *crm.Record) { r.Owner = "ann" })}, best: "a"},
		{name: "the last conversation decides", records: []crm.Record{a, b}, in: crm.Insight{LastAgent: "bob"}, best: "b"},
		{name: "an owner who has left counts less", records: []crm.Record{a, b}, in: crm.Insight{Active: func(s string) bool { return s == "bob" }}, best: "b"},
		{name: "contact before lead before company", records: []crm.Record{with(b, kind("company")), with(b, kind("lead")), a}, best: "a"},
		{name: "a record without the number is left out", records: []crm.Record{with(a, func(r *crm.Record) { r.Phones = []call.Number{"+34699999999"} })}, best: ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := crm.Choose(c.records, caller, c.in)
			best := ""
			if got.Best != nil {
				best = got.Best.Ref.ID
			}
			if best != c.best || got.Ambiguous != c.ambiguous {
				t.Errorf("best %q ambiguous %v, want %q %v", best, got.Ambiguous, c.best, c.ambiguous)
			}
		})
	}

	t.Run("five people on one number are a switchboard", func(t *testing.T) {
		five := []crm.Record{person("1", "ann"), person("2", "ann"), person("3", "ann"), person("4", "ann"), person("5", "ann")}
		if !crm.Choose(five, caller, crm.Insight{}).Shared || crm.Choose(five[:4], caller, crm.Insight{}).Shared {
			t.Error("want shared from five on")
		}
	})
}
