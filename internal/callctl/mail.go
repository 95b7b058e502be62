package callctl

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/voicemail"
)

// Mail keeps messages: each with the fact that it was left, in one transaction.
type Mail interface {
	Keep(ctx context.Context, m voicemail.Message, fact call.Event) error
}

// mail is a message being recorded.
type mail struct {
	box  string
	node string
	file string // below the folder of messages
	task bool   // somebody is to hear it
	stop func() (time.Duration, error)
}

const (
	maxMessage   = 300 * time.Second
	leastMessage = time.Second // shorter ones are somebody who hung up at the beep
	fileTime     = 10 * time.Second
)

// takeMessage carries out a voicemail node: greeting, beep, recording. The
// message ends with #, with silence from a hang-up, or when it is full.
func (c *Call) takeMessage(cmd routing.Voicemail) {
	gen := c.wait.gen
	if cmd.Box == "" || cmd.Box == "owner_or_team" {
		cmd.Box = orText(c.owner(), "team")
	}
	greeting := "leave-message"
	if g := c.hub.cfg.Greeting; g != nil {
		greeting = orText(g(cmd.Box), greeting)
	}
	c.ear().Play(clips(greeting, "beep"), func(bool) {
		c.mb.post(func() {
			if c.wait.gen == gen && !c.ended {
				c.recordMessage(cmd)
			}
		})
	})
}

// recordMessage opens the file beside the call's goroutine: a disk that hangs must
// not keep the call from hearing that its caller is gone.
func (c *Call) recordMessage(cmd routing.Voicemail) {
	gen, ear := c.wait.gen, c.ear()
	name := string(c.id)
	if c.messages++; c.messages > 1 {
		name += "-" + itoa(c.messages) // what was left before stays
	}
	m := &mail{box: cmd.Box, node: cmd.Node, task: cmd.Task, file: filepath.Join(voicemail.Folder(cmd.Box), name+".wav")}
	path := filepath.Join(c.hub.cfg.Voicemail, m.file)
	longest := min(orElse(cmd.Max, maxMessage), maxMessage)
	err := errPanic
	c.fork(fileTime, func(context.Context) {
		if err = os.MkdirAll(filepath.Dir(path), 0o750); err == nil {
			m.stop, err = ear.Record(path, longest)
		}
	}, func() {
		switch {
		case c.wait.gen != gen || c.ended: // over meanwhile: nothing was said
			if err == nil {
				c.fork(fileTime, func(context.Context) { _, _ = m.stop(); _ = os.Remove(path) }, func() {})
			}
			return
		case err != nil:
			c.log.Error("message not recorded", "box", m.box, "err", err)
			c.resume("empty", nil)
			return
		}
		c.wait.box = m
		c.wait.timer = c.after(longest, func() {
			if c.wait.gen == gen && !c.ended {
				c.messageDone()
			}
		})
	})
}

// messageDone closes the recording and tells the flow.
func (c *Call) messageDone() {
	gen := c.wait.gen
	c.keepMessage(func(kept bool) {
		if c.wait.gen != gen || c.ended {
			return // the caller hung up meanwhile
		}
		if kept {
			c.resume("left", nil)
		} else {
			c.resume("empty", nil)
		}
	})
}

// keepMessage stores what was recorded, unless it is too short to be a message,
// and then says which. Without a recording that is at once.
func (c *Call) keepMessage(then func(kept bool)) {
	m := c.wait.box
	if m == nil {
		then(false)
		return
	}
	c.wait.box = nil
	c.keeping++
	path, at := filepath.Join(c.hub.cfg.Voicemail, m.file), time.Now()
	var length time.Duration
	err := errPanic
	c.fork(fileTime, func(context.Context) {
		if length, err = m.stop(); err == nil && length < leastMessage {
			_ = os.Remove(path) // nothing was said
		}
	}, func() {
		c.keeping--
		kept := err == nil && length >= leastMessage
		if err != nil {
			c.log.Error("message not stored", "box", m.box, "err", err)
		}
		if kept {
			c.voicemail = m.file
			if m.task {
				c.task = &crm.Task{Kind: "voicemail", Box: m.box}
			}
			c.keep(m, length, at)
		}
		then(kept)
		if f := c.onKept; f != nil && c.keeping == 0 {
			c.onKept = nil
			f()
		}
	})
}

// whenKept runs f once no message is being stored: what came of a call is known
// only then.
func (c *Call) whenKept(f func()) {
	if c.keeping == 0 {
		f()
		return
	}
	c.onKept = f
}

// keep writes the message and the fact that it was left.
func (c *Call) keep(m *mail, length time.Duration, at time.Time) {
	fact := call.Event{
		At: at, Call: c.id, Type: call.VoicemailNew, Node: m.node, Flow: c.walk.Flow, Version: c.walk.Version,
		Data: map[string]any{"box": m.box, "file": filepath.Base(m.file), "length_ms": length.Milliseconds()},
	}
	if c.hub.cfg.Mail == nil {
		c.note(fact)
		return
	}
	msg := voicemail.Message{
		ID: call.NewID("msg", at), Box: m.box, Call: c.id, Node: c.hub.cfg.Node, From: c.from.Number, Name: c.from.Name,
		File: m.file, Length: length, LeftAt: at,
	}
	c.scribe.must("message", func(ctx context.Context) error { return c.hub.cfg.Mail.Keep(ctx, msg, fact) })
}
