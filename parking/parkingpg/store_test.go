package parkingpg_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/parking/parkingpg"
	"github.com/callyard/callyard/parking/parkingtest"
)

func TestStore(t *testing.T) {
	parkingtest.TestStore(t, 12, func(t testing.TB) (parking.Store, parkingtest.Probe) {
		db := pgtest.New(t)
		return parkingpg.New(db), probe{db}
	})
}

type probe struct{ db *pg.DB }

func (p probe) Call(t testing.TB, c call.ID) {
	p.exec(t, `insert into calls (id, node, started_at) values ($1, 'n1', '2026-03-02T11:59:00Z')`, string(c))
}

func (p probe) CallEnded(t testing.TB, c call.ID, at time.Time) {
	p.exec(t, `update calls set ended_at = $2 where id = $1`, string(c), at)
}

func (p probe) LoseJob(t testing.TB, park string) {
	p.exec(t, `delete from river_job where id = (select job_id from parks where id = $1)`, park)
}

func (p probe) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := p.db.Pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func (p probe) Ledger(t testing.TB, c call.ID) []call.Event {
	rows, _ := p.db.Pool.Query(t.Context(), `select id, seq, at, call_id, type, park, lot, slot, actor, age_ms, data
		from call_events where call_id = $1 order by seq`, string(c))
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e call.Event, err error) {
		var age int64
		err = row.Scan(&e.ID, &e.Seq, &e.At, &e.Call, &e.Type, &e.Park, &e.Lot, &e.Slot, &e.Actor, &age, &e.Data)
		e.Age = time.Duration(age) * time.Millisecond
		return e, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// Pending lists what River would still run; it must be the job the park knows of.
func (p probe) Pending(t testing.TB, park string) []job.Job {
	rows, _ := p.db.Pool.Query(t.Context(), `select args, scheduled_at, queue from river_job
		where kind = 'park_step' and args->>'park' = $1 and state in ('available', 'scheduled', 'running', 'retryable', 'pending')
		order by id`, park)
	jobs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (j job.Job, err error) {
		var (
			doc []byte
			due parking.StepDue
		)
		if err = row.Scan(&doc, &j.At, &j.Queue); err != nil {
			return j, err
		}
		err = json.Unmarshal(doc, &due)
		j.Args = due
		return j, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}
