package parkingtest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

var boss = call.Actor{User: "eva", Via: "rest"}

// other makes a second lot, "service", with so many slots from 801 on.
func (y *yard) other(t testing.TB, slots int) {
	t.Helper()
	if err := y.SaveLot(t.Context(), parking.Lot{Name: "service", First: 801, Last: 800 + slots}); err != nil {
		t.Fatal(err)
	}
}

func (y *yard) move(t testing.TB, p parking.Park, lot string, slot int, at time.Time) parking.Park {
	t.Helper()
	next, err := y.Move(t.Context(), parking.Move{Park: p.ID, Lot: lot, Slot: slot, By: boss, At: at})
	if err != nil {
		t.Fatalf("move to %s %d: %v", lot, slot, err)
	}
	return next
}

var moves = []behaviour{
	{"a call that is moved goes on with its clock and its ladder", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		y.other(t, 2)
		p := y.park(t, func(p *parking.Park) { p.Note, p.Takers = "wants a quote", []string{"ann", "bob"} })
		p = y.step(t, p, 0, 0, after(45)) // the reminder, which repeats at 75
		next := y.move(t, p, "service", 802, after(50))
		if next.ID == p.ID || next.Lot != "service" || next.Slot != 802 || next.State != parking.StateParked || next.Note != "wants a quote" {
			t.Errorf("moved into %+v", next)
		}
		sameTime(t, "clock", next.ParkedAt, noon)
		sameTime(t, "deadline", next.Deadline, p.Deadline)
		same(t, "next step", next.Next, p.Next)
		sameTime(t, "its time", next.NextAt, p.NextAt)
		y.pending(t, next, p.Next, p.NextAt)
		for _, j := range y.probe.Pending(t, p.ID) { // the one that has just run may not have ended
			if j.At.Equal(p.NextAt) {
				t.Errorf("a step of the slot that was left is pending: %+v", j)
			}
		}
		old, err := y.Park(t.Context(), p.ID)
		if err != nil || old.State != parking.StateEnded || old.Reason != parking.Moved || old.EndedBy != boss || !old.EndedAt.Equal(after(50)) {
			t.Errorf("the old park: %+v, %v", old, err)
		}
		stored, err := y.Park(t.Context(), next.ID)
		if err != nil || stored.Slot != 802 || !stored.ParkedAt.Equal(noon) || stored.Note != "wants a quote" || !slices.Equal(stored.Takers, p.Takers) || len(stored.Ladder) != len(p.Ladder) {
			t.Errorf("the new park: %+v, %v", stored, err)
		}
		told := y.told(t, p.Call, call.Parked, call.ParkStep, call.ParkMoved, call.Parked)
		out, in := told[2], told[3]
		same(t, "who moved it", out.Actor, boss)
		same(t, "age at the move", out.Age, 50*time.Second)
		same(t, "age in the new slot", in.Age, 50*time.Second)
		same(t, "left", out.Slot, "701")
		same(t, "reached", in.Slot, "802")
		same(t, "in the new slot by", in.Actor, boss)
		same(t, "where to", fmt.Sprint(out.Data["to"]), fmt.Sprint(map[string]any{"lot": "service", "park": next.ID, "slot": "802"}))
		same(t, "where from", fmt.Sprint(in.Data["moved_from"]), fmt.Sprint(map[string]any{"lot": "sales", "park": p.ID, "slot": "701"}))
		y.step(t, next, 1, 1, after(60))
		c := y.claim(t, next, "bob", after(61))
		y.end(t, next, c.Epoch, parking.RetrievedOther, after(62))
		if faults, err := y.Check(t.Context(), after(63)); err != nil || len(faults) > 0 {
			t.Errorf("check finds %v, %v", faults, err)
		}
	}},
	{"a call that only some may take is still theirs in another slot", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		next := y.move(t, y.park(t, func(p *parking.Park) { p.Takers = []string{"ann"} }), "", 0, after(5))
		_, err := y.Claim(t.Context(), parking.Target{Park: next.ID}, dials("bob"), after(6))
		var denied *parking.DeniedError
		if !errors.As(err, &denied) {
			t.Errorf("bob: %v", err)
		}
		y.claim(t, next, "ann", after(7))
	}},
	{"a move without a slot takes the next free one, and the one left cools down", func(t *testing.T, y *yard) {
		y.lot(t, 3)
		p := y.park(t)
		next := y.move(t, p, "", 0, after(5))
		same(t, "slot", next.Slot, 702)
		third := y.park(t, func(p *parking.Park) { p.ParkedAt = after(6) })
		same(t, "the slot left is not handed out at once", third.Slot, 703)
		fourth := y.park(t, func(p *parking.Park) { p.ParkedAt = after(7) })
		same(t, "but when no other is free", fourth.Slot, 701)
	}},
	{"who dials the slot that was left learns who moved the call", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		p := y.park(t)
		y.move(t, p, "sales", 702, after(5))
		_, err := y.Claim(t.Context(), parking.Target{Lot: "sales", Slot: 701}, dials("bob"), after(6))
		who := taken(t, err)
		if who == nil || who.Reason != parking.Moved || who.EndedBy != boss || !who.EndedAt.Equal(after(5)) {
			t.Errorf("learns %+v", who)
		}
		y.claim(t, parking.Park{ID: y.in(t, "sales", 702).ID}, "bob", after(7))
	}},
	{"a refused move leaves the call where it is", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		y.other(t, 1)
		p, by := y.park(t), y.park(t)
		away := y.park(t, func(p *parking.Park) { p.Lot = "service" })
		refused := func(lot string, slot int) error {
			t.Helper()
			_, err := y.Move(t.Context(), parking.Move{Park: p.ID, Lot: lot, Slot: slot, By: boss, At: after(9)})
			return err
		}
		var occ *parking.OccupiedError
		if err := refused("sales", by.Slot); !errors.As(err, &occ) || occ.By.ID != by.ID {
			t.Errorf("an occupied slot: %v", err)
		}
		if err := refused("service", away.Slot); !errors.As(err, &occ) || occ.By.ID != away.ID {
			t.Errorf("an occupied slot of another lot: %v", err)
		}
		var full *parking.FullError
		if err := refused("sales", 0); !errors.As(err, &full) {
			t.Errorf("its own lot, full: %v", err)
		}
		if err := refused("service", 0); !errors.As(err, &full) || full.Lot != "service" {
			t.Errorf("another lot, full: %v", err)
		}
		var same1 *parking.AlreadyParkedError
		if err := refused("", p.Slot); !errors.As(err, &same1) || same1.In.ID != p.ID {
			t.Errorf("its own slot: %v", err)
		}
		var noLot *parking.UnknownLotError
		if err := refused("nowhere", 0); !errors.As(err, &noLot) {
			t.Errorf("no lot: %v", err)
		}
		var noSlot *parking.UnknownSlotError
		if err := refused("service", 999); !errors.As(err, &noSlot) {
			t.Errorf("no slot: %v", err)
		}
		_, err := y.Move(t.Context(), parking.Move{Park: "park_none", By: boss, At: after(9)})
		if who := taken(t, err); who != nil {
			t.Errorf("no park: %+v", who)
		}
		still, err := y.Park(t.Context(), p.ID)
		if err != nil || still.State != parking.StateParked || still.Slot != p.Slot {
			t.Errorf("now %+v, %v", still, err)
		}
		y.pending(t, p, 0, p.NextAt)
		y.told(t, p.Call, call.Parked)
	}},
	{"a slot that is reserved takes no call that is moved, one that was takes it", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		p := y.park(t)
		r := y.reserve(t, 702, noon)
		var occ *parking.OccupiedError
		_, err := y.Move(t.Context(), parking.Move{Park: p.ID, Slot: 702, By: boss, At: after(1)})
		if !errors.As(err, &occ) || occ.For != r.By.User {
			t.Errorf("reserved: %v", err)
		}
		same(t, "slot", y.move(t, p, "", 702, r.Until.Add(time.Second)).Slot, 702)
	}},
	{"a call that is being taken is not moved, and who has it is told", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		p := y.park(t)
		c := y.claim(t, p, "bob", after(20))
		_, err := y.Move(t.Context(), parking.Move{Park: p.ID, By: boss, At: after(21)})
		who := taken(t, err)
		if who == nil || who.ClaimedBy != dials("bob") || !who.ClaimedAt.Equal(after(20)) {
			t.Errorf("learns %+v", who)
		}
		next := y.move(t, p, "", 702, c.ClaimUntil.Add(time.Second)) // it has lapsed
		same(t, "state", next.State, parking.StateParked)
		y.told(t, p.Call, call.Parked, call.ParkClaimed, call.ParkClaimLost, call.ParkMoved, call.Parked)
		_, err = y.End(t.Context(), p.ID, c.Epoch, parking.RetrievedOther, dials("bob"), after(40))
		same(t, "who claimed it is told", taken(t, err).Reason, parking.Moved)
	}},
	{"of moves and claims at once one wins", func(t *testing.T, y *yard) {
		y.lot(t, 9)
		for range max(1, y.rounds/10) {
			p := y.park(t)
			var (
				mu   sync.Mutex
				wins int
			)
			atOnce(12, func(i int) {
				var err error
				if i%2 == 0 {
					_, err = y.Move(t.Context(), parking.Move{Park: p.ID, By: boss, At: after(7)})
				} else {
					_, err = y.Claim(t.Context(), parking.Target{Park: p.ID}, dials(fmt.Sprint("rep", i)), after(7))
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					wins++
				} else if taken(t, err) == nil {
					t.Error("a loser does not learn who was quicker")
				}
			})
			same(t, "winners", wins, 1)
			live, err := y.Live(t.Context(), parking.Filter{Call: p.Call})
			if err != nil || len(live) != 1 {
				t.Fatalf("%d parks of the call are live, %v", len(live), err)
			}
			y.end(t, live[0], 0, parking.Abandoned, after(8))
		}
	}},
	{"two calls moved into one slot: one gets it", func(t *testing.T, y *yard) {
		y.lot(t, 3)
		for range max(1, y.rounds/10) {
			a, b := y.park(t), y.park(t)
			goal := 701 + 702 + 703 - a.Slot - b.Slot
			errs := make([]error, 2)
			atOnce(2, func(i int) {
				_, errs[i] = y.Move(t.Context(), parking.Move{Park: []parking.Park{a, b}[i].ID, Slot: goal, By: boss, At: after(7)})
			})
			var occ *parking.OccupiedError
			lost := errs[0]
			if lost == nil {
				lost = errs[1]
			}
			if (errs[0] == nil) == (errs[1] == nil) || !errors.As(lost, &occ) {
				t.Fatalf("came to %v", errs)
			}
			live, _ := y.Live(t.Context(), parking.Filter{})
			same(t, "parked", len(live), 2)
			for _, p := range live {
				y.end(t, p, 0, parking.Abandoned, after(8))
			}
		}
	}},
	{"two calls that change places at once come to an end", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		a, b := y.park(t), y.park(t)
		atOnce(2, func(i int) {
			p, to := a, b.Slot
			if i == 1 {
				p, to = b, a.Slot
			}
			_, err := y.Move(t.Context(), parking.Move{Park: p.ID, Slot: to, By: boss, At: after(7)})
			var occ *parking.OccupiedError
			if !errors.As(err, &occ) {
				t.Errorf("into a slot that holds somebody: %v", err)
			}
		})
	}},
	{"a terminal step that has begun goes with the call", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		p := y.park(t)
		last := len(p.Ladder) - 1
		y.step(t, p, 0, last, after(301))
		next := y.move(t, p, "", 0, after(302))
		same(t, "next", next.Next, len(p.Ladder))
		if jobs := y.probe.Pending(t, next.ID); len(jobs) > 0 {
			t.Errorf("pending: %+v", jobs)
		}
		y.end(t, next, 0, parking.ExpiredVoicemail, after(303))
	}},
	{"a note can be changed while the call waits", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		p := y.park(t)
		noted, err := y.Annotate(t.Context(), p.ID, "calls about the invoice", boss, after(5))
		if err != nil || noted.Note != "calls about the invoice" {
			t.Fatalf("noted %q, %v", noted.Note, err)
		}
		live, _ := y.Live(t.Context(), parking.Filter{Call: p.Call})
		if len(live) != 1 || live[0].Note != "calls about the invoice" || live[0].NextAt != p.NextAt {
			t.Errorf("live %+v", live)
		}
		e := y.told(t, p.Call, call.Parked, call.ParkNoted)[1]
		same(t, "note", e.Data["note"], any("calls about the invoice"))
		same(t, "who", e.Actor, boss)
		same(t, "age", e.Age, 5*time.Second)
		y.pending(t, p, 0, p.NextAt)

		y.end(t, p, 0, parking.Abandoned, after(6))
		_, err = y.Annotate(t.Context(), p.ID, "too late", boss, after(7))
		same(t, "reason", taken(t, err).Reason, parking.Abandoned)
		_, err = y.Annotate(t.Context(), "park_none", "nobody", boss, after(7))
		taken(t, err)
	}},
}

// in is the live park in a slot.
func (y *yard) in(t testing.TB, lot string, slot int) parking.Park {
	t.Helper()
	live, err := y.Live(t.Context(), parking.Filter{Lot: lot})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range live {
		if p.Slot == slot {
			return p
		}
	}
	t.Fatalf("nobody is in slot %d of %s", slot, lot)
	return parking.Park{}
}
