package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/softphone"
	"github.com/callyard/callyard/routing/routingpg"
)

// A canary that loses its callers is rolled back with nobody watching.
func TestCanaryIsRolledBackByItself(t *testing.T) {
	t.Parallel()
	const number = "+12025550177"
	h := start(t, `
flows:
  - {schema: callflow/v1, name: tried, entry: bye, handlers: {hangup: bye, error: bye}, nodes: {bye: {type: hangup, cfg: {cause: busy}}}}
numbers:
  - {number: "`+number+`", flow: tried}
`)
	ctx := t.Context()
	waits := `{"schema": "callflow/v1", "name": "tried", "entry": "wait", "handlers": {"hangup": "bye", "error": "bye"},
		"nodes": {"wait": {"type": "park", "cfg": {"lot": "sales"}, "on": {"default": "bye"}}, "bye": {"type": "hangup"}}}`
	if _, err := h.Routes.SaveDraft(ctx, "tried", []byte(waits), nil); err != nil {
		t.Fatal(err)
	}
	h.ask(http.StatusOK, http.MethodPost, "/v1/flows/tried/publish", json.RawMessage(`{"message": "let them wait", "live": false}`), &struct{}{})
	h.ask(http.StatusOK, http.MethodPut, "/v1/flows/tried/alias",
		json.RawMessage(`{"version": 1, "canary": 2, "percent": 20, "guard": {"abandon_rate": 0.2, "min_calls": 5}}`), &struct{}{})
	// As if it had begun a minute ago: nodes are given time to hear of it before anything counts.
	_, err := h.DB.Pool.Exec(ctx, `update flow_canaries set began_at = $1, stages = jsonb_build_array(jsonb_build_object('at', $1::timestamptz, 'percent', 20))`, time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	a, err := h.Routes.Alias(ctx, "tried")
	if err != nil || a.Canary == nil {
		t.Fatal(a, err)
	}
	var in, out []string
	for i := 0; len(in) < 8 || len(out) < 3; i++ {
		n := fmt.Sprintf("+1202555%04d", 1000+i)
		if is, _, _ := a.Canary.Has("tried", call.Number(n), ""); is {
			in = append(in, n)
		} else {
			out = append(out, n)
		}
	}
	trunk := h.callers()
	dial := func(from string) *softphone.Dialog {
		d, err := trunk.Call(within(t, 15*time.Second), number, softphone.From(from, ""))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	waiting := func(from string) *softphone.Dialog {
		d := dial(from)
		hears(t, "a caller of the canary", d, musicHz)
		return d
	}
	for _, n := range out[:3] {
		if e := ends(t, "a caller of the stable version", dial(n)); e.Status != 486 {
			t.Errorf("ended with %d", e.Status)
		}
	}
	last := waiting(in[7]) // under way while the canary ends
	for _, n := range in[:7] {
		waiting(n).Hangup()
	}
	eventuallyFor(t, time.Minute, "the canary is rolled back", func() bool {
		a, err := h.Routes.Alias(ctx, "tried")
		return err == nil && a.Canary == nil && a.Last.Ending == routingpg.RolledBack && a.Version == 1
	})
	eventually(t, "its callers get the stable version", func() bool {
		d := dial(in[0])
		e, err := d.WaitEnded(within(t, 15*time.Second))
		d.Hangup()
		return err == nil && e.Status == 486
	})
	if err := last.HearsSomething(within(t, 15*time.Second)); err != nil {
		t.Errorf("the call under way does not go on: %v", err)
	}
	last.Hangup()
	var told string
	if err := h.DB.Pool.QueryRow(ctx, `select args::text from river_job where kind = 'notice'`).Scan(&told); err != nil || !strings.Contains(told, "canary_rolled_back") {
		t.Errorf("notification: %s, %v", told, err)
	}
	var shown struct {
		Last struct {
			Ending  string
			Verdict struct{ Why string }
		}
	}
	h.get("/v1/flows/tried/alias", &shown)
	if shown.Last.Ending != "rolled_back" || shown.Last.Verdict.Why != "abandon_rate" {
		t.Errorf("%+v", shown)
	}
}
