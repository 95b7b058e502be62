package callctl

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// longestTalk bounds one file.
const longestTalk = 4 * time.Hour

// recorded is what is wanted of this call's recordings.
type recorded struct {
	on     bool
	paused bool
	byKey  bool // paused by a rep, for the conversation they are in
	n      int  // conversations recorded until now
}

// keeping is a conversation that is being recorded.
type keeping struct {
	rec    Recording // nil until the file is open
	file   string    // below the folder of recordings
	began  time.Time
	paused bool // at any time
	over   bool // before the file was open
}

// recordByFlow carries out a record node. The caller is told before the recording
// starts, not while it does.
func (c *Call) recordByFlow(cmd routing.Record, up func(func())) {
	if cmd.Do != "start" || !cmd.Announce {
		c.switchRecording(cmd.Do)
		c.resume("done", nil)
		return
	}
	up(func() {
		gen := c.wait.gen
		c.announce(cmd.Prompt, cmd.Say, cmd.Lang, func() {
			if c.wait.gen == gen && !c.ended {
				c.note(call.Event{Type: call.Consented, Node: cmd.Node})
				c.switchRecording("start")
				c.resume("done", nil)
			}
		})
	})
}

// announce plays a prompt or a text, or what ships for recordings.
func (c *Call) announce(prompt, say, lang string, then func()) {
	play := func(prompt string) {
		if prompt == "" {
			prompt = "recorded"
		}
		c.ear().Play(clips(prompt), func(bool) { c.mb.post(then) })
	}
	if prompt == "" && say != "" {
		c.spoken(say, lang, play)
		return
	}
	play(prompt)
}

// switchRecording does what a flow, a rep or the API wants: "start", "stop",
// "pause", "resume".
func (c *Call) switchRecording(do string) {
	switch do {
	case "start":
		c.recorded.on, c.recorded.paused = true, false
	case "stop":
		c.recorded.on, c.recorded.paused = false, false
		if c.talk != nil {
			c.storeTalk(c.talk)
		}
		return
	case "pause":
		c.recorded.paused = true
	case "resume":
		c.recorded.paused = false
	}
	if t := c.talk; t != nil {
		if t.kept == nil {
			c.recordTalk(t)
		}
		t.kept.pause(c.recorded.paused)
	}
}

func (k *keeping) pause(on bool) {
	if k == nil {
		return
	}
	k.paused = k.paused || on
	if k.rec != nil {
		k.rec.Pause(on)
	}
}

// recordTalk begins a file for a conversation, if that is wanted. Opening it may
// take its time, and is done beside the call.
func (c *Call) recordTalk(t *talk) {
	if !c.recorded.on || t.kept != nil || c.caller == nil || c.hub.cfg.Recordings == "" {
		return
	}
	one, other := c.caller.Media(), t.leg.Media()
	if one == nil || other == nil {
		return
	}
	c.recorded.n++
	now := time.Now()
	k := &keeping{
		began: now, paused: c.recorded.paused,
		file: filepath.Join(c.began.UTC().Format(time.DateOnly), fmt.Sprintf("%s-%d.wav", c.id, c.recorded.n)),
	}
	t.kept = k
	path := filepath.Join(c.hub.cfg.Recordings, k.file)
	var rec Recording
	var err error
	c.fork(5*time.Second, func(context.Context) {
		if err = os.MkdirAll(filepath.Dir(path), 0o750); err == nil {
			rec, err = one.RecordWith(other, path, longestTalk)
		}
	}, func() {
		if err != nil {
			if t.kept == k {
				t.kept = nil // it can be asked for again
			}
			c.log.Error("conversation not recorded", "err", err)
			c.note(call.Event{Type: call.NotRecorded, Leg: t.leg.ID(), Data: map[string]any{"error": err.Error()}})
			return
		}
		k.rec = rec
		rec.Pause(c.recorded.paused)
		if k.over {
			c.storeKept(t, k)
		}
	})
}

// storeTalk completes the file of a conversation.
func (c *Call) storeTalk(t *talk) {
	k := t.kept
	if k == nil {
		return
	}
	t.kept = nil
	if c.recorded.byKey { // what they left out was theirs: whoever talks next is recorded
		c.recorded.paused, c.recorded.byKey = false, false
	}
	if k.rec == nil {
		k.over = true // as soon as it is open
		return
	}
	c.storeKept(t, k)
}

func (c *Call) storeKept(t *talk, k *keeping) {
	var length time.Duration
	var err error
	c.fork(30*time.Second, func(context.Context) { length, err = k.rec.Stop() }, func() {
		if err != nil {
			c.log.Error("recording not stored", "file", k.file, "err", err)
			c.note(call.Event{Type: call.NotRecorded, Leg: t.leg.ID(), Data: map[string]any{"error": err.Error()}})
			return
		}
		c.note(call.Event{
			Type: call.Recorded, Leg: t.leg.ID(), Actor: call.Actor{User: t.agent, Via: t.via},
			Data: map[string]any{"file": filepath.ToSlash(k.file), "began_at": k.began.UTC(), "length_ms": length.Milliseconds(), "paused": k.paused},
		})
	})
}

// pauseByKey: the rep is told by a beep whether it goes on, or by the word that
// nothing is recorded.
func (c *Call) pauseByKey(l Leg) {
	if !c.recorded.on {
		c.say(l, "unavailable")
		return
	}
	do := "pause"
	if c.recorded.paused {
		do = "resume"
	}
	c.switchRecording(do)
	c.recorded.byKey = c.recorded.paused
	c.say(l, "beep")
}

// Record has a live call's conversations recorded, or no longer: "start", "stop",
// "pause", "resume". Whoever starts it has told the caller. ErrNoCall if the call is
// not live here.
func (h *Hub) Record(id call.ID, do string, by call.Actor) error {
	c := h.call(id)
	if c == nil || !c.mb.post(func() {
		if !c.ended {
			c.note(call.Event{Type: call.RecordingSet, Actor: by, Data: map[string]any{"do": do}})
			c.switchRecording(do)
		}
	}) {
		return ErrNoCall
	}
	return nil
}
