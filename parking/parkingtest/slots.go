package parkingtest

import (
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

var lots = []behaviour{
	{"a lot is kept whole", func(t *testing.T, y *yard) {
		want := parking.Lot{
			ID: "lot_1", Name: "sales", Extension: "700", First: 701, Last: 705, Music: "jazz",
			MaxPark: 90500 * time.Millisecond, Claim: 8 * time.Second, CoolDown: parking.Off, Bounce: 3 * time.Second, Reserve: 7 * time.Second,
			Ladder:    []parking.Step{{After: 10 * time.Second, Do: parking.Enqueue, Queue: "sales", Priority: "50", When: "true"}},
			OnExpired: "queue:sales",
		}
		if err := y.SaveLot(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		got, err := y.Lot(t.Context(), "sales")
		if err != nil {
			t.Fatal(err)
		}
		if want = want.WithDefaults(); !reflect.DeepEqual(got, want) {
			t.Errorf("lot read back:\n got %+v\nwant %+v", got, want)
		}
	}},
	{"saved again it keeps its id", func(t *testing.T, y *yard) {
		y.lot(t, 2, func(l *parking.Lot) { l.ID = "lot_x" })
		y.lot(t, 3)
		all, err := y.Lots(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatalf("lots: %v, %v", all, err)
		}
		same(t, "id", all[0].ID, "lot_x")
		same(t, "last slot", all[0].Last, 703)
	}},
	{"an unknown lot is an error of its own", func(t *testing.T, y *yard) {
		_, err := y.Lot(t.Context(), "none")
		if unknown := (*parking.UnknownLotError)(nil); !errors.As(err, &unknown) {
			t.Errorf("lot: %v", err)
		}
		if unknown := (*parking.UnknownLotError)(nil); !errors.As(y.DeleteLot(t.Context(), "none"), &unknown) {
			t.Error("an unknown lot was deleted")
		}
	}},
	{"a slot in use cannot be removed", func(t *testing.T, y *yard) {
		y.lot(t, 3)
		p := y.park(t, func(p *parking.Park) { p.Slot = 703 })
		smaller := parking.Lot{Name: "sales", First: 701, Last: 702}
		if err := y.SaveLot(t.Context(), smaller); !errors.Is(err, parking.ErrInUse) {
			t.Fatalf("shrink under a call: %v; want ErrInUse", err)
		}
		if err := y.DeleteLot(t.Context(), "sales"); !errors.Is(err, parking.ErrInUse) {
			t.Fatalf("delete under a call: %v; want ErrInUse", err)
		}
		if l, _ := y.Lot(t.Context(), "sales"); l.Last != 703 {
			t.Fatalf("a refused change was made: last slot %d", l.Last)
		}
		y.end(t, p, 0, parking.Abandoned, after(5))
		if err := y.SaveLot(t.Context(), smaller); err != nil {
			t.Fatalf("shrink when it is free: %v", err)
		}
		if err := y.DeleteLot(t.Context(), "sales"); err != nil {
			t.Fatalf("delete when it is free: %v", err)
		}
	}},
}

var slots = []behaviour{
	{"a park is kept whole", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		p := y.park(t, func(p *parking.Park) {
			p.Note, p.Owner, p.Takers = "wants a quote", "cem", []string{"cem", "ann"}
			p.ParkedAt = noon.Add(1234567 * time.Nanosecond)
		})
		same(t, "state", p.State, parking.StateParked)
		same(t, "slot", p.Slot, 701)
		sameTime(t, "deadline", p.Deadline, p.ParkedAt.Add(300*time.Second))
		sameTime(t, "next step", p.NextAt, p.ParkedAt.Add(45*time.Second))
		got, err := y.Park(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, p) {
			t.Errorf("park read back:\n got %+v\nwant %+v", got, p)
		}
		y.pending(t, p, 0, p.NextAt)
		e := y.told(t, p.Call, call.Parked)[0]
		same(t, "park", e.Park, p.ID)
		same(t, "lot", e.Lot, "sales")
		same(t, "slot", e.Slot, "701")
		same(t, "actor", e.Actor, call.Actor{User: "ann", Via: "refer"})
		same(t, "parker", e.Data["parker"], any("ann"))
		same(t, "via", e.Data["via"], any("refer"))
		deadline, _ := e.Data["deadline"].(string)
		if when, err := time.Parse(time.RFC3339Nano, deadline); err != nil || !when.Equal(p.Deadline) {
			t.Errorf("deadline told is %q", deadline)
		}
	}},
	{"a full lot refuses and says so", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		y.park(t)
		y.park(t)
		third := y.caller(t)
		_, err := y.Put(t.Context(), third)
		if full := (*parking.FullError)(nil); !errors.As(err, &full) || full.Lot != "sales" {
			t.Fatalf("third call: %v; want FullError", err)
		}
		e := y.told(t, third.Call, call.ParkRefused)[0]
		same(t, "reason", e.Data["reason"], any("full"))
		same(t, "lot", e.Lot, "sales")
	}},
	{"many at once get a slot each", func(t *testing.T, y *yard) {
		y.lot(t, 20)
		var (
			mu   sync.Mutex
			got  = map[int]call.ID{}
			full int
		)
		atOnce(30, func(int) {
			p, err := y.Put(t.Context(), y.caller(t))
			mu.Lock()
			defer mu.Unlock()
			switch e := (*parking.FullError)(nil); {
			case errors.As(err, &e):
				full++
			case err != nil:
				t.Errorf("park: %v", err)
			case got[p.Slot] != "":
				t.Errorf("slot %d given twice", p.Slot)
			default:
				got[p.Slot] = p.Call
			}
		})
		same(t, "calls parked", len(got), 20)
		same(t, "calls refused", full, 10)
	}},
	{"an occupied slot says who holds it", func(t *testing.T, y *yard) {
		y.lot(t, 3)
		p := y.park(t, func(p *parking.Park) { p.Slot = 702 })
		same(t, "slot", p.Slot, 702)
		second := y.caller(t)
		second.Slot = 702
		_, err := y.Put(t.Context(), second)
		occ := (*parking.OccupiedError)(nil)
		if !errors.As(err, &occ) {
			t.Fatalf("second call: %v; want OccupiedError", err)
		}
		same(t, "holder", occ.By.Call, p.Call)
		same(t, "holder's name", occ.By.Name, "Caller")
		same(t, "reason", y.told(t, second.Call, call.ParkRefused)[0].Data["reason"], any("occupied"))
		y.told(t, p.Call, call.Parked)
	}},
	{"a slot or a lot that is not there refuses", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		p := y.caller(t)
		p.Slot = 799
		_, err := y.Put(t.Context(), p)
		if unknown := (*parking.UnknownSlotError)(nil); !errors.As(err, &unknown) {
			t.Errorf("slot 799: %v", err)
		}
		p.Slot, p.Lot = 0, "none"
		_, err = y.Put(t.Context(), p)
		if unknown := (*parking.UnknownLotError)(nil); !errors.As(err, &unknown) {
			t.Errorf("lot none: %v", err)
		}
		y.told(t, p.Call, call.ParkRefused, call.ParkRefused)
	}},
	{"a call waits in one slot only", func(t *testing.T, y *yard) {
		y.lot(t, 3)
		p := y.park(t)
		again := p
		again.ID, again.Slot = "", 0
		_, err := y.Put(t.Context(), again)
		already := (*parking.AlreadyParkedError)(nil)
		if !errors.As(err, &already) {
			t.Fatalf("second park of the call: %v; want AlreadyParkedError", err)
		}
		same(t, "where it is", already.In.ID, p.ID)
		if live, _ := y.Live(t.Context(), parking.Filter{}); len(live) != 1 {
			t.Errorf("%d live parks", len(live))
		}
	}},
	{"a slot just freed cools while others are free", func(t *testing.T, y *yard) {
		y.lot(t, 3)
		y.end(t, y.park(t), 0, parking.Abandoned, after(10)) // 701
		at := func(s float64) func(*parking.Park) {
			return func(p *parking.Park) { p.ParkedAt = after(s) }
		}
		b := y.park(t, at(12))
		same(t, "slot while 701 cools", b.Slot, 702)
		c := y.park(t, at(13))
		same(t, "slot while 701 cools", c.Slot, 703)
		y.end(t, c, 0, parking.Abandoned, after(14))
		y.end(t, b, 0, parking.Abandoned, after(15))
		d := y.park(t, at(20))
		same(t, "the longest cooled when none is cool", d.Slot, 701)
		e := y.park(t, at(21))
		same(t, "the next longest", e.Slot, 703)
		y.end(t, d, 0, parking.Abandoned, after(22))
		same(t, "the lowest once cool", y.park(t, at(60)).Slot, 701)
	}},
	{"a hot slot is used when it is the only one", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		y.end(t, y.park(t), 0, parking.Abandoned, after(10))
		p := y.park(t, func(p *parking.Park) { p.ParkedAt = after(11) })
		same(t, "slot", p.Slot, 701)
	}},
	{"live parks are listed by age", func(t *testing.T, y *yard) {
		y.lot(t, 5)
		a := y.park(t, func(p *parking.Park) { p.ParkedAt = after(3) })
		b := y.park(t, func(p *parking.Park) { p.Node = "n2" })
		ended := y.park(t, func(p *parking.Park) { p.ParkedAt = after(1) })
		y.end(t, ended, 0, parking.Abandoned, after(4))
		for _, tt := range []struct {
			f    parking.Filter
			want []string
		}{
			{parking.Filter{}, []string{b.ID, a.ID}},
			{parking.Filter{Node: "n2"}, []string{b.ID}},
			{parking.Filter{Call: a.Call}, []string{a.ID}},
			{parking.Filter{Lot: "other"}, nil},
			{parking.Filter{Limit: 1}, []string{b.ID}},
			{parking.Filter{Limit: 2}, []string{b.ID, a.ID}},
			{parking.Filter{Limit: 1, After: b.Mark()}, []string{a.ID}},
			{parking.Filter{After: parking.Mark{ParkedAt: b.ParkedAt}}, []string{b.ID, a.ID}},
			{parking.Filter{After: a.Mark()}, nil},
			{parking.Filter{After: ended.Mark()}, []string{a.ID}},
		} {
			live, err := y.Live(t.Context(), tt.f)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range live {
				got = append(got, p.ID)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%+v: %v; want %v", tt.f, got, tt.want)
			}
		}
	}},
}

// atOnce runs f n times, from one moment on.
func atOnce(n int, f func(i int)) {
	var (
		start = make(chan struct{})
		wg    sync.WaitGroup
	)
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}
