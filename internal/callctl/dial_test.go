package callctl_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

func TestDial(t *testing.T) {
	const team = `"in": {"type": "dial", "cfg": {"targets": ["agent:ann", "agent:bea"], "ring_s": 10},
		"on": {"answered": "bye", "busy": "b", "rejected": "rej", "no_answer": "na", "unavailable": "un", "failed": "f"}},
		"b": {"type": "hangup", "cfg": {"cause": "busy"}}, "rej": {"type": "hangup", "cfg": {"cause": "rejected"}},
		"na": {"type": "hangup", "cfg": {"cause": "not_found"}}, "un": {"type": "hangup", "cfg": {"cause": "unavailable"}},
		"f": {"type": "hangup", "cfg": {"cause": "forbidden"}}`
	t.Run("the caller hears ringing, and is answered when somebody answers", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(team)
			r.phone.has("ann", device{does: "never"})
			r.phone.has("bea", answersAfter(3*time.Second), device{does: "never"})
			p := r.calls()
			r.pass(time.Second)
			r.is("180", p.wasRung(), true)
			r.is("200", p.wasAnswered(), false)
			r.is("ann", r.state("ann"), queues.Ringing)
			r.pass(3 * time.Second)
			r.is("200", p.wasAnswered(), true)
			r.talking(p, r.phone.calls("bea")[0])
			cause, _ := r.phone.calls("ann")[0].told()
			r.is("ann's phone", cause, call.Elsewhere)
			r.is("ann", r.state("ann"), queues.Idle)
			r.is("bea", r.state("bea"), queues.Talking)
			p.hangUp()
			r.pass(time.Second)
			r.is("bea", r.state("bea"), queues.WrapUp)
			r.outcome(r.book.lastBegun(), "answered")
		})
	})
	t.Run("a transfer hands the caller over, or says that it failed", func(t *testing.T) {
		const handed = `"in": {"type": "transfer", "cfg": {"to": "agent:ann", "ring_s": 10}, "on": {"ok": "done", "default": "left"}},
			"done": {"type": "hangup"}, "left": {"type": "hangup", "cfg": {"cause": "busy"}}`
		story(t, func(r *rig) {
			r.flow(handed)
			r.phone.has("ann", answersAfter(3*time.Second))
			p := r.calls()
			r.pass(4 * time.Second)
			r.talking(p, r.phone.calls("ann")[0])
			r.phone.calls("ann")[0].hangUp()
			r.pass(time.Second)
			r.is("over with the conversation", p.over(), true)
			r.is("outcomes", r.decided(), []any{"ok", "ended"})
		})
		story(t, func(r *rig) {
			r.flow(handed)
			r.phone.has("ann", device{does: "never"})
			p := r.calls()
			r.pass(9 * time.Second)
			r.is("over while it rings", p.over(), false)
			r.pass(3 * time.Second)
			cause, _ := p.told()
			r.is("told", cause, call.Busy)
			r.is("outcomes", r.decided(), []any{"failed", "ended"})
		})
	})
	t.Run("longest_idle rings the one who has not talked for longest, and nobody else", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(strings.Replace(team, `"ring_s": 10`, `"ring_s": 10, "strategy": "longest_idle"`, 1))
			r.phone.has("ann", answersAfter(time.Second))
			r.phone.has("bea", answersAfter(time.Second))
			rang := map[string]int{}
			for range 4 {
				p := r.calls()
				r.pass(2 * time.Second)
				p.hangUp()
				r.pass(time.Minute) // wrap-up is over
				for _, who := range []string{"ann", "bea"} {
					rang[who] = len(r.phone.calls(who))
				}
			}
			r.is("rung", rang, map[string]int{"ann": 2, "bea": 2})
		})
	})
	for _, c := range []struct {
		ann, bea string
		told     call.Cause
	}{
		{"busy", "never", call.Busy},
		{"reject", "busy", call.Rejected},
		{"never", "never", call.NotFound},
		{"gone", "gone", call.Unavailable},
		{"", "", call.Unavailable},
		{"never", "reject", call.Rejected},
	} {
		t.Run(fmt.Sprintf("ann %s, bea %s: the flow knows", c.ann, c.bea), func(t *testing.T) {
			story(t, func(r *rig) {
				r.flow(team)
				for who, does := range map[string]string{"ann": c.ann, "bea": c.bea} {
					if does != "" {
						r.phone.has(who, device{does: does, after: time.Second})
					}
				}
				p := r.calls()
				r.pass(12 * time.Second)
				cause, _ := p.told()
				r.is("the caller", cause, c.told)
				r.is("200", p.wasAnswered(), false)
			})
		})
	}
	t.Run("agents and numbers ring together", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(`"in": {"type": "dial", "cfg": {"targets": ["agent:ann", "number:` + outside + `"]}, "on": {"default": "bye"}}`)
			r.phone.has("ann", device{does: "never"})
			r.phone.has(outside, answersAfter(2*time.Second))
			p := r.calls()
			r.pass(time.Second)
			r.is("ann", r.state("ann"), queues.Ringing)
			r.pass(2 * time.Second)
			r.talking(p, r.phone.calls(outside)[0])
			r.is("ann", r.state("ann"), queues.Idle)
			p.hangUp()
		})
	})
	t.Run("two numbers, of which the second is busy", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(`"in": {"type": "dial", "cfg": {"targets": ["number:+34920000001", "number:` + outside + `"]}, "on": {"busy": "b", "default": "bye"}},
				"b": {"type": "hangup", "cfg": {"cause": "busy"}}`)
			r.phone.has("+34920000001", device{does: "never"})
			r.phone.has(outside, device{does: "busy", after: time.Second})
			p := r.calls()
			r.pass(25 * time.Second)
			cause, _ := p.told()
			r.is("the caller", cause, call.Busy)
		})
	})
	t.Run("the caller gives up: every phone gets its CANCEL", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(team)
			r.phone.has("ann", device{does: "never"}, device{does: "never"})
			r.phone.has("bea", device{does: "never"})
			p := r.calls()
			r.pass(2 * time.Second)
			p.hangUp()
			r.pass(time.Second)
			for _, leg := range append(r.phone.calls("ann"), r.phone.calls("bea")...) {
				cause, _ := leg.told()
				r.is(leg.name, cause, call.Cancelled)
			}
			r.is("ann", r.state("ann"), queues.Idle)
			r.outcome(r.book.lastBegun(), "abandoned")
		})
	})
	t.Run("the rep hangs up before the caller's ACK", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(dialAnn)
			r.phone.has("ann", answersAfter(time.Second))
			p := r.callsWith(func(p *phone) { p.ack = 5 * time.Second })
			r.pass(1200 * time.Millisecond)
			r.phone.calls("ann")[0].hangUp()
			r.pass(time.Second)
			r.is("the caller's leg", p.over(), true)
		})
	})
	t.Run("a phone picked up as it stops ringing is not connected", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(team)
			r.phone.has("ann", device{does: "never", crosses: true})
			p := r.calls()
			r.pass(11 * time.Second)
			r.is("200", p.wasAnswered(), false)
			cause, _ := p.told()
			r.is("the caller", cause, call.NotFound) // of the flow's no_answer
			r.is("ann", r.state("ann"), queues.Idle)
		})
	})
	t.Run("two pick up, of which one as the other has won", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(team)
			r.phone.has("ann", answersAfter(time.Second), device{does: "never", crosses: true})
			r.phone.has("bea", device{does: "never", crosses: true})
			p := r.calls()
			r.pass(2 * time.Second)
			r.talking(p, r.phone.calls("ann")[0])
			r.is("bea's phone", r.phone.calls("bea")[0].over(), true)
			r.is("bea", r.state("bea"), queues.Idle)
			p.hangUp()
		})
	})
	t.Run("nobody rings for a number that nobody has", func(t *testing.T) {
		story(t, func(r *rig) {
			p := r.calls()
			r.pass(time.Second)
			cause, _ := p.told()
			r.is("the caller", cause, call.NotFound)
		})
	})
}

