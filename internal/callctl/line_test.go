package callctl_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

const queueFlow = `"in": {"type": "queue", "cfg": {"queue": "desk", "max_wait_s": 60, "exit_keys": {"0": "exit_key"}},
	"on": {"answered": "bye", "timeout": "vm", "full": "busy", "no_agents": "none", "exit_key": "vm"}},
	"busy": {"type": "hangup", "cfg": {"cause": "busy"}}, "none": {"type": "hangup", "cfg": {"cause": "unavailable"}},` + voicemail

func TestQueue(t *testing.T) {
	desk := queues.Queue{Name: "desk", Music: "line", Ring: 10 * time.Second, Retry: 2 * time.Second, WrapUp: 20 * time.Second}
	t.Run("who misses is passed over, and asked again", func(t *testing.T) {
		story(t, func(r *rig) {
			r.serve(desk, "ann", "bea")
			r.flow(queueFlow)
			r.phone.has("ann", device{does: "never"})
			r.phone.has("bea", device{does: "reject", after: time.Second})
			p := r.calls()
			r.pass(2 * time.Second)
			r.hear(p, "music:line")
			r.pass(10 * time.Second)
			r.phone.has("ann", answersAfter(time.Second))
			r.pass(8 * time.Second)
			ann := r.phone.calls("ann")
			r.talking(p, ann[len(ann)-1])
			r.is("bea was asked", len(r.phone.calls("bea")), 1)
			ann[len(ann)-1].hangUp()
			r.pass(time.Second)
			r.is("ann", r.state("ann"), queues.WrapUp)
			r.outcome(r.book.lastBegun(), "answered")
		})
	})
	t.Run("after the wrap-up the next caller's turn has come", func(t *testing.T) {
		story(t, func(r *rig) {
			r.serve(desk, "ann")
			r.flow(queueFlow)
			r.phone.has("ann", answersAfter(time.Second))
			first := r.calls()
			r.pass(time.Second / 2)
			second := r.calls()
			r.pass(3 * time.Second)
			ann := r.phone.calls("ann")[0]
			r.talking(first, ann)
			r.hear(second, "music:line")
			ann.hangUp()
			r.pass(10 * time.Second)
			r.hear(second, "music:line")
			r.pass(13 * time.Second)
			r.talking(second, r.phone.calls("ann")[1])
			second.hangUp()
		})
	})
	t.Run("all ring, one has it", func(t *testing.T) {
		story(t, func(r *rig) {
			all := desk
			all.Strategy = queues.RingAll
			r.serve(all, "ann", "bea", "carl")
			r.flow(queueFlow)
			r.phone.has("ann", answersAfter(2*time.Second))
			r.phone.has("bea", answersAfter(2*time.Second))
			p := r.calls()
			r.pass(4 * time.Second)
			a, b := r.phone.calls("ann")[0], r.phone.calls("bea")[0]
			if a.isUp() == b.isUp() {
				r.t.Fatalf("ann talks: %v, bea talks: %v", a.isUp(), b.isUp())
			}
			winner := map[bool]*phone{true: a, false: b}[a.isUp()]
			r.talking(p, winner)
			r.is("carl has no phone", r.state("carl"), queues.Idle)
			p.hangUp()
		})
	})
	t.Run("a wait that is too long ends", func(t *testing.T) {
		story(t, func(r *rig) {
			r.serve(desk, "ann")
			r.flow(queueFlow)
			r.phone.has("ann", device{does: "never"})
			p := r.calls()
			r.pass(62 * time.Second)
			r.is("is asked for a message", p.hasHeard("leave-message"), true)
			r.pass(time.Second)
			r.is("ann", r.state("ann"), queues.Idle)
			waiting, _ := r.lines.Waiting(r.t.Context(), "")
			r.is("waiting", len(waiting), 0)
			p.hangUp()
		})
	})
	t.Run("a phone is picked up as the wait ends", func(t *testing.T) {
		story(t, func(r *rig) {
			slow := desk
			slow.Ring = 25 * time.Second
			r.serve(slow, "ann")
			r.flow(queueFlow)
			r.phone.has("ann", device{does: "never", crosses: true})
			p := r.calls()
			r.pass(62 * time.Second)
			r.is("is asked for a message", p.hasHeard("leave-message"), true)
			r.is("nobody talked", r.count(r.book.lastBegun(), call.Connected), 0)
			p.hangUp()
		})
	})
	t.Run("the offer is answered just before or after the wait ends", func(t *testing.T) {
		for range 20 {
			story(t, func(r *rig) {
				slow := desk
				slow.Ring = 25 * time.Second
				r.serve(slow, "ann")
				r.flow(queueFlow)
				r.phone.has("ann", device{does: "never", bye: 50 * time.Millisecond})
				p := r.calls()
				r.pass(55 * time.Second)
				phones := r.phone.calls("ann")
				last := phones[len(phones)-1]
				if last.over() {
					r.t.Fatal("ann is not being rung")
				}
				time.AfterFunc(5020*time.Millisecond, last.pickUp) // the wait began with the ACK, 20 ms in
				r.pass(7 * time.Second)
				if last.isUp() {
					r.talking(p, last)
				} else {
					r.is("is asked for a message", p.hasHeard("leave-message"), true)
				}
				p.hangUp()
			})
		}
	})
	t.Run("a key leaves the line", func(t *testing.T) {
		story(t, func(r *rig) {
			r.serve(desk, "ann")
			r.flow(queueFlow)
			r.phone.has("ann", device{does: "never"})
			p := r.calls()
			r.pass(3 * time.Second)
			p.press("5")
			r.pass(time.Second)
			r.hear(p, "music:line")
			p.press("0")
			r.pass(time.Second)
			r.is("is asked for a message", p.hasHeard("leave-message"), true)
			r.is("ann's phone", r.phone.calls("ann")[0].over(), true)
			p.hangUp()
		})
	})
	t.Run("nobody there, and no such queue", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayLog = []string{"queue that does not exist"}
			r.serve(desk, "ann")
			_ = r.lines.SetStatus(r.t.Context(), "ann", queues.Away, "lunch", time.Now())
			r.flow(queueFlow)
			p := r.calls()
			r.pass(time.Second)
			cause, _ := p.told()
			r.is("the caller", cause, call.Unavailable)
			r.flow(`"in": {"type": "queue", "cfg": {"queue": "nowhere"}, "on": {"default": "bye"}}`)
			q := r.calls()
			r.pass(time.Second)
			r.is("the other caller", q.over(), true)
		})
	})
	t.Run("a full queue", func(t *testing.T) {
		story(t, func(r *rig) {
			small := desk
			small.MaxLen = 1
			r.serve(small, "ann")
			r.flow(queueFlow)
			p := r.calls()
			r.pass(time.Second)
			q := r.calls()
			r.pass(time.Second)
			cause, _ := q.told()
			r.is("the second", cause, call.Busy)
			p.hangUp()
		})
	})
	t.Run("the caller gives up while a phone rings", func(t *testing.T) {
		story(t, func(r *rig) {
			r.serve(desk, "ann")
			r.flow(queueFlow)
			r.phone.has("ann", device{does: "never"})
			p := r.calls()
			r.pass(3 * time.Second)
			p.hangUp()
			r.pass(time.Second)
			r.is("ann's phone", r.phone.calls("ann")[0].over(), true)
			r.is("ann", r.state("ann"), queues.Idle)
		})
	})
}
