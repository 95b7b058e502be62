package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

const goodFlow = `{"schema":"callflow/v1","name":"line","entry":"park","handlers":{"hangup":"bye"},"nodes":{
	"park":{"type":"park","cfg":{"lot":"sales","max_park_s":60,"ladder":[{"after_s":20,"do":"offer","to":"team:sales"},{"after_s":60,"do":"goto","outcome":"expired"}]},"on":{"default":"bye"}},
	"bye":{"type":"hangup"}},
	"tests":[{"name":"taken","given":{"from":"+12025550142","at":"2026-11-03T10:00:00Z"},"events":[{"at_s":3,"retrieved_by":"ben"}],"expect":{"path":["park"],"outcome":"retrieved"}}]}`

func TestFlowCheck(t *testing.T) {
	t.Run("a good flow", func(t *testing.T) {
		sh(t, "flow", "check", write(t, "f.json", goodFlow)).must(t, OK, "in order", "0 errors", "1 of 1 test passed")
	})

	t.Run("as YAML", func(t *testing.T) {
		text := "schema: callflow/v1\nname: line\nentry: bye\nhandlers: {hangup: bye}\nnodes:\n  bye: {type: hangup}\n"
		sh(t, "flow", "check", write(t, "f.yaml", text)).must(t, OK, "in order")
	})

	t.Run("every fault is named with its node and key", func(t *testing.T) {
		doc := strings.NewReplacer(`"after_s":20`, `"after":20`, `"entry":"park"`, `"entry":"prak"`, `"do":"goto","outcome":"expired"`, `"do":"alert","to":"manager"`).Replace(goodFlow)
		s := sh(t, "flow", "check", write(t, "f.json", doc))
		s.must(t, Failure, "error", "entry", `there is no node "prak"`, "node park: after: nodes.park.cfg.ladder[0].after", "without a unit", "not in order")
		if s.err != "" {
			t.Errorf("said twice: %q", s.err)
		}
	})

	t.Run("a test of the flow that fails is an error", func(t *testing.T) {
		doc := strings.Replace(goodFlow, `"outcome":"retrieved"`, `"outcome":"expired"`, 1)
		sh(t, "flow", "check", write(t, "f.json", doc)).must(t, Failure, `test "taken"`, "0 of 1 test passed")
	})

	t.Run("what is no JSON at all", func(t *testing.T) {
		sh(t, "flow", "check", write(t, "f.json", "{")).must(t, Failure, "not in order: 1 error")
	})

	t.Run("as JSON", func(t *testing.T) {
		s := sh(t, "flow", "check", write(t, "f.json", strings.Replace(goodFlow, "team:sales", "crowd", 1)), "-o", "json")
		var v verdict
		if err := json.Unmarshal([]byte(s.out), &v); err != nil || v.OK || len(v.Findings) == 0 || v.Findings[0].Node != "park" || v.Findings[0].Key != "to" || s.code != Failure {
			t.Errorf("%v\n%+v", err, s)
		}
	})
}

func TestFlowPublish(t *testing.T) {
	file := write(t, "f.json", goodFlow)

	t.Run("replaces the draft that it has seen, then publishes", func(t *testing.T) {
		url, sent := api(t, map[string]string{"GET /v1/flows/line/draft": `{}`, "PUT /v1/flows/line/draft": `{"ok":true}`, "POST /v1/flows/line/publish": `{"version":5}`})
		sh(t, "flow", "publish", "line", "-f", file, "-m", "shorter", "--url", url, "--key", "k").must(t, OK, "line: version 5 is live")
		if got := sent("PUT /v1/flows/line/draft"); !strings.HasPrefix(got, `"4"{"schema"`) {
			t.Errorf("draft %s", got)
		}
		if got := sent("POST /v1/flows/line/publish"); !strings.Contains(got, `{"live":true,"message":"shorter"}`) {
			t.Errorf("publish %s", got)
		}
	})

	t.Run("a flow that does not exist yet must still not exist", func(t *testing.T) {
		url, sent := api(t, map[string]string{"PUT /v1/flows/line/draft": `{"ok":true}`, "POST /v1/flows/line/publish": `{"version":1}`})
		sh(t, "flow", "publish", "line", "-f", file, "-m", "first", "--url", url, "--key", "k").must(t, OK, "version 1")
		if got := sent("PUT /v1/flows/line/draft"); !strings.HasPrefix(got, `*{`) {
			t.Errorf("draft %s", got)
		}
	})

	t.Run("without a file there must be a draft", func(t *testing.T) {
		url, _ := api(t, nil)
		sh(t, "flow", "publish", "line", "-m", "first", "--url", url, "--key", "k").must(t, Failure, "flow line: there is nothing")
	})

	t.Run("another flow's file, and a faulty one, are not sent", func(t *testing.T) {
		url, sent := api(t, nil)
		sh(t, "flow", "publish", "lime", "-f", file, "-m", "x", "--url", url, "--key", "k").must(t, Failure, `is flow "line", not "lime"`)
		bad := write(t, "f.json", strings.Replace(goodFlow, `"entry":"park"`, `"entry":"prak"`, 1))
		sh(t, "flow", "publish", "line", "-f", bad, "-m", "x", "--url", url, "--key", "k").must(t, Failure, `there is no node "prak"`)
		if got := sent("PUT /v1/flows/line/draft"); got != "" {
			t.Errorf("sent %s", got)
		}
	})
}
