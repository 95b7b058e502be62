package sim

import (
	"time"

	"github.com/callyard/callyard/routing"
)

// gather is what the caller has pressed so far. With a Max of 0 it is a prompt
// that any key interrupts.
type gather struct {
	routing.Gather
	digits string
	timer  *timer
}

const betweenKeys = 3 * time.Second

// prompt plays something; a key may cut it short.
func (c *stage) prompt(cmd routing.Play) {
	c.says(cmd.Prompt, cmd.Say, "")
	length := c.world.says(cmd.Prompt, cmd.Say)
	if length <= 0 {
		c.hear("silence", "")
		c.resume("done", nil)
		return
	}
	if cmd.Interruptible {
		c.wait.gather = &gather{}
	}
	c.wait.timer = c.clock.after(length, func() {
		c.hear("silence", "")
		c.resume("done", nil)
	})
}

// ask plays a prompt and collects digits. The clock to the first digit starts
// when the prompt has ended.
func (c *stage) ask(cmd routing.Gather) {
	g := &gather{Gather: cmd}
	c.wait.gather, c.wait.forces = g, true
	c.says(cmd.Prompt, cmd.Say, "")
	length := c.world.says(cmd.Prompt, cmd.Say)
	c.wait.timer = c.clock.after(length, c.still(func() {
		if g.digits == "" && g.timer == nil {
			c.hear("silence", "")
			g.timer = c.clock.after(cmd.Timeout, c.still(c.gathered))
		}
	}))
	digits, after, unknown := c.cast.keys(cmd)
	switch {
	case unknown != "":
		c.stop(unknown)
	case digits != "":
		c.clock.after(after, c.still(func() { c.press(digits) }))
	}
}

// press is the caller's, one key after the other.
func (c *stage) press(digits string) {
	for _, d := range digits {
		if c.over() {
			return
		}
		c.key(string(d))
	}
}

func (c *stage) key(d string) {
	c.tell("key", "", "the caller presses %s", d)
	g := c.wait.gather
	switch {
	case c.talk != nil:
	case g != nil && g.Max == 0:
		c.hear("silence", "")
		c.resume("interrupted", nil)
	case g != nil:
		c.hear("silence", "")
		g.timer.stop()
		if g.Terminator != "" && d == g.Terminator {
			c.gathered()
			return
		}
		if g.digits += d; len(g.digits) >= g.Max {
			c.gathered()
			return
		}
		between := g.InterDigit
		if between <= 0 {
			between = betweenKeys
		}
		g.timer = c.clock.after(between, c.still(c.gathered))
	case c.stay != nil && c.stay.mayCall && d == "1":
		c.leaveSlot("callback", routing.CallbackRequested, "caller")
	case c.line != nil && c.line.back && d == "1":
		c.goElsewhere(routing.CallbackRequested)
	case c.line != nil && !c.line.parked && c.wait.exits[d] != "":
		c.leaveLine("exit_key")
		c.resume("exit_key", map[string]any{"key": d})
	}
}

func (c *stage) gathered() {
	g := c.wait.gather
	if g.digits == "" {
		c.resume("timeout", nil)
		return
	}
	c.resume("digits", map[string]any{"digits": g.digits})
}
