package callctl_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/queues"
)

// TestWidening: who is let in later is rung at that moment, not when somebody
// happens to become free.
func TestWidening(t *testing.T) {
	story(t, func(r *rig) {
		r.flow(`"in": {"type": "queue", "cfg": {"queue": "sales", "widen": [{"after_s": 20, "tier": 1}]}, "on": {"default": "bye"}}`)
		if err := r.lines.SaveQueue(t.Context(), queues.Queue{Name: "sales", Agents: []queues.Assignment{{Agent: "ann"}, {Agent: "bea", Tier: 1}}}); err != nil {
			t.Fatal(err)
		}
		r.phone.has("ann", answersAfter(time.Second))
		r.phone.has("bea", answersAfter(time.Second))
		r.phone.has(outside, answersAfter(100*time.Millisecond))
		r.dials("ann", outside) // so that nobody of the first tier is free
		r.pass(time.Second)
		p := r.calls()
		r.pass(19 * time.Second)
		r.is("bea's phone", len(r.phone.calls("bea")), 0)
		r.pass(2500 * time.Millisecond)
		r.talking(p, r.phone.calls("bea")[0])
		p.hangUp()
		r.inbound[0].hangUp()
	})
}
