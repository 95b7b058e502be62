package callctl_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/queues"
)

// consults is a caller on hold with ann, who has called bea to ask her.
func (r *rig) consults() (p, rep, ask, bea *phone, id call.ID) {
	r.t.Helper()
	p, rep, id = r.talkingToAnn()
	rep.hold(true)
	ask, bea, _ = r.callsOut("bea")
	r.hear(p, "music:hold")
	return p, rep, ask, bea, id
}

// lends has the REFER on rep name other, and the caller hang up before rep's call
// sees what it is given; meanwhile is what happens in between.
func (r *rig) lends(p, rep, other *phone, meanwhile func()) *referral {
	r.t.Helper()
	giver, taker := make(chan struct{}), make(chan struct{})
	callctl.Stall(r.hub, other, giver)
	ref := rep.replaces(other)
	r.pass(100 * time.Millisecond)
	callctl.Stall(r.hub, rep, taker)
	p.hangUp()
	r.pass(100 * time.Millisecond)
	close(giver)
	r.pass(100 * time.Millisecond)
	meanwhile()
	r.pass(100 * time.Millisecond)
	close(taker)
	r.pass(time.Second)
	return ref
}

// transfers checks that the ledger of a call tells of one transfer.
func (r *rig) transfers(id call.ID, want int) {
	r.t.Helper()
	r.is("transfers", r.count(id, call.Transferred), want)
}

