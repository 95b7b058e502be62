package callctl_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/routing"
)

const (
	parks   = `"in": {"type": "park", "cfg": {"lot": "sales"}, "on": {"default": "bye"}}`
	refuses = `"in": {"type": "hangup", "cfg": {"cause": "busy"}}`
)

// try has a part of the callers run other nodes, as version 2.
func (r *rig) try(c routing.Canary, nodes string) {
	r.t.Helper()
	f, err := routing.Parse([]byte(`{"schema": "callflow/v1", "name": "main", "entry": "in", "nodes": {` + nodes + `}}`))
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f = f.WithVersion(1 + len(r.published))
	r.published = append(r.published, f)
	r.tried = map[string]callctl.Canary{"main": {Canary: c, Flow: f}}
}

func TestCanary(t *testing.T) {
	c := routing.Canary{Version: 2, Percent: 30, Salt: "s"}
	var in, out call.Number
	for i := 0; in == "" || out == ""; i++ {
		n := call.Number(fmt.Sprintf("+3460000%04d", i))
		if is, _, _ := c.Has("main", n, ""); is {
			in = n
		} else {
			out = n
		}
	}
	from := func(r *rig, n call.Number) (*phone, call.Event) {
		p := r.callsWith(func(p *phone) { p.remote.Number = n })
		r.pass(2 * time.Second)
		return p, r.book.about(r.book.lastBegun(), call.FlowStarted)[0]
	}
	t.Run("a caller meets their version again, and the ledger says why", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(parks)
			r.try(c, refuses)
			for range 2 {
				p, began := from(r, in)
				r.is("refused", p.over(), true)
				why, _ := began.Data["alias"].(map[string]any)
				r.is("version", began.Version, 2)
				r.is("why", fmt.Sprint(why["chosen"], why["stable"], why["canary"], why["percent"], why["by"]), "canary1 2 30caller")
			}
			p, began := from(r, out)
			why, _ := began.Data["alias"].(map[string]any)
			r.hear(p, "music:hold")
			r.is("version", began.Version, 1)
			r.is("chosen", why["chosen"], "stable")
			p.hangUp()
			r.pass(time.Second)
		})
	})
	t.Run("a withheld caller goes by the call", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(parks)
			r.try(c, refuses)
			p, began := from(r, "")
			why, _ := began.Data["alias"].(map[string]any)
			r.is("by", why["by"], "call")
			p.hangUp()
			r.pass(time.Second)
		})
	})
	t.Run("a call keeps its version when the canary ends", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(refuses)
			r.try(c, parks)
			p, began := from(r, in)
			r.mu.Lock()
			r.tried = nil
			r.mu.Unlock()
			again, _ := from(r, in)
			r.is("the next call is refused", again.over(), true)
			r.hear(p, "music:hold")
			r.is("version", began.Version, 2)
			p.hangUp()
			r.pass(time.Second)
			r.is("noted to the end", r.book.about(began.Call, call.Ended)[0].Version, 2)
		})
	})
	t.Run("without a canary there is nothing to explain", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(refuses)
			_, began := from(r, in)
			r.is("data", began.Data == nil, true)
		})
	})
}
