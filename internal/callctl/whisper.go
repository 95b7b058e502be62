package callctl

import (
	"context"

	"github.com/callyard/callyard/internal/call"
)

// whisper is what a rep is told before they are connected with the caller.
type whisper struct {
	text  string
	sound string // spoken, "" as long as it is not
}

// whispering has a text spoken while the phones ring. Where nothing speaks it is
// shown on them instead.
func (c *Call) whispering(text, node string, inv *Invitation) *whisper {
	if text == "" {
		return nil
	}
	speak := c.hub.cfg.Speak
	if speak == nil || c.hub.cfg.Mute {
		inv.Display = short(text)
		return nil
	}
	w := &whisper{text: text}
	var sound string
	var err error
	c.fork(speakWithin, func(ctx context.Context) { sound, err = speak(ctx, text, "") }, func() {
		if err == nil {
			w.sound = sound
			return
		}
		c.log.Error("whisper not spoken", "node", node, "err", err)
		if !c.ended {
			c.note(call.Event{Type: call.NotSpoken, Node: node, Data: map[string]any{"error": err.Error()}})
		}
	})
	return w
}

// told whispers to a rep who has answered, and says whether they are to hear
// something first. The caller goes on hearing ringing; no other phone rings on,
// for the call is this rep's unless they put the phone down.
func (c *Call) told(r *round, l Leg, by call.Actor) bool {
	if r.whisper == nil || r.whisper.sound == "" {
		return false
	}
	m := l.Media()
	if m == nil {
		return false
	}
	sound := r.whisper.sound
	r.whisper = nil
	r.wants, r.closed, r.briefed = l, true, true
	if r.timer != nil {
		r.timer.Stop()
	}
	for _, x := range r.legs {
		if x.leg != l {
			c.drop(r, x.leg, "")
		}
	}
	for x := range c.rounds { // phones that others have sent the call to
		if x != r && r.deflects != nil && x.deflects == r.deflects {
			c.stopRinging(x, call.Elsewhere)
		}
	}
	if c.overheard == l {
		c.overheard = nil
		c.ear().Music("ringback")
	}
	c.note(call.Event{Type: call.Whispered, Leg: l.ID(), Actor: by})
	m.Play(clips(sound), func(bool) {
		c.mb.post(func() {
			if r.wants != l || c.ended { // they put the phone down, or the caller has gone
				return
			}
			r.wants = nil
			if c.talk != nil {
				c.drop(r, l, "")
				return
			}
			c.connect(r, l, by, nil)
		})
	})
	return true
}
