package sim

import "github.com/callyard/callyard/routing"

// askRep carries out a disposition node: the rep who talked last is asked, and
// the caller is let go unless the flow needs them afterwards.
func (c *stage) askRep(cmd routing.Disposition) {
	if c.talked == "" {
		c.resume("timed_out", map[string]any{"disposition": map[string]any{"why": "no rep has talked to the caller"}})
		return
	}
	c.tell("asked", c.talked, "%s is asked what came of the call, for %v", c.talked, cmd.Timeout)
	switch {
	case c.gone:
	case cmd.LetGo:
		c.tell("hung_up", "", "the caller is let go")
		c.hungUpOn()
	default:
		c.hear("music", "")
	}
	c.wait.asked = true
	if outcome, vars, after := c.cast.says(cmd); outcome != "" {
		c.wait.timer = c.clock.after(after, func() { c.resume(outcome, vars) })
		return
	}
	c.wait.timer = c.clock.after(cmd.Timeout, func() { c.said("timed_out", cmd.Default, "") })
}

// disposed: the rep says what came of the call.
func (c *stage) disposed(code string) {
	if c.wait.asked {
		c.tell("disposed", c.talked, "%s says that %s came of the call", c.talked, code)
		c.said("set", code, c.talked)
	}
}

func (c *stage) said(outcome, code, by string) {
	c.hear("", "")
	c.resume(outcome, map[string]any{"disposition": map[string]any{"code": code, "by": by}})
}