func TestAttendedTransfer(t *testing.T) {
	t.Run("the caller is left with the colleague, and the rep with nobody", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, ask, bea, id := r.consults()
			question := r.book.lastBegun()
			ref := rep.replaces(ask)
			r.pass(time.Second)
			r.is("told", ref.status(), 200)
			r.talking(p, bea)
			r.is("ann's legs", []bool{rep.over(), ask.over()}, []bool{true, true})
			r.is("ann", r.state("ann"), queues.WrapUp)
			r.is("bea", r.state("bea"), queues.Talking)
			r.outcome(question, "answered")
			r.transfers(question, 1)
			r.transfers(id, 1)
			r.is("live", len(r.hub.Live()), 1)
			bea.hold(true)
			r.pass(time.Second)
			r.hear(p, "music:hold")
			bea.hold(false)
			bea.press("*7") // and it is a call like any other
			r.pass(5 * time.Second)
			r.is("parker", r.park().Parker, "bea")
			p.hangUp()
			r.pass(time.Second)
			r.outcome(id, "answered")
		})
	})
	t.Run("asked on the other call, it is the call from outside that goes on", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, ask, bea, id := r.consults()
			ref := ask.replaces(rep)
			r.pass(time.Second)
			r.is("told", ref.status(), 200)
			r.talking(p, bea)
			r.is("ann's legs", []bool{rep.over(), ask.over()}, []bool{true, true})
			r.is("live", r.hub.Live()[0].ID, id)
			p.hangUp()
		})
	})
	t.Run("REFER, then BYE on both calls", func(t *testing.T) {
		for _, reverse := range []bool{false, true} {
			story(t, func(r *rig) {
				p, rep, ask, bea, _ := r.consults()
				var ref *referral
				if reverse {
					ref = ask.replaces(rep)
					ask.hangUp()
				} else {
					ref = rep.replaces(ask)
					rep.hangUp()
				}
				r.pass(time.Second)
				r.is("told", ref.status(), 200)
				r.talking(p, bea)
				bea.hangUp()
				r.pass(time.Second)
				r.is("caller", p.over(), true)
			})
		}
	})
	t.Run("to a number", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, _ := r.talkingToAnn()
			ask, there, _ := r.callsOut(outside)
			ref := rep.replaces(ask)
			r.pass(time.Second)
			r.is("told", ref.status(), 200)
			r.talking(p, there)
			there.hangUp()
		})
	})
	t.Run("two callers are put through to each other", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(`"in": {"type": "park", "cfg": {"lot": "sales"}, "on": {"default": "bye"}}`)
			p := r.calls()
			r.pass(time.Second)
			id := r.book.lastBegun()
			q := r.calls()
			r.pass(time.Second)
			other := r.book.lastBegun()
			rep, second := r.dials("ann", "701"), r.dials("ann", "702")
			r.pass(time.Second)
			r.talking(p, rep)
			ref := rep.replaces(second)
			r.pass(time.Second)
			r.is("told", ref.status(), 200)
			r.talking(p, q)
			r.is("ann", r.state("ann"), queues.WrapUp)
			q.hangUp()
			r.pass(time.Second)
			r.outcome(id, "answered")
			r.outcome(other, "answered")
		})
	})
	t.Run("a call placed to a number, on to a colleague", func(t *testing.T) {
		story(t, func(r *rig) {
			first, there, _ := r.callsOut(outside)
			ask, bea, _ := r.callsOut("bea")
			ref := first.replaces(ask)
			r.pass(time.Second)
			r.is("told", ref.status(), 200)
			r.talking(there, bea)
			bea.hangUp()
			r.pass(time.Second)
			r.is("there", there.over(), true)
		})
	})
	t.Run("what cannot be leaves everything as it was", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, ask, bea, _ := r.consults()
			rep.hold(false)
			carl := r.newPhone("carl", true)
			stranger := rep.replaces(carl)
			itself := rep.replaces(rep)
			theirs := bea.replaces(rep) // ann's call is not bea's to give
			r.pass(time.Second)
			r.is("told", []int{stranger.status(), itself.status(), theirs.status()}, []int{603, 403, 403})
			r.talking(p, rep)
			r.talking(ask, bea)
			p.hangUp()
			ask.hangUp()
			carl.hangUp()
		})
	})
	t.Run("the colleague hangs up as it is asked for", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, ask, bea, _ := r.consults()
			bea.hangUp()
			ref := rep.replaces(ask)
			r.pass(time.Second)
			r.is("told no", ref.status() >= 400, true)
			rep.hold(false)
			r.pass(time.Second)
			r.talking(p, rep)
			r.is("ann", r.state("ann"), queues.Talking)
			p.hangUp()
		})
	})
	t.Run("whoever hangs up at that moment, nothing is left over", func(t *testing.T) {
		for who := range 4 {
			for _, first := range []bool{true, false} {
				for _, reverse := range []bool{true, false} {
					story(t, func(r *rig) {
						p, rep, ask, bea, _ := r.consults()
						from, to := rep, ask
						if reverse {
							from, to = ask, rep
						}
						gone := []*phone{p, rep, ask, bea}[who]
						if first {
							gone.hangUp()
						}
						from.replaces(to)
						if !first {
							gone.hangUp()
						}
						r.pass(time.Second)
						for _, l := range []*phone{p, rep, ask, bea} {
							l.hangUp()
						}
					})
				}
			}
		}
	})
	t.Run("whoever hangs up while the party is on its way", func(t *testing.T) {
		for who := range 5 {
			for _, slow := range []string{"taker", "giver"} {
				t.Run(fmt.Sprint([]string{"caller", "rep", "rep's other leg", "colleague", "caller and colleague"}[who], ", slow ", slow), func(t *testing.T) {
					story(t, func(r *rig) {
						p, rep, ask, bea, _ := r.consults()
						until := make(chan struct{})
						var ref *referral
						if slow == "taker" { // it has asked, and does not see what it is given
							ref = rep.replaces(ask)
							callctl.Stall(r.hub, rep, until)
						} else {
							callctl.Stall(r.hub, ask, until)
							ref = rep.replaces(ask)
						}
						r.pass(time.Second)
						for _, gone := range [][]*phone{{p}, {rep}, {ask}, {bea}, {p, bea}}[who] {
							gone.hangUp()
						}
						r.pass(time.Second)
						close(until)
						r.pass(time.Second)
						r.is("told", ref.status() != 0, true)
						if ref.status() == 200 && who != 0 && who < 3 {
							r.talking(p, bea)
						}
						if who == 3 && slow == "taker" {
							r.is("the caller is not left with nobody", p.over() || p.hasHeard("leave-message"), true)
						}
						for _, l := range []*phone{p, rep, ask, bea} {
							l.hangUp()
						}
					})
				})
			}
		}
	})
	t.Run("the caller has gone when the party comes: what happened to it meanwhile counts where it was", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, ask, bea, _ := r.consults()
			ref := r.lends(p, rep, ask, func() { bea.hold(true) })
			r.is("told", ref.status(), 603)
			r.hear(ask, "music:hold") // bea holds
			bea.hold(false)
			r.pass(time.Second)
			r.talking(ask, bea)
			r.is("states", []queues.State{r.state("ann"), r.state("bea")}, []queues.State{queues.Talking, queues.Talking})
			ask.hangUp()
		})
		story(t, func(r *rig) {
			p, rep, ask, bea, _ := r.consults()
			r.lends(p, rep, ask, func() { bea.hangUp() })
			r.is("ann's question", ask.over(), true)
		})
	})
	t.Run("both parties ask at once, and each other's", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, ask, bea, _ := r.consults()
			q := r.dials("bea", "carl")
			r.phone.has("carl", answersAfter(time.Second))
			r.pass(2 * time.Second)
			one, two := rep.replaces(ask), ask.replaces(rep)
			three := bea.replaces(q)
			r.pass(2 * time.Second)
			r.is("told", one.status() != 0 && two.status() != 0 && three.status() != 0, true)
			for _, l := range []*phone{p, rep, ask, bea, q} {
				l.hangUp()
			}
		})
	})
}
