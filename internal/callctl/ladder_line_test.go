package callctl_test

import (
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// climbs has the flow park callers with these steps before the end at 60 s.
func (r *rig) climbs(steps string) (*phone, call.ID) {
	r.t.Helper()
	r.flow(`"in": {"type": "park", "cfg": {"lot": "sales", "max_park_s": 60, "ladder": [` + steps + `, {"after_s": 60, "do": "goto", "outcome": "expired"}]},
		"on": {"retrieved": "after", "expired": "vm", "callback_requested": "bye", "default": "bye"}},
		"after": {"type": "play", "cfg": {"prompt": "thanks"}, "on": {"next": "bye"}},` + voicemail)
	p := r.calls()
	r.pass(time.Second)
	return p, r.book.lastBegun()
}

func TestLadderWidens(t *testing.T) {
	story(t, func(r *rig) {
		if err := r.lines.SaveQueue(t.Context(), queues.Queue{Name: "desk", Agents: []queues.Assignment{{Agent: "bea"}, {Agent: "carl", Tier: 2}}}); err != nil {
			t.Fatal(err)
		}
		r.phone.has("bea", answersAfter(time.Second))
		r.phone.has("carl", answersAfter(time.Second))
		r.phone.has(outside, answersAfter(100*time.Millisecond))
		busy := r.dials("bea", outside) // so that nobody of the first tier is free
		r.pass(time.Second)
		p, id := r.climbs(`{"after_s": 5, "do": "enqueue", "queue": "desk", "tier": 0}, {"after_s": 10, "do": "widen", "tier": 1}, {"after_s": 20, "do": "widen", "tier": 2}`)
		r.pass(18 * time.Second)
		r.is("carl's phone", len(r.phone.calls("carl")), 0)
		r.pass(3 * time.Second)
		carl := r.phone.calls("carl")[0]
		r.talking(p, carl)
		carl.hangUp()
		r.pass(time.Second)
		r.is("results", r.results(id), []string{"enqueue:joined", "widen:widened", "widen:widened"})
		r.is("reasons", r.reasons(id), []string{"retrieved_queue"})
		busy.hangUp()
	})
	t.Run("what is not in a queue, or wide already", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			r.lot(parking.Lot{Name: "sales", Extension: "700", First: 701, Last: 703, Music: "hold", MaxPark: 60 * time.Second, Ladder: []parking.Step{
				{After: 5 * time.Second, Do: parking.Widen, Skills: []string{}},
				{After: 10 * time.Second, Do: parking.Enqueue, Queue: "desk"},
				{After: 15 * time.Second, Do: parking.Widen, Skills: []string{}},
			}})
			p, id := r.parkedByAnn()
			r.pass(20 * time.Second)
			r.is("results", r.results(id), []string{"widen:not_queued", "enqueue:joined", "widen:everybody"})
			p.hangUp()
		})
	})
}

