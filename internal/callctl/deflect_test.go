package callctl_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

func TestDeflection(t *testing.T) {
	sends := func(to string) device { return device{does: "302:" + to, after: time.Second} }
	t.Run("to a colleague", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(dialAnn)
			r.phone.has("ann", sends("2bea"))
			r.phone.has("bea", answersAfter(time.Second))
			p := r.calls()
			r.pass(1500 * time.Millisecond)
			r.is("states", []queues.State{r.state("ann"), r.state("bea")}, []queues.State{queues.Idle, queues.Ringing})
			r.pass(time.Second)
			bea := r.phone.calls("bea")[0]
			r.talking(p, bea)
			r.is("diverted", bea.inv.Diverted, "2ann")
			r.is("by her phone", bea.inv.Deflected, true)
			p.hangUp()
			r.pass(time.Second)
			r.outcome(r.book.lastBegun(), "answered")
		})
	})
	t.Run("to a number, whose own tone the caller hears", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(dialAnn)
			r.phone.has("ann", sends(outside))
			r.phone.has(outside, device{does: "answer", after: 10 * time.Second, early: time.Second})
			p := r.calls()
			r.pass(3 * time.Second)
			there := r.phone.calls(outside)[0]
			r.talking(p, there)
			r.is("diverted", there.inv.Diverted, "2ann")
			r.pass(10 * time.Second)
			r.talking(p, there)
			there.hangUp()
		})
	})
	t.Run("of one phone of two: both ring, one has it", func(t *testing.T) {
		for _, desk := range []bool{true, false} {
			story(t, func(r *rig) {
				r.flow(dialAnn)
				after := map[bool]time.Duration{true: 3 * time.Second, false: 30 * time.Second}
				r.phone.has("ann", sends(outside), answersAfter(after[desk]))
				r.phone.has(outside, answersAfter(after[!desk]-time.Second))
				if desk {
					r.phone.has(outside, device{does: "never"})
				} else {
					r.phone.has(outside, answersAfter(3*time.Second))
				}
				p := r.calls()
				r.pass(6 * time.Second)
				ann, there := r.phone.calls("ann")[1], r.phone.calls(outside)[0]
				winner, loser := ann, there
				if !desk {
					winner, loser = there, ann
				}
				r.talking(p, winner)
				cause, _ := loser.told()
				r.is("the other", cause, call.Elsewhere)
				p.hangUp()
			})
		}
	})
	t.Run("nobody answers there: the flow is told so", func(t *testing.T) {
		for does, want := range map[string]bool{"busy": true, "never": true} {
			story(t, func(r *rig) {
				r.flow(`"in": {"type": "dial", "cfg": {"targets": ["agent:ann"]}, "on": {"busy": "vm", "no_answer": "vm", "default": "bye"}},` + voicemail)
				r.phone.has("ann", sends("bea"))
				r.phone.has("bea", device{does: does, after: time.Second})
				p := r.calls()
				r.pass(25 * time.Second)
				r.is(does, p.hasHeard("leave-message"), want)
				p.hangUp()
			})
		}
	})
	t.Run("round in circles: each is rung once", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(dialAnn)
			r.agent("dora")
			r.agent("eve")
			for from, to := range map[string]string{"ann": "bea", "bea": "ann"} {
				r.phone.has(from, sends(to))
			}
			p := r.calls()
			r.pass(10 * time.Second)
			p.hangUp()
			r.is("rung", []int{len(r.phone.calls("ann")), len(r.phone.calls("bea"))}, []int{1, 1})
			for from, to := range map[string]string{"ann": "bea", "bea": "carl", "carl": "dora", "dora": "eve"} {
				r.phone.has(from, sends(to))
			}
			q := r.calls()
			r.pass(10 * time.Second)
			q.hangUp()
			r.is("and no further", []int{len(r.phone.calls("dora")), len(r.phone.calls("eve"))}, []int{1, 0})
		})
	})
	t.Run("not to a number of ours, a slot, or nobody", func(t *testing.T) {
		for _, to := range []string{line, "701", "99", "nobody"} {
			story(t, func(r *rig) {
				r.flow(dialAnn)
				r.phone.has("ann", sends(to))
				r.phone.has(to, answersAfter(time.Second))
				p := r.calls()
				r.pass(5 * time.Second)
				r.is(to, len(r.phone.calls(to)), map[bool]int{true: 1}[to == "nobody"])
				p.hangUp()
			})
		}
	})
	t.Run("what a queue offers is missed", func(t *testing.T) {
		story(t, func(r *rig) {
			r.serve(queues.Queue{Name: "desk", Ring: 10 * time.Second, Retry: time.Second}, "ann")
			r.flow(`"in": {"type": "queue", "cfg": {"queue": "desk"}, "on": {"default": "bye"}}`)
			r.phone.has("ann", sends(outside))
			r.phone.has(outside, answersAfter(time.Second))
			p := r.calls()
			r.pass(5 * time.Second)
			r.is("outside", len(r.phone.calls(outside)), 0)
			p.hangUp()
		})
	})
	t.Run("a recall goes to the colleague named, not to a number", func(t *testing.T) {
		for _, to := range []string{"bea", outside} {
			story(t, func(r *rig) {
				r.lot(parking.Lot{
					Name: "sales", First: 701, Last: 703, Music: "hold",
					Ladder: []parking.Step{{After: 10 * time.Second, Do: parking.Recall, To: "parker"}},
				})
				p, id := r.parkedByAnn()
				r.phone.has("ann", sends(to))
				r.phone.has("bea", answersAfter(time.Second))
				r.phone.has(outside, answersAfter(time.Second))
				r.pass(12 * time.Second)
				r.is("outside", len(r.phone.calls(outside)), 0)
				if to == "bea" {
					r.talking(p, r.phone.calls("bea")[0])
				} else {
					r.hear(p, "music:hold")
				}
				p.hangUp()
				r.pass(time.Second)
				r.is("reasons", r.reasons(id), []string{map[bool]string{true: "retrieved_offer", false: "abandoned"}[to == "bea"]})
			})
		}
	})
	t.Run("of a transfer: the REFER is told once, when somebody answers or nobody does", func(t *testing.T) {
		for does, status := range map[string]int{"answer": 200, "busy": 486} {
			story(t, func(r *rig) {
				p, rep, _ := r.talkingToAnn()
				r.phone.has("bea", sends("carl"), device{does: "never"})
				r.phone.has("carl", device{does: does, after: time.Second})
				ref := rep.refer("bea")
				r.pass(4 * time.Second)
				if does == "answer" {
					r.talking(p, r.phone.calls("carl")[0])
					r.is("rep", rep.over(), true)
				} else {
					r.is("bea's other phone still rings", ref.status(), 0)
					r.pass(20 * time.Second)
					r.talking(p, rep)
				}
				r.is("told", ref.status(), status)
				p.hangUp()
			})
		}
	})
	t.Run("whoever hangs up meanwhile, nothing is left over", func(t *testing.T) {
		for at := range 12 {
			for _, to := range []string{"bea", outside} {
				story(t, func(r *rig) {
					r.flow(dialAnn)
					r.db.set(func(d *database) { d.slow["reserve"] = 300 * time.Millisecond })
					r.phone.has("ann", sends(to))
					r.phone.has(to, answersAfter(500*time.Millisecond))
					p := r.calls()
					r.pass(time.Duration(at) * 200 * time.Millisecond)
					p.hangUp()
				})
			}
		}
	})
}
