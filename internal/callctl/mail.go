package callctl

import (
	"os"
	"path/filepath"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// mail is a message being recorded.
type mail struct {
	box  string
	node string
	path string
	stop func() (time.Duration, error)
}

const (
	maxMessage   = 300 * time.Second
	leastMessage = time.Second // shorter ones are somebody who hung up at the beep
)

// takeMessage carries out a voicemail node: greeting, beep, recording. The
// message ends with #, with silence from a hang-up, or when it is full.
func (c *Call) takeMessage(cmd routing.Voicemail) {
	gen := c.wait.gen
	c.ear().Play(clips("leave-message", "beep"), func(bool) {
		c.mb.post(func() {
			if c.wait.gen == gen && !c.ended {
				c.recordMessage(cmd)
			}
		})
	})
}

func (c *Call) recordMessage(cmd routing.Voicemail) {
	gen := c.wait.gen
	box := cmd.Box
	if box == "" || box == "owner_or_team" {
		box = orText(c.owner(), "team")
	}
	dir := filepath.Join(c.hub.cfg.Voicemail, filepath.Base(box))
	path := filepath.Join(dir, string(c.id)+".wav")
	err := os.MkdirAll(dir, 0o750)
	var stop func() (time.Duration, error)
	max := min(orElse(cmd.Max, maxMessage), maxMessage)
	if err == nil {
		stop, err = c.ear().Record(path, max)
	}
	if err != nil {
		c.log.Error("message not recorded", "box", box, "err", err)
		c.resume("empty", nil)
		return
	}
	c.wait.box = &mail{box: box, node: cmd.Node, path: path, stop: stop}
	c.wait.timer = c.after(max, func() {
		if c.wait.gen == gen && !c.ended {
			c.messageDone()
		}
	})
}

// messageDone closes the recording and tells the flow.
func (c *Call) messageDone() {
	if c.keepMessage() {
		c.resume("left", nil)
	} else {
		c.resume("empty", nil)
	}
}

// keepMessage stores what was recorded, unless it is too short to be a message.
func (c *Call) keepMessage() bool {
	m := c.wait.box
	if m == nil {
		return false
	}
	c.wait.box = nil
	length, err := m.stop()
	if err != nil {
		c.log.Error("message not stored", "box", m.box, "err", err)
		return false
	}
	if length < leastMessage {
		_ = os.Remove(m.path) // nothing was said
		return false
	}
	c.voicemail = m.path
	c.note(call.Event{Type: call.VoicemailNew, Node: m.node, Data: map[string]any{"box": m.box, "file": filepath.Base(m.path), "length_ms": length.Milliseconds()}})
	return true
}
