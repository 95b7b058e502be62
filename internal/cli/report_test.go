package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

func TestReport(t *testing.T) {
	const report = `{"definition":1,"from":"2026-11-02T00:00:00Z","to":"2026-11-09T00:00:00Z","group_by":"lot",
		"parks":{"attempts":12,"calls":11,"park_to_answer":{"n":9,"p50_ms":12500,"p90_ms":40000,"p95_ms":41000,"mean_ms":15000},"outcomes":{"abandoned":2},"waiting":1,"dispositions":{"won":3}},
		"groups":[{"key":"sales","attempts":12,"park_to_answer":{"n":9,"p50_ms":12500}}],
		"calls":{"offered":20,"answered":15,"abandoned":4,"other":1,"service_level":{"target_ms":20000,"rate":0.755}}}`
	var asked url.Values
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query()
		if r.URL.Path != "/v1/reports/park-to-answer" {
			w.WriteHeader(http.StatusNotFound)
		} else if r.Header.Get("Accept") == "text/csv" {
			_, _ = io.WriteString(w, "group_by,group\nlot,*\n")
		} else {
			_, _ = io.WriteString(w, report)
		}
	}))
	t.Cleanup(s.Close)
	t.Setenv("CALLYARD_URL", s.URL)
	t.Setenv("CALLYARD_KEY", "ck_test")

	sh(t, "report", "park-to-answer", "--from", "2026-11-02T00:00:00Z", "--to", "2026-11-09T00:00:00Z", "--group-by", "lot", "--tz", "Europe/Madrid", "--target", "30").
		must(t, OK, "sales  12      9      12.5 s  –", "all    12      9      12.5 s  40.0 s", "won              3", "20     15        4        1      0        75.5 % within 20.0 s")
	for key, want := range map[string]string{"from": "2026-11-02T00:00:00Z", "to": "2026-11-09T00:00:00Z", "group_by": "lot", "tz": "Europe/Madrid", "target_s": "30"} {
		if asked.Get(key) != want {
			t.Errorf("%s is %q", key, asked.Get(key))
		}
	}
	sh(t, "report", "park-to-answer", "-o", "json").must(t, OK, `"attempts": 12`)
	sh(t, "report", "park-to-answer", "-o", "yaml").must(t, OK, "attempts: 12")
	sh(t, "report", "park-to-answer", "-o", "csv").must(t, OK, "group_by,group\nlot,*\n")
	sh(t, "report", "park-to-answer", "--from", "yesterday").must(t, Failure, "write a day as 2026-11-03")
	sh(t, "call", "list", "-o", "csv").must(t, Misuse, "there are table, json and yaml")
}
