package queuespg_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/queues/queuespg"
	"github.com/callyard/callyard/queues/queuestest"
)

func TestPostgres(t *testing.T) {
	queuestest.TestStore(t, func(t *testing.T) queuestest.Hub { return open(t, pgtest.New(t)) })
}

func open(t *testing.T, db *pg.DB) queuestest.Hub {
	t.Helper()
	exec := func(t *testing.T, sql string, args ...any) {
		t.Helper()
		if _, err := db.Pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	return queuestest.Hub{
		Store: queuespg.New(db),
		Call: func(t *testing.T, c call.ID, node call.NodeID) {
			exec(t, `insert into calls (id, node, started_at) values ($1, $2, $3)`, c, node, time.Now())
		},
		End: func(t *testing.T, c call.ID, at time.Time) {
			exec(t, `update calls set ended_at = $2 where id = $1`, c, at)
		},
		Jobs: func(t *testing.T) []queuestest.Job {
			rows, _ := db.Pool.Query(t.Context(), `select kind, args, queue, scheduled_at from river_job order by id`)
			jobs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (j queuestest.Job, err error) {
				return j, row.Scan(&j.Kind, &j.Args, &j.Queue, &j.At)
			})
			if err != nil {
				t.Fatal(err)
			}
			return jobs
		},
		Facts: func(t *testing.T, c call.ID) []call.Event {
			rows, _ := db.Pool.Query(t.Context(), `select at, call_id, type, park, queue, actor, age_ms, data from call_events where call_id = $1 order by seq`, c)
			facts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e call.Event, err error) {
				var actor, data []byte
				var age int64
				if err := row.Scan(&e.At, &e.Call, &e.Type, &e.Park, &e.Queue, &actor, &age, &data); err != nil {
					return e, err
				}
				e.Age = time.Duration(age) * time.Millisecond
				if err := json.Unmarshal(actor, &e.Actor); err != nil {
					return e, err
				}
				return e, json.Unmarshal(data, &e.Data)
			})
			if err != nil {
				t.Fatal(err)
			}
			return facts
		},
	}
}

func TestResetNode(t *testing.T) {
	db := pgtest.New(t)
	hub := open(t, db)
	store := queuespg.New(db)
	ctx, now := t.Context(), time.Now().Truncate(time.Second)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	q := queues.Queue{Name: "sales", Strategy: queues.Ordered}
	for i, name := range []string{"ann", "bob", "eva", "kim"} {
		ok(store.SaveAgent(ctx, queues.Agent{Name: name}))
		ok(store.SaveDevice(ctx, queues.Device{Agent: name, Contact: "sip:" + name, Expires: now.Add(time.Hour)}))
		q.Agents = append(q.Agents, queues.Assignment{Agent: name, Order: i})
	}
	ok(store.SaveQueue(ctx, q))
	for c, node := range map[call.ID]call.NodeID{"call_talk": "n1", "call_a": "n1", "call_b": "n2", "call_dial": "n1", "call_wait": "n1"} {
		hub.Call(t, c, node)
	}
	ok(store.Talk(ctx, "kim", "call_talk", now))
	_, err := store.Reserve(ctx, queues.Offer{Call: "call_dial", Node: "n1", Agents: []string{"eva"}, At: now, Until: now.Add(time.Minute)}, false)
	ok(err)
	ok(store.Join(ctx, queues.Entry{Call: "call_a", Node: "n1", Queue: "sales", JoinedAt: now}, now))
	ok(store.Join(ctx, queues.Entry{Call: "call_b", Node: "n2", Queue: "sales", JoinedAt: now.Add(time.Second)}, now))
	ok(store.Join(ctx, queues.Entry{Call: "call_wait", Node: "n1", Queue: "sales", JoinedAt: now.Add(2 * time.Second)}, now))
	offers, err := queues.NewService(store).Distribute(ctx, "sales", now)
	ok(err)
	if len(offers) != 2 {
		t.Fatalf("offers: %v", offers)
	}

	ok(store.ResetNode(ctx, "n1", now.Add(time.Second)))
	for name, want := range map[string]queues.State{"ann": queues.Idle, "bob": queues.Reserved, "eva": queues.Idle, "kim": queues.Idle} {
		a, err := store.Agent(ctx, name)
		ok(err)
		if a.State != want {
			t.Errorf("%s is %s, want %s", name, a.State, want)
		}
	}
	waiting, err := store.Waiting(ctx, "")
	ok(err)
	if len(waiting) != 1 || waiting[0].Call != "call_b" {
		t.Errorf("in line: %v", waiting)
	}
	facts := hub.Facts(t, "call_a")
	if last := facts[len(facts)-1]; last.Type != call.QueueLeft || last.Data["outcome"] != "outage" {
		t.Errorf("last fact: %+v", last)
	}
}
