package callctl_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/queues"
)

// books is a caller on hold with ann, who has called the lot and been told a slot.
func (r *rig) books() (p, rep, lot *phone, id call.ID) {
	r.t.Helper()
	p, rep, id = r.talkingToAnn()
	rep.hold(true)
	lot = r.dials("ann", "700")
	r.pass(3 * time.Second)
	return p, rep, lot, id
}

func TestAttendedPark(t *testing.T) {
	for how, refer := range map[string]func(r *rig, rep, lot *phone) *referral{
		"asked on the caller's call": func(_ *rig, rep, lot *phone) *referral { return rep.replaces(lot) },
		"asked on the lot's call":    func(_ *rig, rep, lot *phone) *referral { return lot.replaces(rep) },
		"REFER, then BYE on both calls": func(r *rig, rep, lot *phone) *referral {
			r.db.set(func(d *database) { d.slow["put"] = 100 * time.Millisecond })
			ref := rep.replaces(lot)
			rep.hangUp()
			r.pass(10 * time.Millisecond)
			lot.hangUp()
			return ref
		},
	} {
		t.Run("the caller waits in the slot that was read out: "+how, func(t *testing.T) {
			story(t, func(r *rig) {
				p, rep, lot, id := r.books()
				asked := time.Now().Add(-3 * time.Second)
				r.is("told", lot.hasHeard("clip:parked-at+701"), true)
				r.is("shown", lot.shown.Number, "701")
				r.pass(time.Second)
				ref := refer(r, rep, lot)
				r.pass(time.Second)
				r.is("told", ref.status(), 200)
				park := r.park()
				r.is("park", []any{park.Slot, park.Parker, park.Via, park.Call}, []any{701, "ann", "refer", id})
				r.is("its clock is the reservation's", park.ParkedAt.Sub(asked) < 100*time.Millisecond, true)
				r.hear(p, "music:hold")
				r.is("ann's legs", []bool{rep.over(), lot.over()}, []bool{true, true})
				r.is("ann", r.state("ann"), queues.Idle)
				r.outcome(r.book.lastBegun(), "parked")
				bea := r.dials("bea", "701")
				r.pass(time.Second)
				r.talking(p, bea)
				bea.hangUp()
				r.pass(time.Second)
				r.outcome(id, "answered")
			})
		})
	}
	t.Run("nobody else is given the slot meanwhile", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, lot, _ := r.books()
			q := r.callsOn(parkFlow)
			r.pass(3 * time.Second)
			r.is("the other's slot", r.park().Slot, 702)
			ref := rep.replaces(lot)
			r.pass(time.Second)
			r.is("told", ref.status(), 200)
			r.is("parked", r.parked(), 2)
			p.hangUp()
			q.hangUp()
		})
	})
	t.Run("it lapses: the rep is told so, and is with the caller", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, lot, _ := r.books()
			booked := r.book.lastBegun()
			r.pass(10 * time.Second)
			r.is("told", lot.hasHeard("clip:unavailable+goodbye"), true)
			r.is("hung up", lot.over(), true)
			r.is("lapsed", r.count(booked, call.ParkReservationLapsed), 1)
			r.outcome(booked, "not_parked")
			ref := rep.replaces(lot)
			rep.hold(false)
			r.pass(time.Second)
			r.is("too late", ref.status(), 603)
			r.talking(p, rep)
			r.is("ann", r.state("ann"), queues.Talking)
			p.hangUp()
		})
	})
	t.Run("the rep hangs up on the lot: the slot is free, and cools down", func(t *testing.T) {
		story(t, func(r *rig) {
			p, _, lot, _ := r.books()
			lot.hangUp()
			r.pass(time.Second)
			other := r.dials("bea", "700")
			r.pass(3 * time.Second)
			r.is("told", other.hasHeard("clip:parked-at+702"), true)
			other.hangUp()
			p.hangUp()
		})
	})
	t.Run("a full lot does not answer", func(t *testing.T) {
		story(t, func(r *rig) {
			var qs []*phone
			for range 3 {
				qs = append(qs, r.callsOn(parkFlow))
				r.pass(3 * time.Second)
			}
			lot := r.dials("ann", "700")
			r.pass(time.Second)
			cause, note := lot.told()
			r.is("told", fmt.Sprint(cause, note), fmt.Sprint(call.Busy, "lot sales is full"))
			for _, q := range qs {
				q.hangUp()
			}
		})
	})
	t.Run("a slot code: occupied it retrieves, free it is reserved for who talks to somebody", func(t *testing.T) {
		story(t, func(r *rig) {
			q := r.callsOn(parkFlow)
			r.pass(3 * time.Second)
			nobody := r.dials("bea", "703")
			r.pass(time.Second)
			cause, _ := nobody.told()
			r.is("bea has nobody to park", cause, call.Gone)
			ann, other, _ := r.callsOut(outside)
			lot := r.dials("ann", "703")
			r.pass(3 * time.Second)
			r.is("told", lot.hasHeard("clip:parked-at+703"), true)
			ref := ann.replaces(lot)
			r.pass(time.Second)
			r.is("told", ref.status(), 200)
			r.hear(other, "music:hold")
			bea := r.dials("bea", "701")
			r.pass(time.Second)
			r.talking(q, bea)
			bea.hangUp()
			other.hangUp()
		})
	})
	t.Run("not for a caller somebody else talks to", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, lot, _ := r.books()
			there := r.dials("bea", "700")
			r.pass(3 * time.Second)
			ref := rep.replaces(there)
			r.pass(time.Second)
			r.is("told", ref.status(), 403)
			rep.hold(false)
			r.pass(time.Second)
			r.talking(p, rep)
			for _, l := range []*phone{p, lot, there} {
				l.hangUp()
			}
		})
	})
	t.Run("without a database nothing is reserved, or parked, and nobody is lost", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, lot, _ := r.books()
			r.db.set(func(d *database) { d.away = true })
			ref := rep.replaces(lot)
			other := r.dials("bea", "700")
			r.pass(3 * time.Second)
			r.is("told", ref.status(), 500)
			r.is("bea is not answered", other.wasAnswered(), false)
			rep.hold(false)
			r.pass(time.Second)
			r.talking(p, rep)
			r.db.set(func(d *database) { d.away = false })
			r.pass(20 * time.Second)
			r.is("both calls to the lot are over", []bool{lot.over(), other.over()}, []bool{true, true})
			p.hangUp()
		})
	})
	t.Run("whoever hangs up at that moment, nothing is left over", func(t *testing.T) {
		for _, slow := range []string{"caller's call", "lot's call", "neither"} {
			for who := range 4 {
				story(t, func(r *rig) {
					r.mayFind = []string{"reservation_left"} // whoever holds it is stalled for longer than the checker waits
					p, rep, lot, _ := r.books()
					until := make(chan struct{})
					switch slow {
					case "caller's call":
						rep.replaces(lot)
						callctl.Stall(r.hub, rep, until)
					case "lot's call":
						callctl.Stall(r.hub, lot, until)
						rep.replaces(lot)
					default:
						rep.replaces(lot)
					}
					for _, gone := range [][]*phone{{p}, {rep}, {lot}, {p, lot}}[who] {
						gone.hangUp()
					}
					r.pass(20 * time.Second)
					close(until)
					r.pass(20 * time.Second)
					for _, l := range []*phone{p, rep, lot} {
						l.hangUp()
					}
					r.pass(time.Minute)
					for slot := 701; slot <= 703; slot++ {
						r.is("free", r.parks.Held("sales", slot, time.Now()), false)
					}
				})
			}
		}
	})
}

// callsOn is a caller to a flow of these nodes.
func (r *rig) callsOn(nodes string) *phone {
	r.flow(nodes)
	return r.calls()
}
