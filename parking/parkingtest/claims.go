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

var claims = []behaviour{
	{"one taker wins", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		for range y.rounds {
			p := y.park(t)
			var (
				mu      sync.Mutex
				winners []parking.Park
				losers  []*parking.Park
			)
			atOnce(50, func(i int) {
				target := parking.Target{Park: p.ID}
				if i%2 == 0 {
					target = parking.Target{Lot: "sales", Slot: 701}
				}
				c, err := y.Claim(t.Context(), target, dials(fmt.Sprintf("rep%d", i)), after(7))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					losers = append(losers, taken(t, err))
					return
				}
				winners = append(winners, c)
			})
			if len(winners) != 1 {
				t.Fatalf("%d winners", len(winners))
			}
			won := winners[0]
			for _, l := range losers {
				if l == nil || l.ClaimedBy != won.ClaimedBy || !l.ClaimedAt.Equal(after(7)) {
					t.Fatalf("a loser learns %+v; %s won", l, won.ClaimedBy.User)
				}
			}
			e := y.told(t, p.Call, call.Parked, call.ParkClaimed)[1]
			same(t, "actor", e.Actor, won.ClaimedBy)
			y.end(t, p, won.Epoch, parking.RetrievedOther, after(8))
		}
	}},
	{"a call for some is taken by none but them, and by whom it is offered to", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		for _, target := range []func(parking.Park) parking.Target{
			func(p parking.Park) parking.Target { return parking.Target{Park: p.ID} },
			func(p parking.Park) parking.Target { return parking.Target{Lot: p.Lot, Slot: p.Slot} },
		} {
			p := y.park(t, func(p *parking.Park) { p.Takers = []string{"bob", "eve"} })
			_, err := y.Claim(t.Context(), target(p), dials("cem"), after(7))
			var denied *parking.DeniedError
			if !errors.As(err, &denied) || !slices.Equal(denied.Takers, p.Takers) {
				t.Fatalf("cem: %v", err)
			}
			seen, _ := y.Park(t.Context(), p.ID)
			same(t, "state", seen.State, parking.StateParked)
			same(t, "takers", fmt.Sprint(seen.Takers), "[bob eve]")
			c, err := y.Claim(t.Context(), target(p), dials("eve"), after(8))
			if err != nil {
				t.Fatal(err)
			}
			if l := taken(t, claimErr(t, y, target(p), dials("cem"), after(9))); l.ClaimedBy.User != "eve" {
				t.Fatalf("%+v", l)
			}
			if _, err := y.Release(t.Context(), p.ID, c.Epoch, "no_answer", after(10)); err != nil {
				t.Fatal(err)
			}
			c, err = y.Claim(t.Context(), target(p), call.Actor{User: "cem", Via: "offer"}, after(11))
			if err != nil {
				t.Fatal(err)
			}
			y.end(t, p, c.Epoch, parking.RetrievedOffer, after(12))
		}
	}},
	{"a claim is soft and seen", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t)
		c := y.claim(t, p, "bob", after(20))
		same(t, "state", c.State, parking.StateClaimed)
		same(t, "epoch", c.Epoch, 1)
		sameTime(t, "until", c.ClaimUntil, after(30))
		sameTime(t, "clock", c.ParkedAt, noon)
		seen, _ := y.Park(t.Context(), p.ID)
		same(t, "seen by others", seen.ClaimedBy, dials("bob"))
		e := y.told(t, p.Call, call.Parked, call.ParkClaimed)[1]
		same(t, "slot", e.Slot, "701")
		same(t, "age", e.Age, 20*time.Second)
		same(t, "actor", e.Actor, dials("bob"))
		y.pending(t, c, 0, after(45))
	}},
	{"an empty slot has nothing to take", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		_, err := y.Claim(t.Context(), parking.Target{Lot: "sales", Slot: 701}, dials("bob"), noon)
		if who := taken(t, err); who != nil {
			t.Errorf("taken by %+v", who)
		}
		_, err = y.Claim(t.Context(), parking.Target{Park: "park_none"}, dials("bob"), noon)
		taken(t, err)
	}},
	{"a late taker learns who was quicker and when", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t)
		c := y.claim(t, p, "bob", after(20))
		_, err := y.End(t.Context(), p.ID, c.Epoch, parking.RetrievedOther, dials("bob"), after(22))
		if err != nil {
			t.Fatal(err)
		}
		slot := parking.Target{Lot: "sales", Slot: 701}
		for _, target := range []parking.Target{slot, {Park: p.ID}} {
			_, err = y.Claim(t.Context(), target, dials("cem"), after(23))
			who := taken(t, err)
			if who == nil || who.Reason != parking.RetrievedOther || who.EndedBy != dials("bob") || !who.EndedAt.Equal(after(22)) {
				t.Errorf("%s: taken by %+v", target, who)
			}
		}
		_, err = y.Claim(t.Context(), slot, dials("cem"), after(22+2*parking.Remembered.Seconds()))
		if who := taken(t, err); who != nil {
			t.Error("the slot remembers too long")
		}
	}},
	{"a lapsed claim can be taken over", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t)
		first := y.claim(t, p, "bob", after(20))
		_, err := y.Claim(t.Context(), parking.Target{Park: p.ID}, dials("cem"), after(29))
		same(t, "holder", taken(t, err).ClaimedBy, dials("bob"))
		second := y.claim(t, p, "cem", after(31))
		same(t, "epoch", second.Epoch, first.Epoch+1)
		lost := y.told(t, p.Call, call.Parked, call.ParkClaimed, call.ParkClaimLost, call.ParkClaimed)[2]
		same(t, "loser", lost.Actor, dials("bob"))
		same(t, "why", lost.Data["why"], any("taken_over"))

		_, err = y.End(t.Context(), p.ID, first.Epoch, parking.RetrievedOther, dials("bob"), after(32))
		same(t, "who has it", taken(t, err).ClaimedBy, dials("cem"))
		taken(t, y.Extend(t.Context(), p.ID, first.Epoch, after(60)))
		left, err := y.Release(t.Context(), p.ID, first.Epoch, "no_answer", after(33))
		if err != nil {
			t.Fatalf("release of a superseded claim: %v", err)
		}
		same(t, "still claimed by", left.ClaimedBy, dials("cem"))
		y.end(t, p, second.Epoch, parking.RetrievedOther, after(34))
	}},
	{"a claim that holds can be extended", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		c := y.claim(t, y.park(t), "bob", after(20))
		if err := y.Extend(t.Context(), c.ID, c.Epoch, after(50)); err != nil {
			t.Fatal(err)
		}
		_, err := y.Claim(t.Context(), parking.Target{Park: c.ID}, dials("cem"), after(45))
		taken(t, err)
	}},
	{"release keeps the original clock", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t)
		c := y.claim(t, p, "bob", after(20))
		freed, err := y.Release(t.Context(), p.ID, c.Epoch, "no_answer", after(25))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "state", freed.State, parking.StateParked)
		same(t, "slot", freed.Slot, p.Slot)
		sameTime(t, "parked at", freed.ParkedAt, noon)
		sameTime(t, "deadline", freed.Deadline, p.Deadline)
		sameTime(t, "next step", freed.NextAt, p.NextAt)
		y.pending(t, freed, 0, p.NextAt)
		e := y.told(t, p.Call, call.Parked, call.ParkClaimed, call.ParkReleased)[2]
		same(t, "actor", e.Actor, dials("bob"))
		same(t, "why", e.Data["why"], any("no_answer"))
		same(t, "age", e.Age, 25*time.Second)
		if again := y.claim(t, p, "cem", after(26)); again.Epoch != 2 {
			t.Errorf("epoch %d after a release", again.Epoch)
		}
	}},
}

