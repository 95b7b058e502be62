package routingpg_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// aside publishes words that no call runs yet.
func aside(t *testing.T, s *routingpg.Store, words string) routingpg.Version {
	t.Helper()
	save(t, s, greeting(words))
	v, err := s.PublishAside(t.Context(), "greeting", "try "+words, "ann", noon, lint)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func set(t *testing.T, s *routingpg.Store, w routingpg.Wish, at time.Time) routingpg.Alias {
	t.Helper()
	a, err := s.SetAlias(t.Context(), "greeting", w, "ann", at, lint)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAlias(t *testing.T) {
	_, s := open(t)
	ctx := t.Context()
	is[*routingpg.NotFoundError](t, second(s.Alias(ctx, "greeting")))
	publish(t, s, "one")
	two := aside(t, s, "two")
	live := func(t *testing.T) int {
		t.Helper()
		v, err := s.LiveVersion(ctx, "greeting")
		if err != nil {
			t.Fatal(err)
		}
		return v.N
	}
	if two.N != 2 || live(t) != 1 {
		t.Fatalf("version %d is published beside %d", two.N, live(t))
	}
	if again := aside(t, s, "two"); again.N != 2 {
		t.Errorf("the same draft became version %d", again.N)
	}

	t.Run("what cannot be", func(t *testing.T) {
		for name, w := range map[string]routingpg.Wish{
			"a percentage of nothing":   {Version: 1, Percent: 10},
			"a guard of nothing":        {Version: 1, Guard: routing.Guard{ErrorRate: new(0.1)}},
			"itself":                    {Version: 1, Canary: 1, Percent: 10},
			"nobody left to compare":    {Version: 1, Canary: 2, Percent: 95},
			"a rate in per cent":        {Version: 1, Canary: 2, Percent: 10, Guard: routing.Guard{AbandonRate: new(15.0)}},
			"a window that is negative": {Version: 1, Canary: 2, Percent: 10, Guard: routing.Guard{WindowMin: -1}},
		} {
			t.Run(name, func(t *testing.T) {
				is[*routingpg.InvalidError](t, second(s.SetAlias(ctx, "greeting", w, "", noon, lint)))
			})
		}
		is[*routingpg.NotFoundError](t, second(s.SetAlias(ctx, "greeting", routingpg.Wish{Version: 1, Canary: 7, Percent: 10}, "", noon, lint)))
		is[*routingpg.NotFoundError](t, second(s.SetAlias(ctx, "greeting", routingpg.Wish{Version: 9}, "", noon, lint)))
		is[*routingpg.NotFoundError](t, second(s.Promote(ctx, "greeting", "", noon, lint)))
		is[*routingpg.NotFoundError](t, second(s.Abort(ctx, "greeting", "", noon)))
		none := func(*routing.Flow) routing.Findings {
			return routing.Findings{{Severity: routing.Error, Message: "its queue is gone"}}
		}
		is[*routingpg.LintError](t, second(s.SetAlias(ctx, "greeting", routingpg.Wish{Version: 1, Canary: 2, Percent: 10}, "", noon, none)))
	})
	t.Run("a canary is ramped up with the same callers", func(t *testing.T) {
		a := set(t, s, routingpg.Wish{Version: 1, Canary: 2, Percent: 10, Guard: routing.Guard{AbandonRate: new(0.15)}}, noon)
		if a.Version != 1 || a.Canary == nil || a.Canary.Version != 2 || a.Canary.Guard.MinCalls != routing.GuardMinCalls {
			t.Fatalf("%+v", a)
		}
		b := set(t, s, routingpg.Wish{Version: 1, Canary: 2, Percent: 25}, noon.Add(time.Hour))
		if b.Canary.ID != a.Canary.ID || b.Canary.Salt != a.Canary.Salt || len(b.Canary.Stages) != 2 || b.Canary.Guard.Watches() || live(t) != 1 {
			t.Errorf("%+v", b.Canary)
		}
		if all, err := s.Canaries(ctx); err != nil || all["greeting"].Percent != 25 {
			t.Error(all, err)
		}
	})
	t.Run("nothing else becomes live meanwhile, but aside", func(t *testing.T) {
		save(t, s, greeting("three"))
		bad := is[*routingpg.CanaryError](t, second(s.Publish(ctx, "greeting", "", "", noon, lint)))
		if bad.Version != 2 {
			t.Error(bad)
		}
		if v := aside(t, s, "three"); v.N != 3 {
			t.Error(v.N)
		}
	})
	t.Run("promoted", func(t *testing.T) {
		a, err := s.Promote(ctx, "greeting", "ben", noon, lint)
		if err != nil || a.Canary != nil || a.Version != 2 || a.Last.Ending != routingpg.Promoted || a.Last.EndedBy != "ben" || live(t) != 2 {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("aborted, by wish and by another", func(t *testing.T) {
		first := set(t, s, routingpg.Wish{Version: 2, Canary: 3, Percent: 10}, noon)
		other := set(t, s, routingpg.Wish{Version: 2, Canary: 1, Percent: 10}, noon)
		if other.Last.ID != first.Canary.ID || other.Last.Ending != routingpg.Aborted || other.Canary.Salt == first.Canary.Salt {
			t.Errorf("%+v", other)
		}
		a, err := s.Abort(ctx, "greeting", "ben", noon)
		if err != nil || a.Canary != nil || a.Last.Version != 1 || live(t) != 2 {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("going back to an old version gives a canary up", func(t *testing.T) {
		set(t, s, routingpg.Wish{Version: 2, Canary: 3, Percent: 10}, noon)
		if _, err := s.SetLive(ctx, "greeting", 1, "", "ben", noon, lint); err != nil {
			t.Fatal(err)
		}
		if a, err := s.Alias(ctx, "greeting"); err != nil || a.Canary != nil || a.Last.Ending != routingpg.Aborted {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("the alias may point to any version", func(t *testing.T) {
		if a := set(t, s, routingpg.Wish{Version: 3}, noon); a.Version != 3 || live(t) != 3 {
			t.Errorf("%+v", a)
		}
	})
	t.Run("a flow goes with its canary", func(t *testing.T) {
		set(t, s, routingpg.Wish{Version: 3, Canary: 1, Percent: 10}, noon)
		if err := s.DeleteFlow(ctx, "greeting"); err != nil {
			t.Error(err)
		}
	})
}

// ended puts calls of a version into the ledger, each of another caller.
func ended(t *testing.T, db *pg.DB, version, n int, outcome string, at time.Time) {
	t.Helper()
	for i := range n {
		from, began := fmt.Sprintf("+1202%d%s%d", version, outcome, i), at.Add(time.Duration(i)*time.Second)
		if _, err := db.Pool.Exec(t.Context(), `insert into calls (id, node, trunk, flow, flow_version, from_number, started_at, ended_at, outcome)
			values ($1, 'n', 'carrier', 'greeting', $2, $3, $4, $5, $6)`, from+at.String(), version, from+at.String(), began, began.Add(time.Minute), outcome); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGuardRollsBack(t *testing.T) {
	db, s := open(t)
	publish(t, s, "one")
	aside(t, s, "two")
	a := set(t, s, routingpg.Wish{Version: 1, Canary: 2, Percent: 10, Guard: routing.Guard{AbandonRate: new(0.2)}}, noon)
	due := routing.GuardDue{Flow: "greeting", Canary: a.Canary.ID}
	var watching int
	if err := db.Pool.QueryRow(t.Context(), `select count(*) from river_job where kind = 'canary_guard'`).Scan(&watching); err != nil || watching != 1 {
		t.Errorf("%d jobs watch over the canary, %v", watching, err)
	}
	told := 0
	look := func(t *testing.T, at time.Time) (routingpg.Canary, bool) {
		t.Helper()
		c, over, err := s.Guard(t.Context(), due, at, func(c routingpg.Canary) []job.Job {
			told++
			return []job.Job{{Args: notice{c.Flow}}}
		})
		if err != nil {
			t.Fatal(err)
		}
		return c, over
	}
	later := noon.Add(10 * time.Minute)
	t.Run("not while it does as well", func(t *testing.T) {
		ended(t, db, 1, 200, "answered", noon.Add(time.Minute))
		ended(t, db, 1, 20, "abandoned", noon.Add(time.Minute))
		ended(t, db, 2, 22, "answered", noon.Add(time.Minute))
		ended(t, db, 2, 2, "abandoned", noon.Add(time.Minute))
		c, over := look(t, later)
		if over || c.Verdict.Canary.Calls != 24 || c.Verdict.Stable.Calls != 220 || c.Verdict.RollBack {
			t.Errorf("%v, %+v", over, c.Verdict)
		}
		if a, _ := s.Alias(t.Context(), "greeting"); a.Canary == nil || a.Canary.JudgedAt.IsZero() {
			t.Error("the verdict is not kept")
		}
	})
	t.Run("once it loses its callers", func(t *testing.T) {
		ended(t, db, 2, 15, "abandoned", noon.Add(11*time.Minute))
		c, over := look(t, later.Add(5*time.Minute))
		if !over || c.Ending != routingpg.RolledBack || c.Verdict.Why != "abandon_rate" || told != 1 {
			t.Fatalf("%v, %+v", over, c)
		}
		a, err := s.Alias(t.Context(), "greeting")
		if err != nil || a.Version != 1 || a.Canary != nil || a.Last.EndedBy != "guard" {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("and only once", func(t *testing.T) {
		if _, over := look(t, later.Add(6*time.Minute)); !over || told != 1 {
			t.Errorf("%v, told %d times", over, told)
		}
	})
	t.Run("a flow that is gone has nothing to watch", func(t *testing.T) {
		if err := s.DeleteFlow(t.Context(), "greeting"); err != nil {
			t.Fatal(err)
		}
		if _, over := look(t, later); !over {
			t.Error("it goes on")
		}
	})
}

type notice struct{ Flow string }

func (notice) Kind() string { return "told" }

// A release that does not know of canaries reads and publishes as before.
func TestPreviousReleaseIgnoresCanaries(t *testing.T) {
	db, s := open(t)
	publish(t, s, "one")
	aside(t, s, "two")
	set(t, s, routingpg.Wish{Version: 1, Canary: 2, Percent: 10}, noon)
	err := db.In(context.Background(), func(tx *pg.Tx) error {
		if _, err := tx.Exec(t.Context(), `insert into flow_versions (flow, n, doc, published_at) values ('greeting', 3, '{}', $1)`, noon); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `update flows set live = 3 where name = 'greeting'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.LiveVersion(t.Context(), "greeting"); err != nil || v.N != 3 {
		t.Error(v.N, err)
	}
}
