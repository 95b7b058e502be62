package app

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/parking/parkingpg"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/queues/queuespg"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// aNode is a planner that watches, and what it has read.
type aNode struct {
	*planner
	read chan part
}

func newNode(t *testing.T, db *pg.DB, origin string) *aNode {
	t.Helper()
	n := &aNode{&planner{
		db: db, lots: parkingpg.New(db), agents: queuespg.New(db), routes: routingpg.New(db), origin: origin,
		log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}, make(chan part, 100)}
	n.loaded = append(n.loaded, func(_ context.Context, p part) { n.read <- p })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.watch(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	n.expect(t, everything) // once it listens
	return n
}

// expect waits for the next load, which is of those parts.
func (n *aNode) expect(t *testing.T, want part) {
	t.Helper()
	select {
	case got := <-n.read:
		if got != want {
			t.Fatalf("node %s read parts %06b, want %06b", n.origin, got, want)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("node %s did not read parts %06b", n.origin, want)
	}
}

func TestAChangeIsReadOnceOnEveryNode(t *testing.T) {
	db := pgtest.New(t)
	one, two := newNode(t, db, "one"), newNode(t, db, "two")
	ctx := t.Context()
	if err := one.lots.SaveLot(ctx, parking.Lot{Name: "sales", First: 701, Last: 702}); err != nil {
		t.Fatal(err)
	}
	if err := one.Changed(ctx, "lots"); err != nil {
		t.Fatal(err)
	}
	if _, ok := one.Plan().Lot("sales"); !ok {
		t.Error("the node that changed a lot does not know it")
	}
	one.expect(t, partLots)
	two.expect(t, partLots)
	if _, ok := two.Plan().Lot("sales"); !ok {
		t.Error("the other node does not know the lot")
	}
	// Notices come in order: if the first node had read its own, that would be next.
	if err := two.agents.SaveAgent(ctx, queues.Agent{Name: "ann"}); err != nil {
		t.Fatal(err)
	}
	if err := two.Changed(ctx, "agents"); err != nil {
		t.Fatal(err)
	}
	one.expect(t, partAgents|partQueues)
	if _, ok := one.Plan().Agent("ann"); !ok {
		t.Error("the agent is not known")
	}
	if _, ok := one.Plan().Lot("sales"); !ok {
		t.Error("what did not change is gone")
	}
	two.expect(t, partAgents|partQueues)
	// A kind that nobody has heard of, and a node that does not say.
	for _, said := range []string{"three comets", ""} {
		if _, err := db.Pool.Exec(ctx, `select pg_notify($1, $2)`, configChannel, said); err != nil {
			t.Fatal(err)
		}
		one.expect(t, everything)
		two.expect(t, everything)
	}
}

func TestOnlyWhatChangedIsRead(t *testing.T) {
	db := pgtest.New(t)
	p := newNode(t, db, "one")
	ctx := t.Context()
	if err := p.lots.SaveLot(ctx, parking.Lot{Name: "sales", First: 701, Last: 702}); err != nil {
		t.Fatal(err)
	}
	if err := p.routes.SaveTrunk(ctx, routing.Trunk{Name: "carrier", Sources: []string{"192.0.2.0/24"}}); err != nil {
		t.Fatal(err)
	}
	if err := p.agents.SaveAgent(ctx, queues.Agent{Name: "ann"}); err != nil {
		t.Fatal(err)
	}
	if err := p.agents.SaveQueue(ctx, queues.Queue{Name: "sales", Agents: []queues.Assignment{{Agent: "ann"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.routes.SaveDraft(ctx, "line", []byte(`{"schema": "callflow/v1", "name": "line", "entry": "bye", "nodes": {"bye": {"type": "hangup"}}}`), nil); err != nil {
		t.Fatal(err)
	}
	if err := p.routes.SaveNumber(ctx, routing.Number{Number: "+12025550100", Flow: "line"}); err != nil {
		t.Fatal(err)
	}
	known := func() (kinds []string) {
		plan := p.Plan()
		for _, k := range []struct {
			kind string
			n    int
		}{{"lots", len(plan.Lots)}, {"agents", len(plan.Agents)}, {"queues", len(plan.Queues)}, {"trunks", len(plan.Trunks)}, {"numbers", len(plan.Numbers)}} {
			if k.n > 0 {
				kinds = append(kinds, k.kind)
			}
		}
		return kinds
	}
	for _, c := range []struct {
		kind string
		want []string
	}{
		{"prompts", nil},
		{"lots", []string{"lots"}},
		{"trunks", []string{"lots", "trunks"}},
		{"queues", []string{"lots", "queues", "trunks"}},
		{"flows", []string{"lots", "queues", "trunks", "numbers"}},
		{"agents", []string{"lots", "agents", "queues", "trunks", "numbers"}},
	} {
		if err := p.Changed(ctx, c.kind); err != nil {
			t.Fatal(err)
		}
		if got := known(); !slices.Equal(got, c.want) {
			t.Errorf("after a change of %s: %v are known, want %v", c.kind, got, c.want)
		}
	}
}

func TestAChangeIsMadeKnownWhenItsClientHasGone(t *testing.T) {
	db := pgtest.New(t)
	p := newNode(t, db, "one")
	if err := p.lots.SaveLot(t.Context(), parking.Lot{Name: "sales", First: 701, Last: 702}); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Changed(gone, "lots"); err != nil {
		t.Fatal(err)
	}
	if _, ok := p.Plan().Lot("sales"); !ok {
		t.Error("the lot is not known")
	}
}

// What could not be read is read by the next load, whatever that was asked for.
func TestWhatCouldNotBeReadIsStillDue(t *testing.T) {
	db := pgtest.New(t)
	p := newNode(t, db, "one")
	ctx := t.Context()
	if err := p.lots.SaveLot(ctx, parking.Lot{Name: "sales", First: 701, Last: 702}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Pool.Exec(ctx, `alter table lots rename to away`); err != nil {
		t.Fatal(err)
	}
	if err := p.load(ctx, partLots); err == nil {
		t.Fatal("lots are read from nowhere")
	}
	if _, err := db.Pool.Exec(ctx, `alter table away rename to lots`); err != nil {
		t.Fatal(err)
	}
	if err := p.load(ctx, partSounds); err != nil {
		t.Fatal(err)
	}
	p.expect(t, partLots|partSounds)
	if _, ok := p.Plan().Lot("sales"); !ok {
		t.Error("the lot is not known")
	}
	// A load that waited for this one finds that nothing is due any more.
	if err := p.load(ctx, 0); err != nil || len(p.read) > 0 {
		t.Errorf("%d loads more: %v", len(p.read), err)
	}
}
