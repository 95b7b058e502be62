package parkingtest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

// reserve holds a slot for ann, who has called the lot.
func (y *yard) reserve(t testing.TB, slot int, at time.Time) parking.Reservation {
	t.Helper()
	r, err := y.Reserve(t.Context(), y.asks(t, slot, at))
	if err != nil {
		t.Fatalf("reserve: %v", err)
	}
	return r
}

func (y *yard) asks(t testing.TB, slot int, at time.Time) parking.Reservation {
	return parking.Reservation{Call: y.caller(t).Call, Lot: "sales", Slot: slot, By: dials("ann"), At: at}
}

var reservations = []behaviour{
	{"a slot is held, and its park has the clock of the reservation", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		r := y.reserve(t, 0, noon)
		same(t, "slot", r.Slot, 701)
		sameTime(t, "held until", r.Until, after(5))
		made := y.told(t, r.Call, call.ParkReserved)[0]
		if made.Slot != "701" || made.Actor.User != "ann" || made.Lot != "sales" {
			t.Errorf("noted %+v", made)
		}
		p := y.park(t, func(p *parking.Park) { p.Reservation, p.ParkedAt = r.ID, after(4) })
		same(t, "slot", p.Slot, 701)
		sameTime(t, "parked at", p.ParkedAt, noon)
		sameTime(t, "deadline", p.Deadline, after(300))
		y.pending(t, p, 0, after(45))
		got, err := y.Park(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		sameTime(t, "parked at, read back", got.ParkedAt, noon)
		if err := y.Unreserve(t.Context(), r.ID, "hung_up", after(5)); err != nil {
			t.Errorf("a reservation that was used is given up: %v", err)
		}
		y.told(t, r.Call, call.ParkReserved)
		if taken(t, errOf(y.Claim(t.Context(), parking.Target{Lot: "sales", Slot: 702}, dials("bob"), after(6)))) != nil {
			t.Error("702 was never used")
		}
	}},
	{"nobody else is given it", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		r := y.reserve(t, 701, noon)
		same(t, "next", y.park(t).Slot, 702)
		for _, slot := range []int{0, 701} {
			p := y.caller(t)
			p.Slot, p.ParkedAt = slot, after(4)
			_, err := y.Put(t.Context(), p)
			full, occ := (*parking.FullError)(nil), (*parking.OccupiedError)(nil)
			if slot == 0 && !errors.As(err, &full) || slot != 0 && (!errors.As(err, &occ) || occ.For != "ann") {
				t.Errorf("park in %d: %v", slot, err)
			}
			_, err = y.Reserve(t.Context(), y.asks(t, slot, after(4)))
			if slot == 0 && !errors.As(err, &full) || slot != 0 && (!errors.As(err, &occ) || occ.For != "ann") {
				t.Errorf("reserve %d: %v", slot, err)
			}
		}
		if taken(t, errOf(y.Claim(t.Context(), parking.Target{Lot: "sales", Slot: r.Slot}, dials("bob"), after(1)))) != nil {
			t.Error("there is nothing to claim in a slot that is only reserved")
		}
	}},
	{"it lapses by itself", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		r := y.reserve(t, 0, noon)
		late := y.caller(t)
		late.Reservation, late.ParkedAt = r.ID, after(5)
		var lapsed *parking.NotReservedError
		if _, err := y.Put(t.Context(), late); !errors.As(err, &lapsed) {
			t.Errorf("park: %v", err)
		}
		y.told(t, late.Call, call.ParkRefused)
		p := y.park(t, func(p *parking.Park) { p.ParkedAt = after(5) })
		same(t, "slot", p.Slot, 701)
		sameTime(t, "parked at", p.ParkedAt, after(5))
		if err := y.Unreserve(t.Context(), r.ID, "lapsed", after(6)); err != nil {
			t.Error(err)
		}
		y.told(t, r.Call, call.ParkReserved) // somebody else has the slot; nothing is given up
		if live, err := y.Live(t.Context(), parking.Filter{}); err != nil || len(live) != 1 {
			t.Errorf("%v, %v", live, err)
		}
	}},
	{"given up, the slot cools down", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		r := y.reserve(t, 0, noon)
		for range 2 {
			if err := y.Unreserve(t.Context(), r.ID, "hung_up", after(3)); err != nil {
				t.Fatal(err)
			}
		}
		e := y.told(t, r.Call, call.ParkReserved, call.ParkReservationLapsed)[1]
		if e.Data["why"] != "hung_up" || e.Age != 3*time.Second || e.Slot != "701" {
			t.Errorf("%+v", e)
		}
		same(t, "next", y.park(t, func(p *parking.Park) { p.ParkedAt = after(4) }).Slot, 702)
		same(t, "then", y.park(t, func(p *parking.Park) { p.ParkedAt = after(4) }).Slot, 701)
	}},
	{"of many who ask at once each has a slot of their own", func(t *testing.T, y *yard) {
		y.lot(t, 5)
		var (
			wg    sync.WaitGroup
			mu    sync.Mutex
			slots = map[int]int{}
			full  int
		)
		for i := range 12 {
			ask, park := y.asks(t, 0, noon), y.caller(t)
			wg.Go(func() {
				slot, err := 0, error(nil)
				if i%2 == 0 {
					var r parking.Reservation
					r, err = y.Reserve(t.Context(), ask)
					slot = r.Slot
				} else {
					var p parking.Park
					p, err = y.Put(t.Context(), park)
					slot = p.Slot
				}
				mu.Lock()
				defer mu.Unlock()
				var none *parking.FullError
				switch {
				case errors.As(err, &none):
					full++
				case err != nil:
					t.Error(err)
				default:
					slots[slot]++
				}
			})
		}
		wg.Wait()
		same(t, "slots", len(slots), 5)
		same(t, "refused", full, 7)
	}},
	{"those that hold are listed", func(t *testing.T, y *yard) {
		y.lot(t, 3)
		second, first, used := y.reserve(t, 702, noon), y.reserve(t, 701, noon), y.reserve(t, 703, noon)
		y.park(t, func(p *parking.Park) { p.Reservation, p.ParkedAt = used.ID, after(1) })
		list := func(at time.Time) []parking.Reservation {
			rs, err := y.Reservations(t.Context(), "sales", at)
			if err != nil {
				t.Fatal(err)
			}
			return rs
		}
		if rs := list(after(4)); len(rs) != 2 || rs[0].ID != first.ID || rs[1].ID != second.ID || rs[0].By.User != "ann" || !rs[0].Until.Equal(first.Until) {
			t.Errorf("%+v", rs)
		}
		if rs := list(after(5)); len(rs) != 0 {
			t.Errorf("lapsed: %+v", rs)
		}
	}},
	{"one that its holder has died with is given up", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		r := y.reserve(t, 0, noon)
		y.finds(t, after(9)) // its own end may be on the way
		y.finds(t, after(11), parking.Fault{What: "reservation_left"})
		y.finds(t, after(12))
		e := y.told(t, r.Call, call.ParkReserved, call.ParkReservationLapsed)[1]
		if e.Data["why"] != "check" || e.Slot != "701" {
			t.Errorf("%+v", e)
		}
	}},
	{"unknown lots and slots", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		var lot *parking.UnknownLotError
		var slot *parking.UnknownSlotError
		r := y.asks(t, 0, noon)
		r.Lot = "none"
		if _, err := y.Reserve(t.Context(), r); !errors.As(err, &lot) {
			t.Error(err)
		}
		if _, err := y.Reserve(t.Context(), y.asks(t, 709, noon)); !errors.As(err, &slot) {
			t.Error(err)
		}
	}},
}

func errOf[T any](_ T, err error) error { return err }
