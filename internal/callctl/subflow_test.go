package callctl_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// publish makes a flow a version that new calls run; flows that call it are
// linked anew when they are published.
func (r *rig) publish(name string, version int, nodes string) {
	r.t.Helper()
	f, err := routing.Parse([]byte(`{"schema": "callflow/v1", "name": "` + name + `", "entry": "in", "nodes": {` + nodes + `}}`))
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, err = routing.Link(f.WithVersion(version), routing.Parts{Flow: func(name string) *routing.Flow { return r.flows[name] }}); err != nil {
		r.t.Fatal(err)
	}
	r.flows[name] = f
	if name == "main" {
		if r.published = append(r.published, f); len(r.published) != version {
			r.t.Fatalf("the next version of main is %d", len(r.published))
		}
	}
}

func TestSubflow(t *testing.T) {
	const (
		main = `"in": {"type": "subflow", "cfg": {"flow": "greet", "params": {"least": 10}}, "on": {"big": "lot", "default": "bye"}},
			"lot": {"type": "park", "cfg": {"lot": "sales"}, "on": {"default": "bye"}}, "bye": {"type": "hangup"}`
		greet = `"in": {"type": "play", "cfg": {"prompt": "welcome"}, "on": {"next": "who"}},
			"who": {"type": "crm_lookup", "on": {"default": "size"}},
			"size": {"type": "switch", "cfg": {"cases": [{"when": "crm.deal >= vars.least", "to": "big"}]}, "on": {"default": "back"}},
			"big": {"type": "return", "cfg": {"outcome": "big"}}, "back": {"type": "return"}`
		curt = `"in": {"type": "return", "cfg": {"outcome": "big"}}`
	)
	t.Run("a call goes through another flow and comes back by what it returns", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(`"in": {"type": "hangup"}`)
			r.publish("greet", 3, greet)
			r.publish("main", 2, main)
			r.crm[caller] = crm.Record{Ref: crm.Ref{ID: "1"}, Name: "Eva", Fields: map[string]any{"deal": 50.0}}
			p := r.calls()
			r.pass(30 * time.Second)
			id := r.book.lastBegun()
			r.is("welcomed", p.hasHeard("clip:welcome"), true)
			r.hear(p, "music:hold")
			r.is("parked", r.parked(), 1)
			began := r.book.about(id, call.FlowStarted)[0]
			r.is("flow", began.Flow, "main")
			r.is("what it calls", began.Data["subflows"], map[string]int{"greet": 3})
			var path []string
			for _, e := range r.book.about(id, call.FlowDecided) {
				path = append(path, e.Node)
				inside := e.Node != "in"
				r.is(e.Node+" is of", e.Data["subflow"] == "greet" && e.Data["subflow_version"] == 3, inside)
			}
			r.is("path", path, []string{"in", "in/in", "in/who", "in/size", "in/big"})
			p.hangUp()
			r.pass(time.Second)
		})
	})
	t.Run("a call keeps the versions it began with", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(`"in": {"type": "hangup"}`)
			r.publish("greet", 1, greet)
			r.publish("main", 2, main)
			p := r.calls()
			r.pass(200 * time.Millisecond) // the welcome plays
			r.is("at", r.parked(), 0)
			old := r.book.lastBegun()
			r.publish("greet", 2, curt)
			r.publish("main", 3, main)
			q := r.calls()
			r.pass(30 * time.Second)
			r.is("the first is over by version 1, where nobody knows the caller", p.over(), true)
			r.hear(q, "music:hold")
			r.is("first", r.book.about(old, call.FlowStarted)[0].Data["subflows"], map[string]int{"greet": 1})
			r.is("second", r.book.about(r.book.lastBegun(), call.FlowStarted)[0].Data["subflows"], map[string]int{"greet": 2})
			q.hangUp()
			r.pass(time.Second)
		})
	})
}
