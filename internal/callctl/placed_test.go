package callctl_test

import (
	"context"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

// callsOut is a call that ann has placed, with the two who talk.
func (r *rig) callsOut(to string) (ann, other *phone, id call.ID) {
	r.t.Helper()
	who, _ := r.plan().Agent(to)
	if who.Name == "" {
		who.Name = to
	}
	r.phone.has(who.Name, answersAfter(time.Second))
	ann = r.dials("ann", to)
	r.pass(2 * time.Second)
	other = r.phone.calls(who.Name)[len(r.phone.calls(who.Name))-1]
	r.talking(ann, other)
	return ann, other, r.book.lastBegun()
}

// TestPlacedCall: a rep does with a call they have placed what they would do
// with one they have taken.
func TestPlacedCall(t *testing.T) {
	parks := map[string]func(*rig, *phone, call.ID){
		"REFER": func(_ *rig, ann *phone, _ call.ID) { ann.refer("700") },
		"*7":    func(_ *rig, ann *phone, _ call.ID) { ann.press("*7") },
		"REFER and BYE": func(_ *rig, ann *phone, _ call.ID) {
			ann.refer("700")
			ann.hangUp()
		},
		"REST": func(r *rig, _ *phone, id call.ID) {
			go func() { _, _ = r.hub.Park(context.Background(), id, "sales", 0, call.Actor{User: "ann", Via: "rest"}) }()
		},
	}
	for _, to := range []string{outside, "bea"} {
		for how, park := range parks {
			t.Run(how+" parks "+to+", whom a colleague takes", func(t *testing.T) {
				story(t, func(r *rig) {
					ann, other, id := r.callsOut(to)
					park(r, ann, id)
					r.pass(5 * time.Second)
					r.hear(other, "music:hold")
					r.is("ann's leg", ann.over(), true)
					r.is("ann", r.state("ann"), queues.Idle)
					r.is("parker", r.park().Parker, "ann")
					carl := r.dials("carl", "701")
					r.pass(time.Second)
					r.talking(carl, other)
					carl.hangUp()
					r.pass(time.Second)
					r.is("other's leg", other.over(), true)
					r.is("reasons", r.reasons(id), []string{"retrieved_other"})
					r.outcome(id, "answered")
				})
			})
		}
	}
	t.Run("parked by a supervisor, for the rep", func(t *testing.T) {
		story(t, func(r *rig) {
			ann, other, id := r.callsOut(outside)
			r.is("live", r.hub.Live()[0].Agent, "ann")
			go func() { _, _ = r.hub.Park(context.Background(), id, "sales", 0, call.Actor{Via: "rest"}) }()
			r.pass(5 * time.Second)
			r.hear(other, "music:hold")
			r.is("ann's leg", ann.over(), true)
			r.is("parker", r.park().Parker, "ann")
			other.hangUp()
		})
	})
	t.Run("transferred blind", func(t *testing.T) {
		story(t, func(r *rig) {
			ann, other, id := r.callsOut(outside)
			r.phone.has("bea", answersAfter(time.Second))
			ref := ann.refer("bea")
			r.pass(3 * time.Second)
			r.is("told", ref.status(), 200)
			r.talking(r.phone.calls("bea")[0], other)
			r.is("ann", r.state("ann"), queues.WrapUp)
			r.is("bea", r.state("bea"), queues.Talking)
			other.hangUp()
			r.pass(time.Second)
			r.outcome(id, "answered")
		})
	})
	t.Run("a transfer that fails leaves the two together, and the rep's hanging up ends it", func(t *testing.T) {
		story(t, func(r *rig) {
			ann, other, _ := r.callsOut(outside)
			r.phone.has("bea", device{does: "busy", after: time.Second})
			ref := ann.refer("bea")
			r.pass(3 * time.Second)
			r.is("told", ref.status(), 486)
			r.talking(ann, other)
			ann.hangUp()
			r.pass(time.Second)
			r.is("other's leg", other.over(), true)
			r.is("ann", r.state("ann"), queues.WrapUp)
		})
	})
	t.Run("the colleague who was called may park the one who called", func(t *testing.T) {
		story(t, func(r *rig) {
			ann, bea, _ := r.callsOut("bea")
			bea.press("*7")
			r.pass(5 * time.Second)
			r.hear(ann, "music:hold")
			r.is("bea's leg", bea.over(), true)
			r.is("parker", r.park().Parker, "bea")
			ann.hangUp()
		})
	})
	t.Run("held by either side, and by both", func(t *testing.T) {
		story(t, func(r *rig) {
			ann, other, _ := r.callsOut(outside)
			ann.hold(true)
			r.pass(time.Second)
			r.hear(other, "music:hold")
			other.hold(true)
			ann.hold(false)
			r.pass(time.Second)
			r.hear(ann, "music:hold")
			other.hold(false)
			r.pass(time.Second)
			r.talking(ann, other)
			other.hangUp()
			r.pass(time.Second)
			r.is("ann's leg", ann.over(), true)
		})
	})
	t.Run("a rep in two calls is talking until the last is over", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, _ := r.talkingToAnn()
			rep.hold(true)
			second, other, _ := r.callsOut(outside)
			r.is("ann", r.state("ann"), queues.Talking)
			second.hangUp()
			r.pass(time.Second)
			r.is("other's leg", other.over(), true)
			r.is("ann with the caller", r.state("ann"), queues.Talking)
			rep.hold(false)
			r.pass(time.Second)
			r.talking(p, rep)
			p.hangUp()
			r.pass(time.Second)
			r.is("ann at last", r.state("ann"), queues.WrapUp)
		})
	})
}
