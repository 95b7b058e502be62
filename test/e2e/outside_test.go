package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/egress"
)

// asking is a number whose callers are told by another system how they are
// hung up on; and one whose flow asks where it may not.
const asking = `
flows:
  - schema: callflow/v1
    name: asks
    entry: ask
    handlers: {hangup: gone, error: gone}
    nodes:
      ask: {type: http, cfg: {url: "SERVER/callers/{{caller.number}}", method: POST, body: {to: "{{call.to}}"}, deadline_ms: 5000, save: caller, signed: true}, on: {ok: which, default: gone}}
      which: {type: switch, cfg: {cases: [{when: 'vars.caller.blocked == true', to: blocked}]}, on: {default: gone}}
      blocked: {type: hangup, cfg: {sip_code: 603}}
      gone: {type: hangup, cfg: {sip_code: 480}}
numbers:
  - {number: "+12025550151", flow: asks}
`

func TestAFlowAsksAnotherSystem(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := egress.Verify(hookSecret, r.Header, body, time.Now()); err != nil || string(body) != `{"to":"+12025550151"}` {
			t.Errorf("%v: %s", err, body)
		}
		_, _ = io.WriteString(w, `{"blocked": true}`)
	}))
	t.Cleanup(srv.Close)
	for name, c := range map[string]struct {
		allow   []string
		status  int
		outcome string
	}{
		"where it may":     {[]string{"127.0.0.0/8"}, 603, "ok"},
		"where it may not": {nil, 480, "error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t, strings.ReplaceAll(asking, "SERVER", srv.URL), func(c2 *config.Config) {
				c2.HTTPOut.Secret, c2.HTTPOut.AllowNets = hookSecret, c.allow
			})
			d := h.dials(h.callers(), "+12025550151")
			if e := ends(t, "the caller", d); e.Status != c.status {
				t.Errorf("the caller got %d, want %d", e.Status, c.status)
			}
			if asked := h.told(h.newCall(), call.FlowDecided); asked.Node != "ask" || asked.Data["outcome"] != c.outcome {
				t.Errorf("%+v", asked)
			}
		})
	}
}
