package callctl_test

import (
	"errors"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

func TestTransfer(t *testing.T) {
	t.Run("the colleague answers and the rep is let go, told once", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, id := r.talkingToAnn()
			r.phone.has("bea", answersAfter(time.Second), device{does: "never"})
			ref := rep.refer("2bea")
			r.pass(500 * time.Millisecond)
			r.talking(p, rep)
			r.pass(2 * time.Second)
			bea := r.phone.calls("bea")
			r.talking(p, bea[0])
			r.is("told", ref.status(), 200)
			r.is("rep's leg", rep.over(), true)
			r.is("bea's other phone", bea[1].over(), true)
			r.is("ann", r.state("ann"), queues.WrapUp)
			r.is("bea", r.state("bea"), queues.Talking)
			bea[0].hangUp()
			r.pass(time.Second)
			r.outcome(id, "answered")
		})
	})
	t.Run("over REST, as the rep's phone would", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, id := r.talkingToAnn()
			r.phone.has("bea", answersAfter(time.Second))
			for to, want := range map[string]error{"zed": callctl.ErrNowhere, "bea": nil} {
				if err := r.hub.Transfer(r.t.Context(), id, to, call.Actor{Via: "rest"}); !errors.Is(err, want) {
					t.Errorf("%s: %v", to, err)
				}
			}
			r.pass(500 * time.Millisecond)
			r.talking(p, rep)
			r.pass(2 * time.Second)
			bea := r.phone.calls("bea")[0]
			r.talking(p, bea)
			r.is("rep's leg", rep.over(), true)
			bea.hangUp()
			r.pass(time.Second)
			r.outcome(id, "answered")
			if err := r.hub.Transfer(r.t.Context(), id, "ann", call.Actor{}); !errors.Is(err, callctl.ErrNoCall) {
				t.Error(err)
			}
		})
	})
	for does, status := range map[string]int{"busy": 486, "reject": 603, "never": 480} {
		t.Run(does+" leaves the two together", func(t *testing.T) {
			story(t, func(r *rig) {
				p, rep, _ := r.talkingToAnn()
				r.phone.has("bea", device{does: does, after: time.Second})
				ref := rep.refer("bea")
				r.pass(25 * time.Second)
				r.is("told", ref.status(), status)
				r.talking(p, rep)
				r.is("bea", r.state("bea"), queues.Idle)
				rep.hangUp()
			})
		})
	}
	t.Run("the rep hangs up while it rings: music, then the colleague", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, id := r.talkingToAnn()
			r.phone.has("bea", answersAfter(3*time.Second))
			ref := rep.refer("bea")
			r.pass(time.Second)
			rep.hangUp()
			r.pass(time.Second)
			r.hear(p, "music:hold")
			r.pass(2 * time.Second)
			bea := r.phone.calls("bea")[0]
			r.talking(p, bea)
			r.is("told", ref.status(), 200)
			bea.hangUp()
			r.pass(time.Second)
			r.outcome(id, "answered")
		})
	})
	t.Run("the rep hangs up and nobody answers: they are rung back, then the flow goes on", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(`"in": {"type": "dial", "cfg": {"targets": ["agent:ann"]}, "on": {"answered": "vm", "default": "bye"}},` + voicemail)
			r.phone.has("ann", answersAfter(time.Second))
			p := r.calls()
			r.pass(2 * time.Second)
			r.phone.has("bea", device{does: "never"})
			r.phone.has("carl", device{does: "busy", after: time.Second})
			r.phone.has("ann", device{does: "reject", after: 3 * time.Second})
			rep := r.phone.calls("ann")[0]
			first := rep.refer("bea")
			second := rep.refer("carl")
			r.pass(500 * time.Millisecond)
			rep.hangUp()
			r.pass(2 * time.Second)
			r.is("second", second.status(), 486)
			r.hear(p, "music:hold") // the first still rings
			r.pass(20 * time.Second)
			r.is("first", first.status(), 480)
			r.is("rung back", len(r.phone.calls("ann")), 2)
			r.is("not yet", p.hasHeard("leave-message"), false)
			r.pass(3 * time.Second)
			r.is("is asked for a message", p.hasHeard("leave-message"), true)
			p.hangUp()
		})
	})
	t.Run("to a number goes out through the trunk", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, _ := r.talkingToAnn()
			r.phone.has(outside, answersAfter(time.Second))
			ref := rep.refer(outside)
			r.pass(2 * time.Second)
			r.is("told", ref.status(), 200)
			r.talking(p, r.phone.calls(outside)[0])
			p.hangUp()
		})
	})
	t.Run("parked by a colleague who is reached through a trusted trunk", func(t *testing.T) {
		for by, parker := range map[call.Number]string{"2bea": "bea", "bea": "bea", "+3499": ""} {
			story(t, func(r *rig) {
				p, rep, _ := r.talkingToAnn()
				r.phone.has(outside, answersAfter(time.Second))
				rep.refer(outside)
				r.pass(2 * time.Second)
				there := r.phone.calls(outside)[0]
				there.remote = callctl.Party{Number: by}
				ref := there.refer("700")
				r.pass(5 * time.Second)
				r.is("told", ref.status(), 200)
				r.is("parker", r.park().Parker, parker)
				p.hangUp()
			})
		}
	})
	t.Run("to a slot while the caller is being parked already", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, _ := r.talkingToAnn()
			r.db.set(func(d *database) { d.slow["put"] = time.Second })
			first, second := rep.refer("700"), rep.refer("702")
			r.pass(500 * time.Millisecond)
			r.is("told", []int{first.status(), second.status()}, []int{0, 491})
			r.pass(5 * time.Second)
			r.is("told", first.status(), 200)
			r.is("slot", r.park().Slot, 701)
			p.hangUp()
		})
	})
	t.Run("to nobody, and by nobody", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, _ := r.talkingToAnn()
			ref := rep.refer("zed")
			mine := p.refer("bea")
			r.pass(time.Second)
			r.is("told", ref.status(), 404)
			r.is("the caller cannot", mine.status(), 603)
			r.talking(p, rep)
			p.hangUp()
		})
	})
	t.Run("parked while the colleague rings: who answers takes it out of the slot", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, id := r.talkingToAnn()
			r.phone.has("bea", answersAfter(2*time.Second))
			ref := rep.refer("bea")
			r.pass(time.Second)
			rep.press("*7")
			r.pass(3 * time.Second)
			r.talking(p, r.phone.calls("bea")[0])
			r.is("told", ref.status(), 200)
			r.is("parked", r.parked(), 0)
			p.hangUp()
			r.pass(time.Second)
			r.is("parks", len(r.reasons(id)), 1)
		})
	})
	t.Run("the colleague answers while the slot is being asked for", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, id := r.talkingToAnn()
			r.phone.has("bea", answersAfter(time.Second))
			r.db.set(func(d *database) { d.slow["put"] = 2 * time.Second })
			ref := rep.refer("bea")
			park := rep.refer("700")
			r.pass(4 * time.Second)
			r.is("parked", park.status(), 200)
			r.is("transferred", ref.status(), 200)
			r.talking(p, r.phone.calls("bea")[0])
			r.is("live parks", r.parked(), 0)
			p.hangUp()
			r.pass(time.Second)
			r.is("parks", len(r.reasons(id)), 1)
		})
	})
	t.Run("by a recalled parker, at once", func(t *testing.T) {
		story(t, func(r *rig) {
			r.lot(parking.Lot{
				Name: "sales", First: 701, Last: 703, Music: "hold",
				Ladder: []parking.Step{{After: 10 * time.Second, Do: parking.Recall, To: "parker"}},
			})
			p, id := r.parkedByAnn()
			r.phone.has("ann", answersAfter(time.Second))
			r.phone.has("bea", answersAfter(time.Second))
			r.pass(7 * time.Second)
			ann := r.phone.calls("ann")[1]
			ref := ann.refer("bea")
			r.pass(2 * time.Second)
			r.is("told", ref.status(), 200)
			r.talking(p, r.phone.calls("bea")[0])
			p.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_recall"})
		})
	})
	t.Run("the caller hangs up while the colleague rings", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, _ := r.talkingToAnn()
			r.phone.has("bea", device{does: "never"})
			rep.refer("bea")
			r.pass(time.Second)
			p.hangUp()
			r.pass(time.Second)
			cause, _ := r.phone.calls("bea")[0].told()
			r.is("bea", cause, call.Cancelled)
		})
	})
	t.Run("asked by a rep whose colleague means to send them on too: who asked is let go", func(t *testing.T) {
		story(t, func(r *rig) {
			ann, bea, _ := r.callsOut("bea")
			r.phone.has("carl", answersAfter(3*time.Second))
			ref := bea.refer("carl")
			r.pass(time.Second)
			ann.refer("zed")
			r.pass(3 * time.Second)
			r.is("told", ref.status(), 200)
			r.is("bea's leg", bea.over(), true)
			r.talking(ann, r.phone.calls("carl")[0])
			ann.hangUp()
		})
	})
	t.Run("not to everybody at once", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, _ := r.talkingToAnn()
			r.phone.has(outside, device{does: "never"})
			var last *referral
			for range 50 {
				last = rep.refer(outside)
			}
			r.pass(time.Second)
			r.is("told", last.status(), 491)
			if n := len(r.phone.calls(outside)); n > 3 {
				t.Errorf("%d calls go out", n)
			}
			r.talking(p, rep)
			p.hangUp()
		})
	})
}
