package callctl_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// asking is a flow that asks, and plays a sound of the name of what came of it.
const asking = `"in": {"type": "http", "cfg": {"url": "https://crm.example.com/callers/{{caller.number}}?key=hush", "method": "POST",
		"body": {"from": "{{caller.number}}", "deep": [{"to": "{{call.to}}"}]}, "deadline_ms": 1500, "save": "who", "signed": true},
		"on": {"ok": "which", "error": "error", "default": "timeout"}},
	"which": {"type": "switch", "cfg": {"cases": [{"when": "vars.who.tier == \"gold\" and vars.who.orders > 2", "to": "gold"}]}, "on": {"default": "ok"}},
	"gold": {"type": "play", "cfg": {"prompt": "gold"}, "on": {"next": "bye"}}, "ok": {"type": "play", "cfg": {"prompt": "ok"}, "on": {"next": "bye"}},
	"error": {"type": "play", "cfg": {"prompt": "error"}, "on": {"next": "bye"}}, "timeout": {"type": "play", "cfg": {"prompt": "timeout"}, "on": {"next": "bye"}}`

// asked is the decision of the http node.
func (r *rig) asked(id call.ID) (outcome, reason string, inputs map[string]any) {
	r.t.Helper()
	for _, e := range r.ledger(id) {
		if e.Type == call.FlowDecided && e.Data["type"] == "http" {
			inputs, _ = e.Data["inputs"].(map[string]any)
			return fmt.Sprint(e.Data["outcome"]), fmt.Sprint(e.Data["reason"]), inputs
		}
	}
	r.t.Fatal("there is no decision of the http node")
	return
}

func TestAskOutside(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(ctx context.Context) (int, []byte, error)
		goes   string // the outcome
		then   string // the node after it
		why    string
		status any
		tookMS int64
	}{
		{"an answer is kept and read", func(context.Context) (int, []byte, error) {
			time.Sleep(40 * time.Millisecond)
			return 200, []byte(`{"tier": "gold", "orders": 3, "secret": "hush"}`), nil
		}, "ok", "gold", "status 200", 200.0, 40},
		{"a scalar is an answer", func(context.Context) (int, []byte, error) { return 200, []byte(`"gold"`), nil }, "ok", "ok", "status 200", 200.0, 0},
		{"a status that is no success", func(context.Context) (int, []byte, error) { return 503, []byte(`hush`), nil }, "error", "error", "status 503", 503.0, 0},
		{"a redirect", func(context.Context) (int, []byte, error) { return 302, nil, nil }, "error", "error", "status 302", 302.0, 0},
		{"no JSON", func(context.Context) (int, []byte, error) { return 200, []byte(`<hush>`), nil }, "error", "error", "no JSON", 200.0, 0},
		{"nested without end", func(context.Context) (int, []byte, error) {
			return 200, []byte(strings.Repeat(`[`, 500) + strings.Repeat(`]`, 500)), nil
		}, "error", "error", "nested", 200.0, 0},
		{"nobody there", func(context.Context) (int, []byte, error) { return 0, nil, errors.New("connection refused") }, "error", "error", "refused", nil, 0},
		{"no answer in time", func(ctx context.Context) (int, []byte, error) {
			<-ctx.Done()
			return 0, nil, fmt.Errorf("read: %w", ctx.Err())
		}, "timeout", "timeout", "1500 ms", nil, 1500},
		{"one that does not care for the time", func(context.Context) (int, []byte, error) {
			time.Sleep(20 * time.Second)
			return 200, []byte(`{"tier": "gold", "orders": 3}`), nil
		}, "timeout", "timeout", "1500 ms", nil, 1500},
	} {
		t.Run(c.name, func(t *testing.T) {
			story(t, func(r *rig) {
				var got routing.HTTP
				var request string
				r.ask = func(ctx context.Context, id string, q routing.HTTP) (int, []byte, error) {
					got, request = q, id
					return c.answer(ctx)
				}
				r.flow(asking)
				p := r.calls()
				r.pass(2 * time.Second)
				id := r.book.lastBegun()
				outcome, reason, inputs := r.asked(id)
				r.is("outcome", outcome, c.goes)
				if !strings.Contains(reason, c.why) {
					t.Errorf("reason %q, want %q", reason, c.why)
				}
				r.is("status", inputs["status"], c.status)
				r.is("took_ms", inputs["took_ms"], c.tookMS)
				if all := fmt.Sprint(r.ledger(id)); strings.Contains(all, "hush") {
					t.Errorf("the ledger has what is nobody's business: %s", all)
				}
				r.is("request", request, string(id)+"-in-1")
				r.is("address", got.URL, "https://crm.example.com/callers/%2B34600000001?key=hush")
				r.is("body", string(got.Body), `{"deep":[{"to":"`+line+`"}],"from":"`+caller+`"}`)
				r.is("signed, wanted", []bool{got.Signed, got.Wanted}, []bool{true, true})
				if heard := strings.Join(p.tape.heard, " "); !strings.Contains(heard, c.then) {
					t.Errorf("the caller heard %q, want %q", heard, c.then)
				}
				r.pass(30 * time.Second)
			})
		})
	}

	t.Run("a caller who hangs up meanwhile is not held", func(t *testing.T) {
		story(t, func(r *rig) {
			r.ask = func(ctx context.Context, _ string, _ routing.HTTP) (int, []byte, error) {
				<-ctx.Done()
				return 0, nil, ctx.Err()
			}
			r.flow(asking)
			p := r.calls()
			r.pass(time.Second)
			p.hangUp()
			r.pass(100 * time.Millisecond)
			r.outcome(r.book.lastBegun(), "abandoned")
		})
	})

	t.Run("a fault in the asking is an error, and the call goes on", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayLog = []string{"panic"}
			r.ask = func(context.Context, string, routing.HTTP) (int, []byte, error) { panic("outside") }
			r.flow(asking)
			r.calls()
			r.pass(time.Second)
			outcome, _, _ := r.asked(r.book.lastBegun())
			r.is("outcome", outcome, "error")
			r.pass(20 * time.Second)
		})
	})
}