func TestLadderLeavesTheSlot(t *testing.T) {
	const leaves = `{"after_s": 5, "do": "enqueue", "queue": "desk", "stay_parked": false}, {"after_s": 20, "do": "offer", "to": "agent:carl"}`
	t.Run("the call waits in the queue alone, and comes to retrieved when it is answered", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			r.phone.has("bea", answersAfter(4*time.Second))
			p, id := r.climbs(leaves)
			parked := r.park().ParkedAt
			r.pass(5 * time.Second)
			r.is("parked", r.parked(), 0)
			e := r.waiting()[0]
			r.is("in line since it was parked", []any{e.JoinedAt.Equal(parked), e.Park}, []any{true, ""})
			r.hear(p, "music:line")
			late := r.dials("ann", "701")
			r.pass(time.Second)
			_, told := late.told()
			r.is("who dials the slot is told", strings.Contains(told, "expired_transfer"), true)
			r.pass(3 * time.Second)
			bea := r.phone.calls("bea")[0]
			r.talking(p, bea)
			r.pass(15 * time.Second)
			r.is("the rest of the ladder is given up", len(r.phone.calls("carl")), 0)
			bea.hangUp()
			r.pass(time.Second)
			r.is("the flow goes on", p.hasHeard("clip:thanks"), true)
			r.is("results", r.results(id), []string{"enqueue:left_slot"})
			r.is("reasons", r.reasons(id), []string{"expired_transfer"})
			r.pass(5 * time.Second)
			r.outcome(id, "answered")
		})
	})
	t.Run("at the end of its ladder it goes where it would have gone from the slot", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			p, id := r.climbs(leaves)
			r.pass(58 * time.Second)
			r.hear(p, "music:line")
			r.pass(2 * time.Second)
			r.is("is asked for a message", p.hasHeard("leave-message"), true)
			r.is("nobody waits", len(r.waiting()), 0)
			p.hangUp()
			r.pass(time.Second)
			left := r.book.about(id, call.QueueLeft)[0]
			r.is("left", left.Data["outcome"], "timeout")
		})
	})
	t.Run("withdrawn, too", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			p, id := r.climbs(leaves)
			r.pass(10 * time.Second)
			if err := r.hub.Withdraw(r.t.Context(), id, "desk", eva); err != nil {
				r.t.Error(err)
			}
			r.pass(time.Second)
			r.is("is asked for a message", p.hasHeard("leave-message"), true)
			p.hangUp()
		})
	})
	t.Run("a call that a person parked goes where the lot says", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			r.lot(parking.Lot{Name: "sales", Extension: "700", First: 701, Last: 703, Music: "hold", MaxPark: 30 * time.Second, OnExpired: "voicemail:sales", Ladder: []parking.Step{
				{After: 10 * time.Second, Do: parking.Enqueue, Queue: "desk", Leaves: true},
			}})
			p, id := r.parkedByAnn()
			r.pass(6 * time.Second)
			r.hear(p, "music:line")
			r.pass(20 * time.Second)
			r.is("is asked for a message", p.hasHeard("leave-message"), true)
			p.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"expired_transfer"})
		})
	})
	t.Run("a queue that takes nobody leaves it in its slot, and the ladder goes on", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			r.away("bea", "lunch")
			p, id := r.climbs(leaves)
			r.pass(22 * time.Second)
			carl := r.phone.calls("carl")[0]
			r.pass(2 * time.Second)
			r.talking(p, carl)
			p.hangUp()
			r.pass(time.Second)
			r.is("results", r.results(id), []string{"enqueue:all_away", "offer:answered"})
			r.is("reasons", r.reasons(id), []string{"retrieved_offer"})
		})
	})
	t.Run("a phone that is answered while the slot is being left has the caller", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			r.phone.has("bea", answersAfter(200*time.Millisecond))
			p, id := r.climbs(leaves)
			r.db.set(func(d *database) { d.slow["end"] = 800 * time.Millisecond })
			r.pass(6 * time.Second)
			r.talking(p, r.phone.calls("bea")[0])
			r.db.set(func(d *database) { delete(d.slow, "end") })
			p.hangUp()
			r.pass(2 * time.Second)
			r.is("reasons", r.reasons(id), []string{"expired_transfer"})
			r.outcome(id, "answered")
		})
	})
	t.Run("the caller hangs up while the slot is being left", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			p, id := r.climbs(leaves)
			r.db.set(func(d *database) { d.slow["end"] = time.Second })
			r.pass(4500 * time.Millisecond)
			p.hangUp()
			r.pass(4 * time.Second)
			r.is("nobody waits", len(r.waiting()), 0)
			r.outcome(id, "abandoned")
		})
	})
	t.Run("the key that was offered in the slot still counts", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			p, _ := r.climbs(`{"after_s": 5, "do": "offer_callback", "to": "prompt"}, {"after_s": 10, "do": "enqueue", "queue": "desk", "stay_parked": false}`)
			r.pass(15 * time.Second)
			p.press("1")
			r.pass(time.Second)
			r.is("over", p.over(), true)
		})
	})
}
