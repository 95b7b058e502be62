package callctl_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/queues"
)

// askingBea is a caller on hold with ann, who hears bea's phones ring.
func (r *rig) askingBea(phones ...device) (p, rep, ask *phone, id call.ID) {
	r.t.Helper()
	p, rep, id = r.talkingToAnn()
	rep.hold(true)
	r.phone.has("bea", phones...)
	ask = r.dials("ann", "bea")
	r.pass(time.Second)
	r.is("bea", r.state("bea"), queues.Ringing)
	return p, rep, ask, id
}

func TestSemiAttendedTransfer(t *testing.T) {
	t.Run("the phones ring on for the caller, who gets whoever answers", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, ask, id := r.askingBea(answersAfter(5*time.Second), device{does: "never"})
			question := r.book.lastBegun()
			ref := rep.replaces(ask)
			r.pass(time.Second)
			r.is("calls to bea", len(r.phone.calls("bea")), 2)
			r.is("ann's question", ask.over(), true)
			cause, _ := ask.told()
			r.is("told", cause, call.Cancelled)
			r.is("states", []queues.State{r.state("ann"), r.state("bea")}, []queues.State{queues.Talking, queues.Ringing})
			r.is("not yet", ref.status(), 0)
			r.hear(p, "music:hold")
			r.pass(4 * time.Second)
			bea := r.phone.calls("bea")
			r.talking(p, bea[0])
			r.is("told", ref.status(), 200)
			r.is("ann's leg", rep.over(), true)
			r.is("bea's other phone", bea[1].over(), true)
			r.is("states", []queues.State{r.state("ann"), r.state("bea")}, []queues.State{queues.WrapUp, queues.Talking})
			r.transfers(question, 1)
			p.hangUp()
			r.pass(time.Second)
			r.outcome(id, "answered")
		})
	})
	t.Run("a number", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, _ := r.talkingToAnn()
			r.phone.has(outside, answersAfter(3*time.Second))
			ask := r.dials("ann", outside)
			r.pass(time.Second)
			ref := rep.replaces(ask)
			rep.hangUp()
			r.pass(3 * time.Second)
			r.is("told", ref.status(), 200)
			r.talking(p, r.phone.calls(outside)[0])
			p.hangUp()
		})
	})
	t.Run("its own tone is not for the caller on hold", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, ask, _ := r.askingBea(device{does: "answer", after: 5 * time.Second, early: 500 * time.Millisecond})
			r.hear(ask, "talk:bea")
			rep.replaces(ask)
			r.pass(time.Second)
			r.hear(p, "music:hold")
			r.pass(4 * time.Second)
			r.talking(p, r.phone.calls("bea")[0])
			p.hangUp()
		})
	})
	for does, status := range map[string]int{"busy": 486, "reject": 603, "never": 480} {
		t.Run(does+": the rep still has the caller", func(t *testing.T) {
			story(t, func(r *rig) {
				p, rep, ask, _ := r.askingBea(device{does: does, after: 5 * time.Second})
				ref := rep.replaces(ask)
				if does == "never" { // the phone's time is that of the first call
					r.pass(58 * time.Second)
					r.is("still", ref.status(), 0)
				}
				r.pass(5 * time.Second)
				r.is("told", ref.status(), status)
				rep.hold(false)
				r.pass(time.Second)
				r.talking(p, rep)
				r.is("bea", r.state("bea"), queues.Idle)
				rep.hangUp()
			})
		})
	}
	t.Run("the rep hangs up and nobody answers: they are rung back", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, ask, id := r.askingBea(device{does: "reject", after: 5 * time.Second})
			r.phone.has("ann", answersAfter(2*time.Second))
			ref := rep.replaces(ask)
			r.pass(time.Second)
			rep.hangUp()
			r.pass(time.Second)
			r.hear(p, "music:hold")
			r.pass(6 * time.Second)
			r.is("told", ref.status(), 603)
			ann := r.phone.calls("ann")
			r.is("shown", ann[len(ann)-1].inv.Display, "Not taken: "+caller)
			r.talking(p, ann[len(ann)-1])
			p.hangUp()
			r.pass(time.Second)
			r.outcome(id, "answered")
		})
	})
	t.Run("answered at that very moment", func(t *testing.T) {
		for _, reverse := range []bool{false, true} {
			for _, ack := range []time.Duration{20 * time.Millisecond, 3 * time.Second} {
				story(t, func(r *rig) {
					p, rep, _ := r.talkingToAnn()
					r.phone.has("bea", device{does: "never"})
					ask := r.dialsWith("ann", "bea", func(p *phone) { p.ack = ack })
					r.pass(time.Second)
					bea := r.phone.calls("bea")[0]
					var ref *referral
					if reverse {
						ref = rep.replaces(ask)
						bea.pickUp()
					} else {
						bea.pickUp()
						ref = rep.replaces(ask)
					}
					r.pass(time.Second)
					r.is("told", ref.status(), 200)
					r.talking(p, bea)
					r.pass(3 * time.Second)
					r.talking(p, bea)
					p.hangUp()
				})
			}
		}
	})
	t.Run("whoever hangs up meanwhile, nothing is left over", func(t *testing.T) {
		for who := range 5 {
			for _, slow := range []string{"taker", "giver", "neither"} {
				t.Run(fmt.Sprint([]string{"caller", "rep", "rep's other leg", "colleague", "all of ann"}[who], ", slow ", slow), func(t *testing.T) {
					story(t, func(r *rig) {
						p, rep, ask, _ := r.askingBea(device{does: "answer", after: 6 * time.Second})
						bea := r.phone.calls("bea")[0]
						until := make(chan struct{})
						var ref *referral
						switch slow {
						case "taker":
							ref = rep.replaces(ask)
							callctl.Stall(r.hub, rep, until)
						case "giver":
							callctl.Stall(r.hub, ask, until)
							ref = rep.replaces(ask)
						default:
							ref = rep.replaces(ask)
						}
						r.pass(time.Second)
						for _, gone := range [][]*phone{{p}, {rep}, {ask}, {bea}, {ask, rep}}[who] {
							gone.hangUp()
						}
						r.pass(time.Second)
						close(until)
						r.pass(8 * time.Second)
						r.is("told", ref.status() != 0, true)
						if slow == "taker" && (who == 1 || who == 2 || who == 4) {
							r.is("told", ref.status(), 200)
							r.talking(p, bea)
						}
						r.pass(time.Minute)
						for _, l := range []*phone{p, rep, ask, bea} {
							l.hangUp()
						}
					})
				})
			}
		}
	})
	t.Run("the caller has gone when the phones come: they ring where they did", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, ask, _ := r.askingBea(device{does: "never"})
			bea := r.phone.calls("bea")[0]
			ref := r.lends(p, rep, ask, bea.pickUp)
			r.is("told", ref.status(), 603)
			r.talking(ask, bea)
			ask.hangUp()
		})
		story(t, func(r *rig) {
			p, rep, ask, _ := r.askingBea(device{does: "never"})
			r.lends(p, rep, ask, func() {})
			r.is("ann waits", ask.over(), false)
			r.pass(time.Minute) // the phone's time has not stopped
			r.is("ann waits", ask.over(), true)
		})
		story(t, func(r *rig) {
			p, rep, ask, _ := r.askingBea(device{does: "never"})
			r.lends(p, rep, ask, ask.hangUp)
			r.is("bea's phone", r.phone.calls("bea")[0].over(), true)
		})
	})
	t.Run("answered at that moment, and the caller has gone", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, _ := r.talkingToAnn()
			r.phone.has("bea", device{does: "never"})
			ask := r.dialsWith("ann", "bea", func(p *phone) { p.ack = 500 * time.Millisecond })
			r.pass(time.Second)
			bea := r.phone.calls("bea")[0]
			bea.pickUp()
			r.lends(p, rep, ask, func() {})
			r.talking(ask, bea)
			ref := ask.refer("700") // a call like any other
			r.pass(time.Second)
			r.is("told", ref.status(), 200)
			bea.hangUp()
			r.pass(time.Second)
			end, _ := r.book.closing(r.book.lastBegun())
			r.is("answered", end.AnsweredAt.IsZero(), false)
		})
	})
	t.Run("not one that rings for somebody else", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, _ := r.talkingToAnn()
			r.phone.has("carl", device{does: "never"})
			theirs := r.dials("bea", "carl")
			r.pass(time.Second)
			ref := rep.replaces(theirs)
			r.pass(time.Second)
			r.is("told", ref.status(), 491)
			r.talking(p, rep)
			r.is("theirs goes on", theirs.over(), false)
			theirs.hangUp()
			p.hangUp()
		})
	})
}
