package callctl_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
)

func TestEarlyMedia(t *testing.T) {
	const two = `"in": {"type": "dial", "cfg": {"targets": ["number:` + outside + `"], "ring_s": 20}, "on": {"default": "next"}},
		"next": {"type": "dial", "cfg": {"targets": ["agent:ann"], "ring_s": 10}, "on": {"default": "bye"}}`

	t.Run("the caller hears the far end's own tone, then the one who answers", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(two)
			r.phone.has(outside, device{does: "answer", after: 5 * time.Second, early: time.Second})
			p := r.calls()
			r.pass(500 * time.Millisecond)
			r.hear(p, "")
			r.pass(time.Second)
			far := r.phone.calls(outside)[0]
			r.hear(p, "talk:"+outside)
			r.hear(far, "talk:caller")
			r.is("200", p.wasAnswered(), false)
			r.pass(5 * time.Second)
			r.talking(p, far)
			p.hangUp()
		})
	})

	t.Run("it fails: the caller hears the next phone ring", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(two)
			r.phone.has(outside, device{does: "busy", after: 3 * time.Second, early: time.Second})
			r.phone.has("ann", answersAfter(3*time.Second))
			p := r.calls()
			r.pass(2 * time.Second)
			r.hear(p, "talk:"+outside)
			r.pass(2 * time.Second)
			r.hear(p, "music:ringback")
			r.pass(3 * time.Second)
			r.talking(p, r.phone.calls("ann")[0])
			p.hangUp()
		})
	})

	t.Run("of several phones none speaks for the others, until it is left alone", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(`"in": {"type": "dial", "cfg": {"targets": ["agent:ann", "number:` + outside + `"], "ring_s": 20}, "on": {"default": "bye"}}`)
			r.phone.has("ann", device{does: "busy", after: 3 * time.Second})
			r.phone.has(outside, device{does: "busy", after: 6 * time.Second, early: time.Second})
			p := r.calls()
			r.pass(2 * time.Second)
			r.hear(p, "")
			r.pass(2 * time.Second)
			r.hear(p, "talk:"+outside)
			r.pass(3 * time.Second)
			r.is("over", p.over(), true)
		})
	})

	t.Run("the caller hangs up meanwhile", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(two)
			r.phone.has(outside, device{does: "never", early: time.Second})
			p := r.calls()
			r.pass(2 * time.Second)
			p.hangUp()
			r.pass(time.Second)
			cause, _ := r.phone.calls(outside)[0].told()
			r.is("the phone", cause, call.Cancelled)
		})
	})
}

func TestIntroduced(t *testing.T) {
	t.Run("a rep who is sent on is shown the colleague; parties outside are told nothing", func(t *testing.T) {
		story(t, func(r *rig) {
			r.phone.has("bea", answersAfter(time.Second))
			r.phone.has("carl", answersAfter(time.Second))
			ann := r.dials("ann", "bea")
			r.pass(2 * time.Second)
			bea := r.phone.calls("bea")[0]
			r.talking(ann, bea)
			r.is("ann was told of", ann.introduced(), "") // the 200 shows bea
			bea.refer("carl")
			r.pass(2 * time.Second)
			carl := r.phone.calls("carl")[0]
			r.talking(ann, carl)
			r.is("ann was told of", ann.introduced(), "carl")
			r.is("carl was told of", carl.introduced(), "")
			ann.hangUp()
		})
		story(t, func(r *rig) {
			p, rep, _ := r.talkingToAnn()
			r.phone.has("bea", answersAfter(time.Second))
			rep.refer("bea")
			r.pass(2 * time.Second)
			r.talking(p, r.phone.calls("bea")[0])
			r.is("the caller was told of", p.introduced(), "")
			r.is("bea was told of", r.phone.calls("bea")[0].introduced(), "")
			p.hangUp()
		})
	})
}
