package callctl_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/queues"
)

// speaking has every text spoken under the text's own name.
func speaking(cfg *callctl.Config) {
	cfg.Speak = func(_ context.Context, text, _ string) (string, error) { return text, nil }
}

func TestWhisper(t *testing.T) {
	const whispers = `"in": {"type": "dial", "cfg": {"targets": ["agent:ann", "agent:bea"], "ring_s": 10, "whisper": "a call for {{call.to}}"},
		"on": {"answered": "bye", "rejected": "rej", "default": "un"}},
		"rej": {"type": "hangup", "cfg": {"cause": "rejected"}}, "un": {"type": "hangup", "cfg": {"cause": "unavailable"}}`
	const words = "clip:a call for " + line
	t.Run("whoever answers is told, and the caller hears ringing until then", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(whispers)
			r.phone.has("ann", answersAfter(3*time.Second))
			r.phone.has("bea", device{does: "never"})
			p := r.calls()
			r.pass(3*time.Second + 500*time.Millisecond)
			ann := r.phone.calls("ann")[0]
			r.is("ann hears", ann.hears(), words)
			r.is("200", p.wasAnswered(), false)
			cause, _ := r.phone.calls("bea")[0].told()
			r.is("bea's phone", cause, call.Elsewhere)
			r.pass(2 * time.Second)
			r.talking(p, ann)
			p.hangUp()
			r.pass(time.Second)
			r.outcome(r.book.lastBegun(), "answered")
		}, speaking)
	})
	t.Run("a rep who puts the phone down has not taken the call", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(whispers)
			r.phone.has("ann", answersAfter(3*time.Second))
			p := r.calls()
			r.pass(3*time.Second + 500*time.Millisecond)
			r.phone.calls("ann")[0].hangUp()
			r.pass(time.Second)
			cause, _ := p.told()
			r.is("the caller is told", cause, call.Rejected)
			r.is("200", p.wasAnswered(), false)
			r.is("ann", r.state("ann"), queues.Idle)
			r.is("outcomes", r.decided(), []any{"rejected", "ended"})
		}, speaking)
	})
	t.Run("a caller who gives up meanwhile was not answered", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(whispers)
			r.phone.has("ann", answersAfter(3*time.Second))
			p := r.calls()
			r.pass(3*time.Second + 500*time.Millisecond)
			p.hangUp()
			r.pass(time.Second)
			r.is("ann's phone", r.phone.calls("ann")[0].over(), true)
			r.is("ann", r.state("ann"), queues.Idle)
			r.outcome(r.book.lastBegun(), "abandoned")
		}, speaking)
	})
	t.Run("the next in turn is told as well", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(`"in": {"type": "dial", "cfg": {"targets": ["agent:ann", "agent:bea"], "strategy": "ordered", "ring_s": 10, "whisper": "gold"}, "on": {"default": "bye"}}`)
			r.phone.has("ann", answersAfter(time.Second))
			r.phone.has("bea", answersAfter(time.Second))
			p := r.calls()
			r.pass(time.Second + 500*time.Millisecond)
			r.phone.calls("ann")[0].hangUp()
			r.pass(1500 * time.Millisecond)
			r.is("bea hears", r.phone.calls("bea")[0].hears(), "clip:gold")
			r.pass(2 * time.Second)
			r.talking(p, r.phone.calls("bea")[0])
			p.hangUp()
		}, speaking)
	})
	t.Run("a phone that another has sent the call to stops ringing", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(whispers)
			r.phone.has("ann", answersAfter(3*time.Second))
			r.phone.has("bea", device{does: "302:" + outside, after: time.Second})
			r.phone.has(outside, device{does: "never"})
			p := r.calls()
			r.pass(3*time.Second + 500*time.Millisecond)
			r.is("the number outside", r.phone.calls(outside)[0].over(), true)
			r.phone.calls("ann")[0].hangUp()
			r.pass(time.Second)
			cause, _ := p.told()
			r.is("the caller is told", cause, call.Rejected)
		}, speaking)
	})
	t.Run("what cannot be spoken keeps nobody from talking", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayLog = append(r.mayLog, "whisper not spoken")
			r.flow(whispers)
			r.phone.has("ann", answersAfter(3*time.Second))
			p := r.calls()
			r.pass(4 * time.Second)
			r.talking(p, r.phone.calls("ann")[0])
			p.hangUp()
		}, func(cfg *callctl.Config) {
			cfg.Speak = func(context.Context, string, string) (string, error) { return "", errors.New("no voice") }
		})
	})
	t.Run("where nothing speaks it is shown", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(whispers)
			r.phone.has("ann", answersAfter(3*time.Second))
			p := r.calls()
			r.pass(4 * time.Second)
			ann := r.phone.calls("ann")[0]
			r.is("shown", ann.inv.Display, "a call for "+line)
			r.talking(p, ann)
			p.hangUp()
		})
	})
}

func TestNumberShownOutside(t *testing.T) {
	story(t, func(r *rig) {
		r.flow(`"in": {"type": "dial", "cfg": {"targets": ["agent:ann", "number:` + outside + `"], "present_cid": "+34910000009"}, "on": {"default": "bye"}}`)
		r.phone.has("ann", device{does: "never"})
		r.phone.has(outside, answersAfter(2*time.Second))
		p := r.calls()
		r.pass(3 * time.Second)
		r.is("shown to ann", r.phone.calls("ann")[0].inv.Shown.Number, call.Number(caller))
		r.is("shown outside", r.phone.calls(outside)[0].inv.Shown.Number, call.Number("+34910000009"))
		r.talking(p, r.phone.calls(outside)[0])
		p.hangUp()
	})
}
