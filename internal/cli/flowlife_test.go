package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// told is a hub that gives set answers, and keeps what it was asked.
type told struct {
	mu      sync.Mutex
	answers map[string]string // "GET /v1/flows" → JSON
	asked   []string          // "PUT /v1/… {…}"
}

func tells(t *testing.T, answers map[string]string) *told {
	t.Helper()
	h := &told{answers: answers}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	t.Setenv("CALLYARD_URL", s.URL)
	t.Setenv("CALLYARD_KEY", "ck_test")
	return h
}

func (h *told) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	at := r.Method + " " + r.URL.EscapedPath()
	h.asked = append(h.asked, strings.TrimSpace(strings.TrimSuffix(at+"?"+r.URL.RawQuery, "?")+" "+string(body)))
	answer, ok := h.answers[at+"?"+r.URL.RawQuery]
	if !ok {
		answer, ok = h.answers[at]
	}
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		answer = `{"status":404,"title":"Not Found","detail":"there is no such thing"}`
	}
	_, _ = io.WriteString(w, answer)
}

func (h *told) was(t *testing.T, asked string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Contains(h.asked, asked) {
		t.Errorf("%q is not among\n%s", asked, strings.Join(h.asked, "\n"))
	}
}

const (
	twoFlows = `{"data":[{"name":"inbound-sales","live_version":12},{"name":"reception","live_version":0}],"next_cursor":null}`
	alias    = `{"flow":"inbound-sales","version":12,"canary":{"version":13,"percent":10,"began_at":"2026-11-03T10:00:00Z","verdict":{"said":"7 of 20 calls that it takes to judge"}}}`
)

func TestFlowLife(t *testing.T) {
	h := tells(t, map[string]string{
		"GET /v1/flows": twoFlows, "GET /v1/flows/inbound-sales": `{"name":"inbound-sales","live_version":12}`,
		"GET /v1/flows/inbound-sales/alias": alias, "PUT /v1/flows/inbound-sales/alias": alias, "POST /v1/flows/inbound-sales/alias/promote": `{"flow":"inbound-sales","version":13}`,
		"POST /v1/flows/inbound-sales/alias/abort": `{"flow":"inbound-sales","version":12,"last":{"version":13,"ending":"rolled_back","ended_by":"guard","ended_at":"2026-11-03T11:00:00Z","verdict":{"said":"abandon_rate 100 %"}}}`,
		"GET /v1/flows/inbound-sales/versions":     `{"data":[{"version":12,"author":"ann","message":"shorter ladder","published_at":"2026-11-03T10:00:00Z"}],"next_cursor":null}`,
		"POST /v1/flows/inbound-sales/rollback":    `{"version":14}`,
		"GET /v1/flows/inbound-sales/export":       `{"schema":"callflow/v1","name":"inbound-sales"}`,
		"GET /v1/flows/inbound-sales/draft":        `{"schema":"callflow/v1","name":"inbound-sales"}`, "PUT /v1/flows/inbound-sales/draft": `{"ok":false}`,
		"GET /v1/flows/inbound-sales/diff?a=12&b=0": `{"changes":[
			{"path":"entry","change":"changed","before":"a","after":"b"},
			{"path":"nodes.mail","change":"added","after":{"type":"voicemail"}},
			{"path":"nodes.old","change":"removed","before":{"type":"play"}},
			{"path":"nodes.park.cfg.ladder[1].after_s","change":"changed","before":60,"after":45},
			{"path":"nodes.park.cfg.music","change":"added","after":"hold"}]}`,
	})
	t.Run("list and show", func(t *testing.T) {
		sh(t, "flow", "list").must(t, OK, "inbound-sales  12", "reception      0")
		sh(t, "flow", "list", "-o", "yaml").must(t, OK, "data:\n  - name: inbound-sales\n    live_version: 12")
		sh(t, "flow", "show", "inbound-sales").must(t, OK, "version 12 is live", "version 13 is tried on 10 % of the callers", "7 of 20", "shorter ladder")
	})
	t.Run("a difference reads like what somebody did", func(t *testing.T) {
		sh(t, "flow", "diff", "inbound-sales").must(t, OK,
			`~ entry: "a" → "b"`, "+ node mail (voicemail)", "- node old (play)", "~ node park\n    ~ cfg.ladder[1].after_s: 60 → 45\n    + cfg.music: \"hold\"\n")
		sh(t, "flow", "diff", "inbound-sales", "-o", "json").must(t, OK, `"path": "entry"`)
		sh(t, "flow", "diff", "reception", "-a", "newest").must(t, Failure, "there are live, draft, and numbers")
	})
	t.Run("a canary is begun, promoted, aborted", func(t *testing.T) {
		sh(t, "flow", "alias", "inbound-sales", "--canary", "13", "--percent", "25", "--max-abandon", "0.15").must(t, OK, "version 13 is tried")
		h.was(t, `PUT /v1/flows/inbound-sales/alias {"canary":13,"guard":{"abandon_rate":0.15},"percent":25,"version":12}`)
		sh(t, "flow", "promote", "inbound-sales").must(t, OK, "version 13 is live")
		sh(t, "flow", "abort", "inbound-sales").must(t, OK, "version 12 is live", "was rolled back", "by guard", "because abandon_rate 100 %")
	})
	t.Run("rolled back, exported, drafted", func(t *testing.T) {
		sh(t, "flow", "rollback", "inbound-sales").must(t, Failure, "--to VERSION is missing", "callyard flow show inbound-sales")
		sh(t, "flow", "rollback", "inbound-sales", "--to", "11").must(t, OK, "version 14 is live")
		h.was(t, `POST /v1/flows/inbound-sales/rollback {"to":11}`)
		sh(t, "flow", "export", "inbound-sales").must(t, OK, "{\n  \"schema\"")
		sh(t, "flow", "export", "inbound-sales", "-o", "yaml").must(t, OK, "schema: callflow/v1\n")
		sh(t, "flow", "draft", "inbound-sales").must(t, OK, "callflow/v1")
		sh(t, "flow", "draft", "inbound-sales", "-f", write(t, "d.json", `{"name":"inbound-sales"}`)).must(t, OK, "draft saved", "it has faults")
	})
	t.Run("a name that there is not", func(t *testing.T) {
		sh(t, "flow", "show", "inbuond-sales").must(t, Failure, `there is no flow "inbuond-sales"; did you mean inbound-sales?`)
		sh(t, "flow", "export", "zzz").must(t, Failure, `there is no flow "zzz"; there are inbound-sales, reception`)
	})
	t.Run("the shell completes names", func(t *testing.T) {
		sh(t, "__complete", "flow", "show", "").must(t, OK, "inbound-sales\nreception\n")
		sh(t, "__complete", "flow", "publish", "").must(t, OK, "inbound-sales\n")
		sh(t, "__complete", "version", "-o", "").must(t, OK, "table\njson\nyaml\n")
	})
}

