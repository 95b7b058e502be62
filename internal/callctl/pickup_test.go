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

// picksUp is an INVITE of an agent's phone that replaces a leg.
func (r *rig) picksUp(agent string, place *phone, how ...func(*phone)) *phone {
	p := r.newPhone(agent, true)
	p.remote = callctl.Party{Agent: agent, Device: agent + "-desk"}
	for _, f := range how {
		f(p)
	}
	r.hub.Incoming(callctl.Incoming{Leg: p, Agent: agent, From: p.remote, To: "x", At: time.Now(), Replaces: place})
	return p
}

func TestPickUp(t *testing.T) {
	never := func(p *phone) { p.ack = 3 * time.Second }
	t.Run("a colleague's phone that rings", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(dialAnn)
			r.phone.has("ann", device{does: "never"})
			p := r.calls()
			r.pass(time.Second)
			ann := r.phone.calls("ann")[0]
			bea := r.picksUp("bea", ann)
			r.pass(time.Second)
			r.talking(p, bea)
			cause, _ := ann.told()
			r.is("ann's phone", cause, call.Elsewhere)
			r.is("states", []queues.State{r.state("ann"), r.state("bea")}, []queues.State{queues.Idle, queues.Talking})
			bea.hangUp()
			r.pass(time.Second)
			r.outcome(r.book.lastBegun(), "answered")
			r.is("bea", r.state("bea"), queues.WrapUp)
		})
	})
	t.Run("from a queue", func(t *testing.T) {
		story(t, func(r *rig) {
			r.serve(queues.Queue{Name: "desk", Ring: 10 * time.Second, Retry: time.Second}, "ann")
			r.flow(`"in": {"type": "queue", "cfg": {"queue": "desk"}, "on": {"default": "bye"}}`)
			r.phone.has("ann", device{does: "never"})
			p := r.calls()
			r.pass(2 * time.Second)
			bea := r.picksUp("bea", r.phone.calls("ann")[0])
			r.pass(time.Second)
			r.talking(p, bea)
			r.is("ann", r.state("ann"), queues.Idle)
			p.hangUp()
		})
	})
	t.Run("of a call that is for others: told who may, and the phone rings on", func(t *testing.T) {
		story(t, func(r *rig) {
			r.crm[caller] = crm.Record{Kind: "contact", Owner: "carl"}
			r.flow(`"in": {"type": "crm_lookup", "on": {"default": "p"}}, "p": {"type": "park", "cfg": {"lot": "sales", "visibility": "parker", "max_park_s": 60,
				"ladder": [{"after_s": 5, "do": "offer", "to": "agent:ann", "ring_s": 10}, {"after_s": 60, "do": "goto", "outcome": "expired"}]}, "on": {"default": "bye"}}`)
			r.phone.has("ann", device{does: "never"})
			p := r.calls()
			r.pass(7 * time.Second)
			ann := r.phone.calls("ann")[0]
			bea := r.picksUp("bea", ann)
			r.pass(time.Second)
			if _, note := bea.told(); !bea.over() || !strings.Contains(note, "only carl may") {
				t.Errorf("bea is told %q", note)
			}
			ann.pickUp()
			r.pass(time.Second)
			r.talking(p, ann)
			p.hangUp()
		})
	})
	t.Run("answered there at the same moment: one of them has the caller", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(dialAnn)
			r.phone.has("ann", device{does: "never"})
			p := r.calls()
			r.pass(time.Second)
			ann := r.phone.calls("ann")[0]
			bea := r.picksUp("bea", ann)
			ann.pickUp()
			r.pass(time.Second)
			r.talking(p, ann)
			r.is("bea", bea.over(), true)
			late := r.picksUp("carl", bea)
			r.pass(time.Second)
			cause, _ := late.told()
			r.is("one that has ended", cause, call.Rejected)
			p.hangUp()
		})
	})
	t.Run("a recall: the park is claimed, and there is no bounce", func(t *testing.T) {
		story(t, func(r *rig) {
			r.lot(parking.Lot{
				Name: "sales", First: 701, Last: 703, Music: "hold",
				Ladder: []parking.Step{{After: 10 * time.Second, Do: parking.Recall, To: "parker"}},
			})
			p, id := r.parkedByAnn()
			r.phone.has("ann", device{does: "never"})
			r.pass(8 * time.Second)
			rung := r.phone.calls("ann")
			bea := r.picksUp("bea", rung[len(rung)-1])
			r.pass(time.Second)
			r.talking(p, bea)
			bea.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_other"})
		})
	})
	t.Run("a parked caller", func(t *testing.T) {
		story(t, func(r *rig) {
			p, id := r.parkedCall()
			first, second := r.picksUp("ann", p), r.picksUp("bea", p)
			r.pass(time.Second)
			winner, loser := first, second
			if first.over() {
				winner, loser = second, first
			}
			r.talking(p, winner)
			cause, _ := loser.told()
			r.is("the other", cause, call.Gone)
			p.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_other"})
		})
	})
	t.Run("a conversation: answered first, then the other is let go", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, id := r.talkingToAnn()
			bea := r.picksUp("bea", rep, func(p *phone) { p.ack = time.Second })
			r.pass(500 * time.Millisecond)
			r.talking(p, rep)
			r.pass(time.Second)
			r.talking(p, bea)
			r.is("ann's leg", rep.over(), true)
			r.is("states", []queues.State{r.state("ann"), r.state("bea")}, []queues.State{queues.WrapUp, queues.Talking})
			r.transfers(id, 1)
			mine := r.picksUp("bea", bea) // on to her other phone
			r.pass(time.Second)
			r.talking(p, mine)
			r.is("bea", r.state("bea"), queues.Talking)
			p.hangUp()
			r.pass(time.Second)
			r.outcome(id, "answered")
		})
	})
	t.Run("a conversation, and somebody hangs up meanwhile", func(t *testing.T) {
		for who := range 3 {
			story(t, func(r *rig) {
				p, rep, _ := r.talkingToAnn()
				bea := r.picksUp("bea", rep, never)
				r.pass(time.Second)
				[]*phone{p, rep, bea}[who].hangUp()
				r.pass(time.Second)
				if who == 1 {
					r.hear(p, "music:hold")
				}
				r.pass(5 * time.Second)
				switch who {
				case 0:
					r.is("bea", bea.over(), true)
				case 1:
					r.talking(p, bea)
				case 2:
					r.talking(p, rep)
				}
				p.hangUp()
			})
		}
	})
	t.Run("not a caller's place, nor without a name", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, _ := r.talkingToAnn()
			one, two := r.picksUp("bea", p), r.picksUp("", rep)
			r.pass(time.Second)
			first, _ := one.told()
			second, _ := two.told()
			r.is("told", []call.Cause{first, second}, []call.Cause{call.Forbidden, call.Forbidden})
			r.talking(p, rep)
			p.hangUp()
		})
	})
}