var ends = []behaviour{
	{"a park ends once", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t)
		var (
			mu   sync.Mutex
			wins int
		)
		atOnce(20, func(i int) {
			_, err := y.End(t.Context(), p.ID, 0, parking.Abandoned, call.Actor{}, after(30))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				wins++
				return
			}
			if who := taken(t, err); who == nil || who.State != parking.StateEnded {
				t.Errorf("too late, but learns %+v", who)
			}
		})
		same(t, "ends", wins, 1)
		y.told(t, p.Call, call.Parked, call.ParkAbandoned)
		if jobs := y.probe.Pending(t, p.ID); len(jobs) != 0 {
			t.Errorf("still pending: %+v", jobs)
		}
	}},
	{"each reason has its event", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		for reason, kind := range map[parking.Reason]call.EventType{
			parking.RetrievedParker: call.ParkRetrieved, parking.RetrievedOther: call.ParkRetrieved,
			parking.RetrievedRecall: call.ParkRetrieved, parking.RetrievedOffer: call.ParkRetrieved,
			parking.RetrievedQueue: call.ParkRetrieved,
			parking.Abandoned:      call.ParkAbandoned, parking.AbandonedOutage: call.ParkAbandoned,
			parking.ExpiredVoicemail: call.ParkExpired, parking.ExpiredCallback: call.ParkExpired,
			parking.ExpiredTransfer: call.ParkExpired, parking.Moved: call.ParkMoved, parking.Failed: call.ParkFailed,
		} {
			p := y.park(t)
			ended := y.end(t, p, 0, reason, after(12.5))
			same(t, "reason", ended.Reason, reason)
			same(t, "state", ended.State, parking.StateEnded)
			e := y.told(t, p.Call, call.Parked, kind)[1]
			same(t, "reason told", e.Data["reason"], any(string(reason)))
			same(t, "age", e.Age, 12500*time.Millisecond)
			same(t, "slot", e.Slot, "701")
			same(t, "actor", e.Actor, dials("bob"))
		}
	}},
	{"only the claim that holds may end it by its epoch", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t)
		_, err := y.End(t.Context(), p.ID, 1, parking.RetrievedOther, dials("bob"), after(1))
		taken(t, err)
		c := y.claim(t, p, "bob", after(2))
		if _, err := y.Release(t.Context(), p.ID, c.Epoch, "hung_up", after(3)); err != nil {
			t.Fatal(err)
		}
		_, err = y.End(t.Context(), p.ID, c.Epoch, parking.RetrievedOther, dials("bob"), after(4))
		same(t, "state", taken(t, err).State, parking.StateParked)
		y.pending(t, p, 0, after(45))
		y.end(t, p, 0, parking.Abandoned, after(5))
	}},
	{"the caller may hang up on a claim", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		c := y.claim(t, y.park(t), "bob", after(2))
		y.end(t, c, 0, parking.Abandoned, after(3))
		_, err := y.End(t.Context(), c.ID, c.Epoch, parking.RetrievedOther, dials("bob"), after(4))
		same(t, "reason", taken(t, err).Reason, parking.Abandoned)
	}},
	{"a call parked again has a second attempt", func(t *testing.T, y *yard) {
		y.lot(t, 2)
		first := y.park(t)
		y.end(t, first, 0, parking.RetrievedParker, after(10))
		again := first
		again.ID, again.Slot, again.ParkedAt, again.Deadline, again.Ladder = "", 0, after(60), time.Time{}, nil
		second, err := y.Put(t.Context(), again)
		if err != nil {
			t.Fatal(err)
		}
		if second.ID == first.ID {
			t.Error("the second park has the first one's id")
		}
		sameTime(t, "deadline", second.Deadline, after(360))
		e := y.told(t, first.Call, call.Parked, call.ParkRetrieved, call.Parked)
		same(t, "second park", e[2].Park, second.ID)
		old, err := y.Park(t.Context(), first.ID)
		if err != nil || old.Reason != parking.RetrievedParker {
			t.Errorf("the first park now: %+v, %v", old, err)
		}
	}},
}

func claimErr(t testing.TB, y *yard, target parking.Target, by call.Actor, at time.Time) error {
	t.Helper()
	_, err := y.Claim(t.Context(), target, by, at)
	return err
}
