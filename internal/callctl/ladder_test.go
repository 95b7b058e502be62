package callctl_test

import (
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// fullLadder reminds at 20 s, recalls at 30 s, offers at 60 s, queues at 90 s
// and ends at 200 s.
func fullLadder() parking.Lot {
	return parking.Lot{
		Name: "sales", Extension: "700", First: 701, Last: 703, Music: "hold", MaxPark: 200 * time.Second, OnExpired: "voicemail:sales",
		Ladder: []parking.Step{
			{After: 20 * time.Second, Do: parking.Remind, To: "parker"},
			{After: 30 * time.Second, Do: parking.Recall, To: "parker", Ring: 20 * time.Second},
			{After: 60 * time.Second, Do: parking.Offer, To: "agent:bea,agent:carl", Ring: 15 * time.Second},
			{After: 90 * time.Second, Do: parking.Enqueue, Queue: "desk", Priority: "7"},
		},
	}
}

func TestLadder(t *testing.T) {
	t.Run("the parker is reminded, called back, and has the call once the bounce is over", func(t *testing.T) {
		story(t, func(r *rig) {
			r.lot(fullLadder())
			p, id := r.parkedByAnn() // 5 s
			r.pass(16 * time.Second)
			texts := r.phone.textsTo("ann")
			if len(texts) != 1 || !strings.Contains(texts[0], "slot 701") {
				r.t.Errorf("ann was told %q", texts)
			}
			r.phone.has("ann", answersAfter(2*time.Second))
			r.pass(14 * time.Second) // 35 s: answered at 32
			rep := r.phone.calls("ann")[1]
			r.talking(p, rep)
			if !strings.HasPrefix(rep.inv.Display, "701 0:30") || rep.inv.Diverted != "701" {
				r.t.Errorf("the recall shows %q, diverted %q", rep.inv.Display, rep.inv.Diverted)
			}
			r.is("still hers to put back", r.park().State, parking.StateClaimed)
			r.pass(3 * time.Second)
			r.is("parked", r.parked(), 0)
			r.is("reasons", r.reasons(id), []string{"retrieved_recall"})
			r.pass(20 * time.Second)
			r.talking(p, rep)
			rep.hangUp()
			r.pass(time.Second)
			r.is("results", r.results(id), []string{"remind:reminded", "recall:answered"})
			r.outcome(id, "answered")
		})
	})
	t.Run("the caller hangs up within the bounce", func(t *testing.T) {
		story(t, func(r *rig) {
			r.lot(fullLadder())
			p, id := r.parkedByAnn()
			r.phone.has("ann", answersAfter(2*time.Second))
			r.pass(29 * time.Second)
			r.talking(p, r.phone.calls("ann")[1])
			p.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_recall"})
			r.outcome(id, "answered")
		})
	})
	t.Run("a parker who bounces the call puts it back, and the ladder goes on to the queue", func(t *testing.T) {
		story(t, func(r *rig) {
			r.serve(queues.Queue{Name: "desk", WrapUp: 5 * time.Second}, "bea")
			r.lot(fullLadder())
			p, id := r.parkedByAnn()
			since := r.park().ParkedAt
			r.phone.has("ann", answersAfter(2*time.Second))
			r.phone.has("bea", device{does: "never"})
			r.pass(29 * time.Second) // 34 s: ann answered at 32 s
			rep := r.phone.calls("ann")[1]
			r.talking(p, rep)
			rep.hangUp()
			r.pass(time.Second)
			r.hear(p, "music:hold")
			r.is("clock", r.park().ParkedAt, since)
			r.is("state", r.park().State, parking.StateParked)
			r.is("ann", r.state("ann"), queues.Idle)

			r.pass(27 * time.Second) // 62 s
			if n := len(r.phone.calls("bea")); n != 1 {
				r.t.Fatalf("bea was offered the call %d times", n)
			}
			r.phone.has("bea", answersAfter(3*time.Second))
			r.pass(33 * time.Second) // 95 s: in line since 90 s
			bea := r.phone.calls("bea")
			if len(bea) != 2 {
				r.t.Fatalf("bea was rung %d times", len(bea))
			}
			r.talking(p, bea[1])
			r.is("parked", r.parked(), 0)
			bea[1].hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_queue"})
			r.is("joined with the park's clock", r.queueJoin(id).At.Sub(since).Round(time.Second), 90*time.Second)
			r.outcome(id, "answered")
		})
	})
	t.Run("of those the call is offered to the first to answer has it", func(t *testing.T) {
		story(t, func(r *rig) {
			r.lot(fullLadder())
			p, id := r.parkedByAnn()
			r.phone.has("ann", device{does: "never"})
			r.phone.has("bea", answersAfter(2*time.Second))
			r.phone.has("carl", device{does: "never"}, device{does: "never"})
			r.pass(60 * time.Second)
			bea, carl := r.phone.calls("bea"), r.phone.calls("carl")
			r.talking(p, bea[0])
			for _, c := range carl {
				cause, _ := c.told()
				r.is("carl", cause, call.Elsewhere)
				r.is("carl's phone", c.over(), true)
			}
			r.is("carl", r.state("carl"), queues.Idle)
			bea[0].hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_offer"})
			r.is("results", r.results(id), []string{"remind:reminded", "recall:no_answer", "offer:answered"})
		})
	})
	t.Run("two answer in the same instant", func(t *testing.T) {
		for range 20 {
			story(t, func(r *rig) {
				r.lot(fullLadder())
				p, id := r.parkedByAnn()
				r.phone.has("bea", answersAfter(2*time.Second))
				r.phone.has("carl", answersAfter(2*time.Second))
				r.pass(60 * time.Second)
				bea, carl := r.phone.calls("bea")[0], r.phone.calls("carl")[0]
				winner, loser := bea, carl
				if carl.isUp() {
					winner, loser = carl, bea
				}
				r.talking(p, winner)
				r.is("loser's phone", loser.over(), true)
				r.is("loser", r.state(loser.name), queues.Idle)
				winner.hangUp()
				r.pass(time.Second)
				r.is("reasons", r.reasons(id), []string{"retrieved_offer"})
			})
		}
	})
	t.Run("a phone that is picked up as it stops ringing is not connected", func(t *testing.T) {
		story(t, func(r *rig) {
			r.lot(fullLadder())
			p, id := r.parkedByAnn()
			r.phone.has("bea", device{does: "never", crosses: true})
			r.pass(75 * time.Second)
			r.is("bea's phone", r.phone.calls("bea")[0].over(), true)
			r.is("bea", r.state("bea"), queues.Idle)
			r.hear(p, "music:hold")
			p.hangUp()
			r.pass(time.Second)
			r.is("claims", r.count(id, call.ParkClaimed), 0)
			r.is("results", r.results(id), []string{"remind:reminded", "recall:unavailable", "offer:no_answer"})
		})
	})
	t.Run("slot dial and queue answer in the same instant", func(t *testing.T) {
		for range 20 {
			story(t, func(r *rig) {
				r.serve(queues.Queue{Name: "desk"}, "bea")
				r.lot(parking.Lot{
					Name: "sales", First: 701, Last: 703, Music: "hold",
					Ladder: []parking.Step{{After: 10 * time.Second, Do: parking.Enqueue, Queue: "desk"}},
				})
				p, id := r.parkedByAnn()
				r.phone.has("bea", device{does: "never"})
				r.pass(7 * time.Second)
				bea := r.phone.calls("bea")[0]
				carl := r.newPhone("carl", true)
				go bea.pickUp()
				go r.hub.Incoming(callctl.Incoming{Leg: carl, Agent: "carl", From: callctl.Party{Agent: "carl"}, To: "701", At: time.Now()})
				r.pass(time.Second)
				if bea.isUp() == carl.isUp() {
					r.t.Errorf("bea has the call: %v, carl has it: %v", bea.isUp(), carl.isUp())
				}
				winner := map[bool]*phone{true: bea, false: carl}[bea.isUp()]
				r.talking(p, winner)
				winner.hangUp()
				r.pass(time.Second)
				want := map[bool]string{true: "[retrieved_queue]", false: "[retrieved_other]"}[winner == bea]
				r.is("reasons", r.reasons(id), want)
			})
		}
	})
	t.Run("without a parker the recall says so and the ladder goes on", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(`"in": {"type": "park", "cfg": {"lot": "sales", "ladder": [
				{"after_s": 10, "do": "remind", "to": "parker"}, {"after_s": 20, "do": "recall", "to": "parker"},
				{"after_s": 30, "do": "offer", "to": "agent:bea"}, {"after_s": 60, "do": "goto", "outcome": "expired"}]},
				"on": {"retrieved": "bye", "default": "vm"}},` + voicemail)
			r.phone.has("bea", answersAfter(time.Second))
			p := r.calls()
			r.pass(33 * time.Second)
			bea := r.phone.calls("bea")[0]
			r.talking(p, bea)
			bea.hangUp()
			r.pass(time.Second)
			id := r.book.lastBegun()
			r.is("results", r.results(id), []string{"remind:no_parker", "recall:no_parker", "offer:answered"})
			r.is("reasons", r.reasons(id), []string{"retrieved_offer"})
		})
	})
	t.Run("a condition skips a step, by what the CRM says now", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(`"in": {"type": "park", "cfg": {"lot": "sales", "ladder": [
				{"after_s": 10, "do": "offer", "to": "agent:bea", "when": "crm.tier == \"gold\""},
				{"after_s": 40, "do": "offer", "to": "owner", "when": "crm.tier == \"silver\""},
				{"after_s": 90, "do": "goto", "outcome": "expired"}]}, "on": {"retrieved": "bye", "default": "vm"}},` + voicemail)
			r.phone.has("carl", answersAfter(time.Second))
			p := r.calls()
			r.pass(5 * time.Second)
			r.mu.Lock()
			r.crm[caller] = crm.Record{Kind: "contact", Owner: "carl", Fields: map[string]any{"tier": "silver"}}
			r.mu.Unlock()
			r.pass(40 * time.Second)
			r.is("bea was rung", len(r.phone.calls("bea")), 0)
			r.talking(p, r.phone.calls("carl")[0])
			p.hangUp()
			r.pass(time.Second)
			r.is("results", r.results(r.book.lastBegun()), []string{"offer:skipped", "offer:answered"})
		})
	})
	t.Run("an end with a condition is one if it holds, else the ladder goes on", func(t *testing.T) {
		for tier, leaves := range map[string]bool{"gold": true, "silver": false} {
			story(t, func(r *rig) {
				r.crm[caller] = crm.Record{Kind: "contact", Fields: map[string]any{"tier": tier}}
				r.flow(`"in": {"type": "park", "cfg": {"lot": "sales", "ladder": [
					{"after_s": 20, "do": "goto", "outcome": "expired", "when": "crm.tier == \"gold\""},
					{"after_s": 40, "do": "offer", "to": "agent:carl"},
					{"after_s": 90, "do": "goto", "outcome": "expired"}]}, "on": {"retrieved": "bye", "default": "vm"}},` + voicemail)
				r.phone.has("carl", answersAfter(time.Second))
				p := r.calls()
				r.pass(30 * time.Second)
				r.is("still parked", r.parked(), map[bool]int{true: 0, false: 1}[leaves])
				r.pass(15 * time.Second)
				if !leaves {
					r.talking(p, r.phone.calls("carl")[0])
				}
				p.hangUp()
				r.pass(time.Second)
			})
		}
	})
	t.Run("a rep whose phone is ringing for a claim goes before an end with a condition", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(`"in": {"type": "park", "cfg": {"lot": "sales", "ladder": [
				{"after_s": 20, "do": "goto", "outcome": "expired", "when": "lot.slot > 0"}, {"after_s": 90, "do": "goto", "outcome": "expired"}]},
				"on": {"retrieved": "bye", "default": "vm"}},` + voicemail)
			r.phone.has("ann", answersAfter(4*time.Second))
			p := r.calls()
			r.pass(19 * time.Second)
			if _, err := r.hub.Retrieve(r.t.Context(), parking.Target{Lot: "sales", Slot: 701}, "ann"); err != nil {
				t.Fatal(err)
			}
			r.pass(5 * time.Second)
			r.talking(p, r.phone.calls("ann")[0])
			p.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(r.book.lastBegun()), []string{"retrieved_other"})
		})
	})
	t.Run("a CRM that is away stops no step, unless the step says so", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(`"in": {"type": "park", "cfg": {"lot": "sales", "ladder": [
				{"after_s": 10, "do": "offer", "to": "agent:bea", "when": "crm.tier == \"gold\"", "on_unknown": "skip"},
				{"after_s": 40, "do": "offer", "to": "agent:carl", "when": "crm.tier == \"gold\""},
				{"after_s": 90, "do": "goto", "outcome": "expired"}]}, "on": {"retrieved": "bye", "default": "vm"}},` + voicemail)
			r.crmAway = errDown
			r.phone.has("carl", answersAfter(time.Second))
			p := r.calls()
			r.pass(45 * time.Second)
			r.is("bea was rung", len(r.phone.calls("bea")), 0)
			r.talking(p, r.phone.calls("carl")[0])
			p.hangUp()
			r.pass(time.Second)
			r.is("results", r.results(r.book.lastBegun()), []string{"offer:unknown", "offer:answered"})
		})
	})
	t.Run("a bounced call keeps its place in line", func(t *testing.T) {
		story(t, func(r *rig) {
			r.serve(queues.Queue{Name: "desk"}, "bea")
			r.lot(parking.Lot{Name: "sales", First: 701, Last: 703, Music: "hold", Ladder: []parking.Step{
				{After: 10 * time.Second, Do: parking.Enqueue, Queue: "desk"},
				{After: 20 * time.Second, Do: parking.Recall, To: "parker"},
			}})
			p, id := r.parkedByAnn()
			r.phone.has("bea", device{does: "never"})
			r.pass(7 * time.Second)
			r.phone.has("ann", answersAfter(time.Second))
			r.pass(11 * time.Second) // 23 s
			ann := r.phone.calls("ann")[1]
			r.talking(p, ann)
			cause, _ := r.phone.calls("bea")[0].told()
			r.is("bea", cause, call.Elsewhere)
			ann.hangUp()
			r.phone.has("bea", answersAfter(time.Second))
			r.pass(10 * time.Second)
			bea := r.phone.calls("bea")
			r.talking(p, bea[len(bea)-1])
			bea[len(bea)-1].hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_queue"})
			r.is("joined", r.count(id, call.QueueJoined), 1)
		})
	})
	t.Run("announcements come back to music", func(t *testing.T) {
		story(t, func(r *rig) {
			r.lot(parking.Lot{Name: "sales", First: 701, Last: 703, Music: "hold", Ladder: []parking.Step{
				{After: 10 * time.Second, Do: parking.Announce}, {After: 12 * time.Second, Do: parking.Alert, To: "manager"},
			}})
			p, _ := r.parkedByAnn()
			r.pass(5200 * time.Millisecond)
			r.hear(p, "clip:still-waiting")
			r.pass(2 * time.Second)
			r.hear(p, "music:hold")
			p.hangUp()
		})
	})
}

func (r *rig) queueJoin(id call.ID) call.Event {
	for _, e := range r.ledger(id) {
		if e.Type == call.QueueJoined {
			return e
		}
	}
	return call.Event{}
}
