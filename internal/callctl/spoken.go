package callctl

import (
	"context"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// speakWithin is how long a caller waits in silence for a text that was never
// spoken before. Later ones come from memory.
const speakWithin = 6 * time.Second

// spoken has a text spoken and goes on with the name of the sound, if the flow
// still waits where it did; without a sound, with none: a caller must not be
// stuck because a program is missing.
func (c *Call) spoken(text, lang string, then func(prompt string)) {
	gen := c.wait.gen
	node := c.wait.node
	var prompt string
	var err error
	speak := c.hub.cfg.Speak
	if speak == nil {
		c.log.Warn("a text is passed over: nothing speaks here", "node", node)
		then("")
		return
	}
	c.fork(speakWithin, func(ctx context.Context) { prompt, err = speak(ctx, text, lang) }, func() {
		if c.wait.gen != gen || c.ended {
			return
		}
		if err != nil {
			c.log.Error("text not spoken", "node", node, "err", err)
			c.note(call.Event{Type: call.NotSpoken, Node: node, Data: map[string]any{"error": err.Error()}})
		}
		then(prompt)
	})
}
