package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/sim"
)

func TestFlowSimulate(t *testing.T) {
	file := write(t, "f.json", goodFlow)
	const at = "2026-11-03T10:00:00Z"

	t.Run("a file, without a hub", func(t *testing.T) {
		sh(t, "flow", "simulate", file, "--at", at, "--agent", "team:sales=available:4s", "--talk", "30s").must(t, OK,
			"0:20.0  park          step 0 after 20s: offer team:sales", "0:24.0  park          team:sales answers", "park → bye: retrieved, after 0:54.0", "0:00.0 – 0:24.0     music")
	})
	t.Run("as JSON", func(t *testing.T) {
		s := sh(t, "flow", "simulate", file, "--at", at, "--retrieve", "42s:ben", "-o", "json")
		var r sim.Result
		if err := json.Unmarshal([]byte(s.out), &r); err != nil || r.Outcome != "retrieved" || r.TookMS != 102_000 || len(r.Decisions) == 0 {
			t.Errorf("%v\n%+v", err, s)
		}
	})
	t.Run("as a test of the flow, which then passes", func(t *testing.T) {
		s := sh(t, "flow", "simulate", file, "--at", at, "--agent", "team:sales=no_answer", "--hangup", "50s", "--as-test", "gives up")
		s.must(t, OK, `"gives up"`, `"hangup": true`)
		i := strings.Index(goodFlow, `"tests":[`) + len(`"tests":[`)
		sh(t, "flow", "check", write(t, "g.json", goodFlow[:i]+s.out+","+goodFlow[i:])).must(t, OK, "2 of 2 tests passed")
	})
	t.Run("a flow of a hub", func(t *testing.T) {
		url, sent := api(t, map[string]string{"POST /v1/flows/line/simulate": `{"path":["park","bye"],"outcome":"retrieved","took_ms":4200,"ended_by":"flow","timeline":[],"hears":[]}`})
		sh(t, "flow", "simulate", "line", "--at", at, "--digits", "3s:1", "--url", url, "--key", "k").must(t, OK, "park → bye: retrieved, after 0:04.2")
		if got := sent("POST /v1/flows/line/simulate"); !strings.Contains(got, `"events":[{"at_s":3,"digits":"1"}]`) || !strings.Contains(got, `"talk_s":60`) {
			t.Error(got)
		}
	})
}

func TestFlowDryRun(t *testing.T) {
	url, sent := api(t, map[string]string{"POST /v1/flows/line/dry_run": `{"total":3,"tally":{"calls":3,"same":1,"changed":1,"undecided":1,"assumed":1,
		"matrix":[{"was":"left","becomes":"retrieved","calls":1,"assumed":1},{"was":"left","becomes":"undecided","calls":1,"assumed":0}]},
		"calls":[{"call":"call_1","at":"2026-11-03T10:00:00Z","verdict":"changed","assumed":true,"was":{"version":1,"outcome":"left","path":["p"]},
			"becomes":{"version":0,"outcome":"retrieved","path":["p"]},"parts":{"at_ms":0,"was":"p","node":"p"},"why":"p asks for park in another way"}],
		"assumptions":["a"]}`})
	s := sh(t, "flow", "dry-run", "line", "-f", write(t, "f.json", goodFlow), "--from", "2026-11-01", "--to", "2026-11-08", "--url", url, "--key", "k")
	s.must(t, OK, "call_1", "retrieved (assumed)", "p asks for park in another way", "3 of 3 past calls: 1 as they went, 0 to the same end by other nodes, 1 to another end, 1 undecided; 1 hang on assumptions")
	if got := sent("POST /v1/flows/line/dry_run"); !strings.Contains(got, `"doc":{"schema"`) || !strings.Contains(got, `"from":"2026-11-01T00:00:00`) {
		t.Error(got)
	}
	s = sh(t, "flow", "dry-run", "line", "--url", url, "--key", "k", "-o", "json")
	var d dryRun
	if err := json.Unmarshal([]byte(s.out), &d); err != nil || d.Tally.Changed != 1 || len(d.Calls) != 1 || len(d.Tally.Matrix) != 2 {
		t.Errorf("%v\n%+v", err, s)
	}
}
