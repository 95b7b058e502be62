package app

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/parking/parkingpg"
	"github.com/callyard/callyard/queues/queuespg"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// A database that goes away while the plan is read must not take numbers away.
func TestPlanStaysWhenItCannotBeRead(t *testing.T) {
	db := pgtest.New(t)
	ctx := t.Context()
	routes := routingpg.New(db)
	doc := []byte(`{"schema": "callflow/v1", "name": "line", "entry": "in", "handlers": {"hangup": "bye"}, "nodes": {
		"in": {"type": "subflow", "cfg": {"flow": "middle"}, "on": {"default": "bye"}}, "bye": {"type": "hangup"}}}`)
	if _, err := routes.SaveDraft(ctx, "draft", []byte(strings.Replace(string(doc), `"line"`, `"draft"`, 1)), nil); err != nil {
		t.Fatal(err)
	}
	// Two that only other flows lead to.
	for _, c := range []struct{ name, nodes string }{
		{"inner", `"r": {"type": "return"}`}, {"middle", `"r": {"type": "subflow", "cfg": {"flow": "inner"}, "on": {"default": "bye"}}, "bye": {"type": "return"}`},
	} {
		if _, _, err := routes.PutFlow(ctx, []byte(`{"schema": "callflow/v1", "name": "`+c.name+`", "entry": "r", "nodes": {`+c.nodes+`}}`), "", time.Now(), func(*routing.Flow) routing.Findings { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := routes.SaveDraft(ctx, "line", doc, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := routes.Publish(ctx, "line", "", "", time.Now(), func(*routing.Flow) routing.Findings { return nil }); err != nil {
		t.Fatal(err)
	}
	for number, flow := range map[call.Number]string{"+12025550100": "line", "+12025550101": "draft"} {
		if err := routes.SaveNumber(ctx, routing.Number{Number: number, Flow: flow}); err != nil {
			t.Fatal(err)
		}
	}
	p := &planner{
		db: db, lots: parkingpg.New(db), agents: queuespg.New(db), routes: routes,
		log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if err := p.Load(ctx); err != nil {
		t.Fatal(err)
	}
	if got := p.Plan().Flows["line"].Subflows(); got["middle"] != 1 || got["inner"] != 1 {
		t.Errorf("line calls %v", got)
	}
	if plan := p.Plan(); plan.Flows["line"] == nil || plan.Flows["draft"] != nil {
		t.Fatalf("flows that can be called: %v, want line and not the draft", plan.Flows)
	}
	// Only what was published since is read again.
	before, none := p.known, func(*routing.Flow) routing.Findings { return nil }
	if _, err := routes.SaveDraft(ctx, "line", []byte(strings.Replace(string(doc), `"bye"}}, "bye"`, `"bye", "returned": "bye"}}, "bye"`, 1)), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := routes.Publish(ctx, "line", "", "", time.Now(), none); err != nil {
		t.Fatal(err)
	}
	if err := p.Load(ctx); err != nil {
		t.Fatal(err)
	}
	if p.known["middle"].flow != before["middle"].flow || p.known["line"].flow == before["line"].flow || p.Plan().Flows["line"].Version() != 2 {
		t.Errorf("line is at %d; middle is read again: %v", p.Plan().Flows["line"].Version(), p.known["middle"].flow != before["middle"].flow)
	}
	if _, err := db.Pool.Exec(ctx, `alter table flows rename to away`); err != nil {
		t.Fatal(err)
	}
	if err := p.Load(ctx); err == nil {
		t.Error("a plan that could not be read is taken")
	}
	if p.Plan().Flows["line"] == nil {
		t.Error("the number's flow is gone")
	}
}
