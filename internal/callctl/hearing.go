package callctl

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/voicemail"
)

// Messages is the mailroom as a rep's phone needs it. Done twice, each is harmless.
type Messages interface {
	// Unheard lists a box's messages that nobody has heard, the oldest first.
	Unheard(ctx context.Context, box string) ([]voicemail.Message, error)
	// Load has a message's sound ready under a name of its own, until drop.
	// *voicemail.ElsewhereError, *voicemail.NoSoundError.
	Load(ctx context.Context, m voicemail.Message) (prompt string, drop func(), err error)
	// Heard and Delete: *voicemail.UnknownError when it is gone already.
	Heard(ctx context.Context, id, by string, at time.Time) (voicemail.Message, error)
	Delete(ctx context.Context, id string) (voicemail.Message, error)
}

// What the keys do while messages are heard.
const (
	keyDelete = '7'
	keyKeep   = '9'
	keyEnough = '#'
)

const (
	listTime = 5 * time.Second
	// keyTime is how long after a message a key is waited for; then it is kept.
	keyTime = 5 * time.Second
)

// hearing is a rep's call to their own messages.
type hearing struct {
	list []voicemail.Message // those still to come, the first is the one heard now
	drop func()              // lets go of its sound; nil: there is none
	gen  int                 // grows with each step: late answers are told by it
	keys bool                // a message is being heard, or has just been
	wait *time.Timer         // for a key after the message
}

// hearMessages starts a rep's call to their messages.
func (h *Hub) hearMessages(in Incoming) {
	if h.cfg.Messages == nil {
		refuse(in.Leg, call.NotFound, "there are no mailboxes here")
		return
	}
	c := newCall(h, in, call.Number(in.To), nil)
	c.hearing = &hearing{}
	h.launch(c, in.Leg)
}

// listMessages asks for the messages beside the call, then answers and says how
// many there are.
func (c *Call) listMessages() {
	h := c.hearing
	err := errPanic
	c.fork(listTime, func(ctx context.Context) { h.list, err = c.hub.cfg.Messages.Unheard(ctx, c.agent) }, func() {
		if c.ended {
			return
		}
		c.answer(Party{Name: "Messages"}, func() {
			if err != nil {
				c.log.Error("messages not read", "agent", c.agent, "err", err)
				c.lastWords("unavailable", "goodbye")
				return
			}
			gen := h.gen
			c.ear().Play([]Clip{{Digits: strconv.Itoa(len(h.list))}}, func(bool) { c.hearingGoesOn(gen, c.hearNext) })
		})
	})
}

// hearingGoesOn runs f on the call's goroutine, if nothing has come between.
func (c *Call) hearingGoesOn(gen int, f func()) {
	c.mb.post(func() {
		if h := c.hearing; h.gen == gen && !c.ended {
			f()
		}
	})
}

// hearNext plays the first message of those still to come.
func (c *Call) hearNext() {
	h := c.hearing
	if len(h.list) == 0 {
		c.lastWords("goodbye")
		return
	}
	gen, m := h.gen, h.list[0]
	var (
		prompt string
		drop   func()
	)
	err := errPanic
	c.fork(fileTime, func(ctx context.Context) { prompt, drop, err = c.hub.cfg.Messages.Load(ctx, m) }, func() {
		switch {
		case h.gen != gen || c.ended: // hung up meanwhile
			if err == nil {
				drop()
			}
		case err != nil:
			// It stays new: it may be heard elsewhere, or when the disk is back.
			c.log.Warn("message not played", "message", m.ID, "err", err)
			h.step()
			after := h.gen
			c.ear().Play(clips("unavailable"), func(bool) { c.hearingGoesOn(after, c.hearNext) })
		default:
			h.drop, h.keys = drop, true
			c.ear().Play(clips("beep", prompt), func(whole bool) {
				c.hearingGoesOn(gen, func() {
					if whole {
						c.messageHeard(m)
					}
					h.wait = c.after(keyTime, func() {
						if h.gen == gen && !c.ended {
							h.step()
							c.hearNext()
						}
					})
				})
			})
		}
	})
}

// step leaves the message that is heard now.
func (h *hearing) step() {
	h.gen++
	h.list = h.list[1:]
	h.close()
}

// close lets go of what a message needs to be heard.
func (h *hearing) close() {
	h.keys = false
	if h.wait != nil {
		h.wait.Stop()
		h.wait = nil
	}
	if h.drop != nil {
		h.drop()
		h.drop = nil
	}
}

// hearingKey is a key that the rep presses.
func (c *Call) hearingKey(d rune) {
	h := c.hearing
	if d == keyEnough {
		h.gen++
		h.close()
		c.lastWords("goodbye")
		return
	}
	if !h.keys {
		return // nothing that it could be about
	}
	m := h.list[0]
	switch d {
	case keyKeep:
		c.messageHeard(m)
	case keyDelete:
		c.messageGone(m)
	default:
		return
	}
	c.ear().Silence()
	h.step()
	c.hearNext()
}

// messageHeard is written when the database takes it: the lamp follows.
func (c *Call) messageHeard(m voicemail.Message) {
	by, at := c.agent, time.Now()
	c.scribe.must("message heard", func(ctx context.Context) error {
		_, err := c.hub.cfg.Messages.Heard(ctx, m.ID, by, at)
		return unlessUnknown(err)
	})
}

func (c *Call) messageGone(m voicemail.Message) {
	c.scribe.must("message deleted", func(ctx context.Context) error {
		_, err := c.hub.cfg.Messages.Delete(ctx, m.ID)
		return unlessUnknown(err)
	})
}

// unlessUnknown: what is gone already needs no second attempt.
func unlessUnknown(err error) error {
	var unknown *voicemail.UnknownError
	if errors.As(err, &unknown) {
		return nil
	}
	return err
}

// lastWords are played before the call is over.
func (c *Call) lastWords(prompts ...string) {
	c.ear().Play(clips(prompts...), func(bool) { c.mb.post(func() { c.over(call.Normal) }) })
}