func TestResources(t *testing.T) {
	tells(t, map[string]string{
		"GET /v1/lots": `{"data":[{"name":"sales","extension":"700","first":701,"last":705}],"next_cursor":null}`, "GET /v1/lots/sales": `{"name":"sales","slots":[{"slot":701}]}`,
		"GET /v1/queues":                   `{"data":[{"name":"sales","strategy":"ring_all","agents":[{"agent":"ann"},{"agent":"ben"}]}],"next_cursor":null}`,
		"GET /v1/agents?cursor=&limit=200": `{"data":[{"name":"ann","status":"available","state":"idle","devices":2}],"next_cursor":"x"}`,
		"GET /v1/agents":                   `{"data":[{"name":"ben","status":"away","state":"idle","devices":0}],"next_cursor":null}`,
		"GET /v1/agents/ann/history":       `{"data":[{"at":"2026-03-02T12:00:00Z","agent":"ann","status":"away","reason":"lunch","state":"idle","call":""}],"next_cursor":null}`,
		"GET /v1/numbers":                  `{"data":[{"number":"+12025550100","flow":"in"}],"next_cursor":null}`,
		"GET /v1/calls":                    `{"data":[{"id":"call_1","from":"+1","outcome":"answered","version":3}],"next_cursor":null}`,
		"GET /v1/calls/call_1":             `{"id":"call_1"}`, "GET /v1/calls/call_1/timeline": `{"data":[{"at":"t","type":"flow.decided","node":"park","data":{"outcome":"full","to":"queue","reason":"no slot is free"}}]}`,
	})
	sh(t, "lot", "list").must(t, OK, "LOT    EXTENSION  FIRST  LAST", "sales  700        701    705")
	sh(t, "lot", "show", "sales").must(t, OK, "name: sales\nslots:\n  - slot: 701\n")
	sh(t, "lot", "show", "sale", "-o", "json").must(t, Failure, "did you mean sales?")
	sh(t, "queue", "list").must(t, OK, "ring_all", "ann,ben")
	sh(t, "agent", "history", "ann").must(t, OK, "away    lunch   idle")
	sh(t, "number", "list", "-o", "json").must(t, OK, `"flow": "in"`)
	sh(t, "call", "list", "--live").must(t, OK, "call_1", "answered")
	sh(t, "call", "show", "call_1").must(t, OK, "flow.decided", "no slot is free")
	t.Run("a list is read to its end", func(t *testing.T) {
		s := sh(t, "agent", "list", "-o", "json")
		var got struct{ Data []json.RawMessage }
		if err := json.Unmarshal([]byte(s.out), &got); err != nil || len(got.Data) != 2 {
			t.Errorf("%v %s", err, s.out)
		}
	})
}