func TestRepCallsRep(t *testing.T) {
	t.Run("both are talking, and free again after it", func(t *testing.T) {
		story(t, func(r *rig) {
			r.phone.has("bea", answersAfter(time.Second))
			a := r.dials("ann", "2bea")
			r.pass(500 * time.Millisecond)
			r.is("180", a.wasRung(), true)
			r.is("ann", r.state("ann"), queues.Talking)
			r.pass(time.Second)
			bea := r.phone.calls("bea")[0]
			r.talking(a, bea)
			bea.hangUp()
			r.pass(time.Second)
			r.is("ann's leg", a.over(), true)
			c, _ := r.book.closing(r.book.lastBegun())
			r.is("logged in the CRM", c.Activity != nil, false)
		})
	})
	t.Run("busy stays busy", func(t *testing.T) {
		story(t, func(r *rig) {
			r.phone.has("bea", device{does: "busy", after: time.Second})
			a := r.dials("ann", "bea")
			r.pass(2 * time.Second)
			cause, _ := a.told()
			r.is("told", cause, call.Busy)
			r.is("ann", r.state("ann"), queues.Idle)
		})
	})
	t.Run("a rep calls out", func(t *testing.T) {
		story(t, func(r *rig) {
			r.phone.has(outside, answersAfter(time.Second))
			a := r.dials("ann", outside)
			r.pass(2 * time.Second)
			r.talking(a, r.phone.calls(outside)[0])
			a.hangUp()
			r.pass(time.Second)
			r.is("the other leg", r.phone.calls(outside)[0].over(), true)
		})
	})
}

// decided are the outcomes of the nodes that the newest call went through.
func (r *rig) decided() (outcomes []any) {
	for _, e := range r.book.about(r.book.lastBegun(), call.FlowDecided) {
		outcomes = append(outcomes, e.Data["outcome"])
	}
	return outcomes
}
