package sim

import (
	"time"

	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/routing"
)

// failedPark is the reason of a park that an imagined call makes come to
// something else.
const failedPark = parking.Failed

// leastMessage is what is shorter is no message, but somebody who hung up at the beep.
const leastMessage = time.Second

// takeMessage carries out a voicemail node. A message of no length said is left at once.
func (c *stage) takeMessage(cmd routing.Voicemail) {
	length := c.cast.speaks()
	c.wait.forces = true
	c.says("leave-message", "", "")
	outcome := "left"
	if length > 0 && length < leastMessage {
		outcome = "empty"
	}
	c.wait.timer = c.clock.after(c.world.says("leave-message", ""), c.still(func() {
		c.hear("silence", "")
		c.tell("beep", "", "the caller speaks to the voicemail %s", cmd.Box)
		c.wait.timer = c.clock.after(min(length, orElse(cmd.Max, 300*time.Second)), c.still(func() {
			c.resume(outcome, nil)
		}))
	}))
}
