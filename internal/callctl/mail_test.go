package callctl_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
)

// mailFlow takes a message and nothing else.
const mailFlow = `"in": {"type": "answer", "on": {"default": "vm"}},` + voicemail

// A disk that takes its time holds up nothing but what is written.
func TestSlowDisk(t *testing.T) {
	leaves := func(r *rig) (*phone, call.ID) {
		r.t.Helper()
		r.flow(mailFlow)
		r.disk = 3 * time.Second
		p := r.calls()
		r.pass(12 * time.Second)
		r.is("hears the greeting", p.hasHeard("leave-message"), true)
		return p, r.book.lastBegun()
	}
	for name, end := range map[string]func(r *rig, p *phone){
		"the caller hangs up":                             func(_ *rig, p *phone) { p.hangUp() },
		"the caller hangs up while the message is stored": func(r *rig, p *phone) { p.press("#"); r.pass(time.Second); p.hangUp() },
		"the hub hangs up after the message":              func(r *rig, p *phone) { p.press("#"); r.pass(4 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(r *rig) {
				p, id := leaves(r)
				end(r, p)
				r.pass(100 * time.Millisecond)
				r.is("the caller's leg is over", p.over(), true)
				r.pass(10 * time.Second)
				r.outcome(id, "voicemail")
				r.is("messages", r.count(id, call.VoicemailNew), 1)
				facts := r.ledger(id)
				r.is("the last fact", facts[len(facts)-1].Type, call.Ended)
			})
		})
	}
	for task, want := range map[string]*crm.Task{"true": {Kind: "voicemail", Box: "sales"}, "false": nil} {
		t.Run("the CRM is told of a task if one is to be made of it: "+task, func(t *testing.T) {
			story(t, func(r *rig) {
				r.flow(`"in": {"type": "answer", "on": {"default": "vm"}},
					"vm": {"type": "voicemail", "cfg": {"box": "sales", "max_s": 20, "task": ` + task + `}, "on": {"default": "bye"}}`)
				p := r.calls()
				r.pass(10 * time.Second)
				p.press("#")
				r.pass(5 * time.Second)
				cl, _ := r.book.closing(r.book.lastBegun())
				if !reflect.DeepEqual(cl.Activity.Task, want) {
					t.Errorf("%+v", cl.Activity.Task)
				}
			})
		})
	}
	t.Run("a second message does not take the place of the first", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(`"in": {"type": "answer", "on": {"default": "vm"}},
				"vm": {"type": "voicemail", "cfg": {"box": "sales", "max_s": 20}, "on": {"left": "again", "default": "bye"}},
				"again": {"type": "voicemail", "cfg": {"box": "sales", "max_s": 20}, "on": {"default": "bye"}}`)
			p := r.calls()
			for range 2 {
				r.pass(10 * time.Second)
				p.press("#")
			}
			r.pass(10 * time.Second)
			files := map[any]bool{}
			for _, e := range r.book.about(r.book.lastBegun(), call.VoicemailNew) {
				files[e.Data["file"]] = true
			}
			r.is("files", len(files), 2)
		})
	})
	t.Run("too short a message is none", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(mailFlow)
			p := r.calls()
			for !p.hasHeard("beep") {
				r.pass(10 * time.Millisecond)
			}
			r.pass(200 * time.Millisecond)
			p.hangUp()
			r.pass(time.Second)
			r.outcome(r.book.lastBegun(), "abandoned")
			r.is("messages", r.count(r.book.lastBegun(), call.VoicemailNew), 0)
		})
	})
}
