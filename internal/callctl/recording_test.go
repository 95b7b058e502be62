package callctl_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// recordedThenAnn announces the recording and rings ann.
const recordedThenAnn = `
	"in": {"type": "answer", "on": {"next": "rec"}},
	"rec": {"type": "record", "on": {"next": "ann"}},
	"ann": {"type": "dial", "cfg": {"targets": ["agent:ann"], "ring_s": 20}, "on": {"default": "bye"}}`

// tapesOf are the recordings of a call as the fakes wrote them, in order.
func (r *rig) tapesOf(id call.ID) (texts []string) {
	r.t.Helper()
	for _, e := range r.book.about(id, call.Recorded) {
		b, err := os.ReadFile(filepath.Join(r.tapes, e.Data["file"].(string)))
		if err != nil {
			r.t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	return texts
}

func TestRecording(t *testing.T) {
	t.Run("announced first, then each conversation has a file", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(recordedThenAnn)
			r.phone.has("ann", answersAfter(time.Second))
			p := r.calls()
			r.pass(4 * time.Second)
			rep := r.phone.calls("ann")[0]
			r.talking(p, rep)
			if !p.hasHeard("recorded") {
				t.Error("the caller was not told")
			}
			id := r.book.lastBegun()
			r.phone.has("ann")
			rep.press("*7")
			r.pass(5 * time.Second)
			taker := r.dials("bea", "701")
			r.pass(2 * time.Second)
			r.talking(p, taker)
			taker.hangUp()
			r.pass(2 * time.Second)
			if got := r.tapesOf(id); len(got) != 2 || got[0] == got[1] {
				t.Errorf("recordings %q", got)
			}
			if len(r.book.about(id, call.Consented)) != 1 {
				t.Error("the ledger does not say that the caller was told")
			}
		})
	})
	t.Run("the rep's *2 pauses and lets it go on", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(recordedThenAnn)
			r.phone.has("ann", answersAfter(time.Second))
			p := r.calls()
			r.pass(4 * time.Second)
			rep := r.phone.calls("ann")[0]
			r.talking(p, rep)
			id := r.book.lastBegun()
			for range 2 {
				rep.press("*2")
				r.pass(3 * time.Second)
				if !rep.hasHeard("beep") {
					t.Error("no beep")
				}
				r.talking(p, rep)
			}
			p.hangUp()
			r.pass(2 * time.Second)
			got := r.tapesOf(id)
			if len(got) != 1 || got[0][len(got[0])-len(" paused resumed"):] != " paused resumed" {
				t.Errorf("recordings %q", got)
			}
			if e := r.book.about(id, call.Recorded)[0]; e.Data["paused"] != true {
				t.Errorf("%v", e.Data)
			}
		})
	})
	t.Run("a pause ends with the conversation it was for", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(recordedThenAnn)
			r.phone.has("ann", answersAfter(time.Second))
			p := r.calls()
			r.pass(4 * time.Second)
			rep := r.phone.calls("ann")[0]
			id := r.book.lastBegun()
			r.phone.has("ann")
			rep.press("*2")
			r.pass(3 * time.Second)
			rep.press("*7")
			r.pass(5 * time.Second)
			taker := r.dials("bea", "701")
			r.pass(2 * time.Second)
			r.talking(p, taker)
			taker.hangUp()
			r.pass(2 * time.Second)
			kept := r.book.about(id, call.Recorded)
			if len(kept) != 2 || kept[0].Data["paused"] != true || kept[1].Data["paused"] != false {
				t.Errorf("%v", kept)
			}
		})
	})
	t.Run("nothing is recorded that nobody asked for, and from outside it is switched", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, id := r.talkingToAnn()
			rep.press("*2")
			r.pass(2 * time.Second)
			if !rep.hasHeard("unavailable") {
				t.Error("the rep was not told")
			}
			if err := r.hub.Record(id, "start", call.Actor{User: "ann", Via: "rest"}); err != nil {
				t.Fatal(err)
			}
			r.pass(2 * time.Second)
			if err := r.hub.Record(id, "stop", call.Actor{User: "ann", Via: "rest"}); err != nil {
				t.Fatal(err)
			}
			r.pass(time.Second)
			if got := r.tapesOf(id); len(got) != 1 {
				t.Errorf("recordings %q", got)
			}
			p.hangUp()
			r.pass(time.Second)
			if got := r.tapesOf(id); len(got) != 1 {
				t.Errorf("recordings %q", got)
			}
			if err := r.hub.Record(id, "start", call.Actor{}); err == nil {
				t.Error("a call that is over is recorded")
			}
		})
	})
	t.Run("a folder that cannot be written is said in the ledger, and the call goes on", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayLog = append(r.mayLog, "conversation not recorded")
			p, rep, id := r.talkingToAnn()
			if err := os.Remove(r.tapes); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(r.tapes, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := r.hub.Record(id, "start", call.Actor{}); err != nil {
				t.Fatal(err)
			}
			r.pass(time.Second)
			r.talking(p, rep)
			_ = os.Remove(r.tapes)
			if err := r.hub.Record(id, "start", call.Actor{}); err != nil { // somebody has made room
				t.Fatal(err)
			}
			r.pass(time.Second)
			p.hangUp()
			r.pass(time.Second)
			if len(r.book.about(id, call.NotRecorded)) != 1 {
				t.Error("the ledger does not say that it was not recorded")
			}
			if got := r.tapesOf(id); len(got) != 1 {
				t.Errorf("asked for again: recordings %q", got)
			}
		})
	})
}
