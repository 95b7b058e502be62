package parkingpg_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/parking/parkingpg"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// yard is a lot of so many slots and as many calls to park in it.
func yard(t testing.TB, slots, calls int) (*pg.DB, *parkingpg.Store) {
	t.Helper()
	db := pgtest.New(t)
	s := parkingpg.New(db)
	if err := s.SaveLot(t.Context(), parking.Lot{Name: "sales", First: 701, Last: 700 + slots}); err != nil {
		t.Fatal(err)
	}
	for i := range calls {
		probe{db}.Call(t, callID(i))
	}
	return db, s
}

func callID(i int) call.ID { return call.ID(fmt.Sprintf("call_%d", i)) }

func parked(i int) parking.Park {
	return parking.Park{Call: callID(i), Node: "n1", Lot: "sales", ParkedAt: noon}
}

func TestEverythingAtOnce(t *testing.T) {
	const calls, slots, turns = 16, 10, 25
	db, s := yard(t, slots, calls)
	ctx := t.Context()
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			for turn := range turns {
				now := noon.Add(time.Duration(turn) * time.Minute)
				in := parked(i)
				in.ParkedAt = now
				p, err := s.Put(ctx, in)
				if full := (*parking.FullError)(nil); errors.As(err, &full) {
					continue
				}
				if err != nil {
					t.Errorf("put: %v", err)
					return
				}
				var by sync.WaitGroup
				for rep := range 3 {
					by.Go(func() {
						c, err := s.Claim(ctx, parking.Target{Lot: "sales", Slot: p.Slot}, call.Actor{User: fmt.Sprint(rep)}, now)
						if err == nil && rand.IntN(2) == 0 {
							_, err = s.Release(ctx, c.ID, c.Epoch, "no_answer", now)
						}
						if np := (*parking.NotParkedError)(nil); err != nil && !errors.As(err, &np) {
							t.Errorf("claim: %v", err)
						}
					})
				}
				by.Go(func() {
					if _, _, _, err := s.Advance(ctx, p.ID, 0, now.Add(45*time.Second)); err != nil {
						t.Errorf("advance: %v", err)
					}
				})
				by.Go(func() {
					if _, err := s.End(ctx, p.ID, 0, parking.Abandoned, call.Actor{}, now.Add(50*time.Second)); err != nil {
						t.Errorf("end: %v", err)
					}
				})
				by.Wait()
			}
		})
	}
	wg.Wait()
	if faults, err := s.Check(ctx, noon); err != nil || len(faults) > 0 {
		t.Errorf("check: %v, %v", faults, err)
	}
	for what, sql := range map[string]string{
		"live parks":          `select count(*) from parks where ended_at is null`,
		"slots in use":        `select count(*) from slots where park is not null`,
		"jobs left":           `select count(*) from river_job where state = 'available' and id in (select job_id from parks)`,
		"parks told twice":    `select count(*) from (select from call_events where type = 'park.abandoned' group by park having count(*) > 1) x`,
		"parks without end":   `select count(*) from parks p where not exists (select from call_events e where e.park = p.id and e.type = 'park.abandoned')`,
		"steps of ended ones": `select count(*) from call_events a join call_events b on a.park = b.park and a.type = 'park.abandoned' and b.seq > a.seq`,
	} {
		var n int
		if err := db.Pool.QueryRow(ctx, sql).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s: %d, %v", what, n, err)
		}
	}
}

func TestSlotsAreMended(t *testing.T) {
	db, s := yard(t, 2, 2)
	p, err := s.Put(t.Context(), parked(0))
	if err != nil {
		t.Fatal(err)
	}
	probe{db}.exec(t, `update slots set park = case when slot = 702 then 'park_gone' end`)
	faults, err := s.Check(t.Context(), noon)
	if err != nil || len(faults) != 2 {
		t.Fatalf("check: %+v, %v", faults, err)
	}
	q, err := s.Put(t.Context(), parked(1))
	if err != nil || p.Slot != 701 || q.Slot != 702 {
		t.Errorf("slots %d and %d, %v", p.Slot, q.Slot, err)
	}
}

func TestARefusalLeavesNoJob(t *testing.T) {
	db, s := yard(t, 1, 2)
	if _, err := s.Put(t.Context(), parked(0)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), parked(1)); err == nil {
		t.Fatal("parked in a full lot")
	}
	var n int
	if err := db.Pool.QueryRow(t.Context(), `select count(*) from river_job`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d jobs, %v", n, err)
	}
}

func TestAnUnknownCallIsNotParked(t *testing.T) {
	_, s := yard(t, 1, 0)
	if _, err := s.Put(t.Context(), parked(0)); err == nil {
		t.Fatal("a call that nobody knows was parked")
	}
	if live, err := s.Live(t.Context(), parking.Filter{}); err != nil || len(live) != 0 {
		t.Errorf("live: %v, %v", live, err)
	}
}

func TestDatabaseAway(t *testing.T) {
	_, s := yard(t, 1, 1)
	p, err := s.Put(t.Context(), parked(0))
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	who := call.Actor{User: "bob"}
	for what, do := range map[string]func() error{
		"put":     func() error { _, err := s.Put(gone, parked(0)); return err },
		"claim":   func() error { _, err := s.Claim(gone, parking.Target{Park: p.ID}, who, noon); return err },
		"extend":  func() error { return s.Extend(gone, p.ID, 1, noon) },
		"release": func() error { _, err := s.Release(gone, p.ID, 1, "", noon); return err },
		"end":     func() error { _, err := s.End(gone, p.ID, 0, parking.Abandoned, who, noon); return err },
		"advance": func() error { _, _, _, err := s.Advance(gone, p.ID, 0, noon); return err },
		"live":    func() error { _, err := s.Live(gone, parking.Filter{}); return err },
		"check":   func() error { _, err := s.Check(gone, noon); return err },
		"lot":     func() error { _, err := s.Lot(gone, "sales"); return err },
	} {
		err := do()
		np := (*parking.NotParkedError)(nil)
		if !errors.Is(err, context.Canceled) || errors.As(err, &np) {
			t.Errorf("%s: %v; want the cause, wrapped", what, err)
		}
	}
}

func BenchmarkPark(b *testing.B) {
	const slots = 50
	_, s := yard(b, slots, slots)
	free := make(chan int, slots)
	for i := range slots {
		free <- i
	}
	b.SetParallelism(4)
	b.RunParallel(func(next *testing.PB) {
		for next.Next() {
			i := <-free
			p, err := s.Put(b.Context(), parked(i))
			if err != nil {
				b.Error(err)
				return
			}
			c, err := s.Claim(b.Context(), parking.Target{Park: p.ID}, call.Actor{User: "bob"}, noon)
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := s.End(b.Context(), p.ID, c.Epoch, parking.RetrievedOther, c.ClaimedBy, noon); err != nil {
				b.Error(err)
				return
			}
			free <- i
		}
	})
}

// BenchmarkClaim measures what a rep's phone waits for.
func BenchmarkClaim(b *testing.B) {
	const calls = 100
	_, s := yard(b, calls, calls)
	for i := range calls {
		if _, err := s.Put(b.Context(), parked(i)); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for i := range b.N {
		c, err := s.Claim(b.Context(), parking.Target{Lot: "sales", Slot: 701 + i%calls}, call.Actor{User: "bob"}, noon)
		b.StopTimer()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Release(b.Context(), c.ID, c.Epoch, "no_answer", noon); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
