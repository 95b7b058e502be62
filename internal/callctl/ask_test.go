package callctl_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
)

// asks is a flow that asks ann what came of the call; what follows is the nodes
// of "then" on.
func asks(cfg, then string) string {
	return `"in": {"type": "dial", "cfg": {"targets": ["agent:ann"]}, "on": {"answered": "done", "default": "bye"}},
		"done": {"type": "disposition", "cfg": {` + cfg + `}, "on": {"set": "then", "default": "late"}},
		"late": {"type": "notify", "cfg": {"channel": "webhook", "template": "late"}, "on": {"next": "bye"}}, ` + then
}

const (
	tells = `"then": {"type": "notify", "cfg": {"channel": "webhook", "template": "said"}, "on": {"next": "bye"}}`
	plays = `"then": {"type": "play", "cfg": {"prompt": "thanks"}, "on": {"next": "bye"}}`
)

func TestAsking(t *testing.T) {
	talk := func(r *rig, flow string) (p, ann *phone, id call.ID) {
		r.flow(flow)
		r.phone.has("ann", answersAfter(time.Second))
		p = r.calls()
		r.pass(2 * time.Second)
		ann = r.phone.calls("ann")[0]
		r.talking(p, ann)
		return p, ann, r.book.lastBegun()
	}
	for _, c := range []struct {
		name string
		ends func(p, ann *phone)
	}{
		{"the rep hangs up: the caller is let go at once, and the flow goes on by what is said", func(_, ann *phone) { ann.hangUp() }},
		{"the caller hangs up: the rep is asked all the same", func(p, _ *phone) { p.hangUp() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			story(t, func(r *rig) {
				p, ann, id := talk(r, asks("", tells))
				c.ends(p, ann)
				r.pass(time.Second)
				r.is("caller's leg", p.over(), true)
				r.is("ann's leg", ann.over(), true)
				r.outcome(id, "answered")
				r.is("asked", r.book.about(id, call.DispositionAsked)[0].Actor.User, "ann")
				r.pass(5 * time.Second)
				r.is("said", r.disposed(id), []string{})
				r.is("told", r.notices(), []string{})
				r.says(id, "won", "ann")
				r.pass(time.Second)
				r.is("told", r.notices(), []string{"said"})
				if got := r.decisions(id); !slices.Equal(got[len(got)-3:], []string{"done:set", "then:next", "bye:ended"}) {
					r.t.Errorf("decided %v", got)
				}
				r.is("walk is over", r.said.runs[id].Ended, true)
				r.pass(2 * time.Minute) // the job at the end of the time finds it done
				r.is("said at last", r.disposed(id), []string{"won"})
				r.is("told at last", r.notices(), []string{"said"})
			})
		})
	}
	t.Run("nobody says anything: the default is noted, and the flow goes on", func(t *testing.T) {
		story(t, func(r *rig) {
			p, _, id := talk(r, asks(`"timeout_s": 60, "default_code": "auto:none"`, tells))
			p.hangUp()
			r.pass(59 * time.Second)
			r.is("said", r.disposed(id), []string{})
			r.pass(2 * time.Second)
			r.is("said", r.disposed(id), []string{"auto:none"})
			r.is("told", r.notices(), []string{"late"})
			r.says(id, "won", "ann") // later is not too late, but the flow has gone on
			r.pass(time.Second)
			r.is("said", r.disposed(id), []string{"auto:none", "won"})
			r.is("told", r.notices(), []string{"late"})
		})
	})
	t.Run("what was said during the conversation is the answer", func(t *testing.T) {
		story(t, func(r *rig) {
			p, _, id := talk(r, asks("", tells))
			r.says(id, "won", "ann")
			r.pass(time.Second)
			p.hangUp()
			r.pass(time.Second)
			r.is("told", r.notices(), []string{"said"})
		})
	})
	t.Run("a caller whom the flow still needs hears music until it goes on", func(t *testing.T) {
		story(t, func(r *rig) {
			p, ann, id := talk(r, asks("", plays))
			ann.hangUp()
			r.pass(time.Second)
			r.hear(p, "music:hold")
			r.says(id, "won", "ann")
			r.pass(200 * time.Millisecond)
			r.hear(p, "clip:thanks")
			r.pass(20 * time.Second)
			r.is("caller's leg", p.over(), true)
			r.is("decided", slices.Contains(r.decisions(id), "then:next"), true)
		})
	})
	t.Run("and hangs up meanwhile: the flow goes on without them", func(t *testing.T) {
		story(t, func(r *rig) {
			p, ann, id := talk(r, asks("", plays))
			ann.hangUp()
			r.pass(time.Second)
			p.hangUp()
			r.pass(time.Second)
			r.outcome(id, "answered")
			r.says(id, "won", "ann")
			r.pass(time.Second)
			r.is("decided", r.decisions(id), []string{"in:answered", "done:hangup", "done:set", "then:hangup"})
		})
	})
	t.Run("and is not kept by a database that is away", func(t *testing.T) {
		story(t, func(r *rig) {
			p, ann, id := talk(r, asks(`"timeout_s": 30`, plays))
			r.db.set(func(d *database) { d.away = true })
			ann.hangUp()
			r.pass(40 * time.Second)
			r.is("caller's leg", p.over(), true)
			r.db.set(func(d *database) { d.away = false })
			r.pass(20 * time.Second)
			r.is("said", r.disposed(id), []string{"auto:not_set"})
		})
	})
	t.Run("required: no other call for the rep until the time is over", func(t *testing.T) {
		story(t, func(r *rig) {
			p, _, _ := talk(r, asks(`"required": true, "timeout_s": 40`, tells))
			p.hangUp()
			r.pass(30 * time.Second)
			r.is("ann", r.state("ann"), queues.WrapUp)
			r.pass(11 * time.Second)
			r.is("ann", r.state("ann"), queues.Idle)
		})
	})
	t.Run("required, of the rep who has the call at the end", func(t *testing.T) {
		story(t, func(r *rig) {
			p, ann, id := talk(r, asks(`"required": true, "timeout_s": 40`, tells))
			r.phone.has("bea", answersAfter(time.Second))
			ann.refer("bea")
			r.pass(15 * time.Second)
			r.is("ann, who has sent it on", r.state("ann"), queues.Idle)
			p.hangUp()
			r.pass(30 * time.Second)
			r.is("bea", r.state("bea"), queues.WrapUp)
			r.is("asked", r.book.about(id, call.DispositionAsked)[0].Actor.User, "bea")
			r.pass(15 * time.Second)
		})
	})
	t.Run("after a park as after a dial", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(strings.Replace(strings.Replace(asks("", tells), `"type": "dial", "cfg": {"targets": ["agent:ann"]}`, `"type": "park", "cfg": {"lot": "sales"}`, 1), "answered", "retrieved", 1))
			p := r.calls()
			r.pass(time.Second)
			id := r.book.lastBegun()
			bea := r.dials("bea", "701")
			r.pass(time.Second)
			r.talking(p, bea)
			p.hangUp()
			r.pass(time.Second)
			r.is("asked", r.book.about(id, call.DispositionAsked)[0].Actor.User, "bea")
			r.says(id, "won", "bea")
			r.pass(time.Second)
			r.is("told", r.notices(), []string{"said"})
		})
	})
	t.Run("a caller to whom nobody talked is nobody's to judge", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(strings.Replace(asks("", tells), `"default": "bye"}`, `"default": "done"}`, 1))
			r.phone.has("ann", device{does: "busy", after: time.Second})
			p := r.calls()
			r.pass(3 * time.Second)
			r.is("caller's leg", p.over(), true)
			id := r.book.lastBegun()
			r.is("asked", r.count(id, call.DispositionAsked), 0)
			r.is("told", r.notices(), []string{"late"})
		})
	})
	t.Run("the flow of a call that was cut off by a crash goes on", func(t *testing.T) {
		story(t, func(r *rig) {
			p, ann, id := talk(r, asks("", tells))
			ann.hangUp()
			r.pass(time.Second)
			r.is("caller's leg", p.over(), true)
			ask := r.book.about(id, call.DispositionAsked)[0].Data["ask"].(string)
			r.book.mu.Lock() // as if its end had never been written: the walk is that of the ask
			for i := range r.book.closed {
				r.book.closed[i].Run.At = ""
			}
			r.book.mu.Unlock()
			r.says(id, "won", "ann")
			for range 3 { // the job comes again
				if err := r.hub.DispositionSettled(context.Background(), disposition.Settled{Ask: ask}); err != nil {
					t.Error(err)
				}
			}
			r.is("told", r.notices(), []string{"said"})
		})
	})
}
