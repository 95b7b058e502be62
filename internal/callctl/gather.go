package callctl

import (
	"slices"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/routing"
)

// gather is a prompt and the digits pressed so far.
type gather struct {
	routing.Gather
	digits string
	timer  *time.Timer
}

// brokenOff is how long a flow waits after a prompt that was cut off by nobody's
// wish before it goes on.
const brokenOff = time.Second

// play plays a prompt; a digit may cut it short.
func (c *Call) play(cmd routing.Play) {
	if cmd.Prompt == "" && cmd.Say != "" {
		c.spoken(cmd.Say, cmd.Lang, func(prompt string) {
			cmd.Prompt, cmd.Say = prompt, ""
			c.play(cmd)
		})
		return
	}
	gen := c.wait.gen
	done := func() {
		if c.wait.gen == gen && !c.ended {
			c.resume("done", nil)
		}
	}
	c.ear().Play(clips(cmd.Prompt), func(whole bool) {
		if whole {
			c.mb.post(done)
			return
		}
		// Broken off, most likely because the caller has just hung up: the flow must
		// not run on for them.
		c.after(brokenOff, done)
	})
	if cmd.Interruptible {
		c.wait.gather = &gather{Gather: routing.Gather{Node: cmd.Node}}
	}
}

func clips(prompts ...string) []Clip {
	var out []Clip
	for _, p := range prompts {
		if p != "" {
			out = append(out, Clip{Prompt: p})
		}
	}
	return out
}

// gather plays a prompt and collects digits. The clock to the first digit
// starts when the prompt has ended.
func (c *Call) gather(cmd routing.Gather) {
	if cmd.Prompt == "" && cmd.Say != "" {
		c.spoken(cmd.Say, cmd.Lang, func(prompt string) {
			cmd.Prompt, cmd.Say = prompt, ""
			c.gather(cmd)
		})
		return
	}
	gen := c.wait.gen
	g := &gather{Gather: cmd}
	c.wait.gather = g
	await := func() { g.timer = c.after(cmd.Timeout, func() { c.gathered(gen) }) }
	if cmd.Prompt == "" {
		await()
		return
	}
	c.ear().Play(clips(cmd.Prompt), func(bool) {
		c.mb.post(func() { // also when the prompt broke off: nobody waits for ever
			if c.wait.gen == gen && g.digits == "" && g.timer == nil && !c.ended {
				await()
			}
		})
	})
}

// digit takes a key of the caller's while digits are awaited.
func (g *gather) digit(c *Call, d rune) {
	gen := c.wait.gen
	if g.Max == 0 { // a prompt that may be interrupted
		c.ear().Silence()
		c.resume("interrupted", nil)
		return
	}
	if g.digits == "" {
		c.ear().Silence()
	}
	if g.timer != nil {
		g.timer.Stop()
	}
	if g.Terminator != "" && string(d) == g.Terminator {
		c.gathered(gen)
		return
	}
	g.digits += string(d)
	if len(g.digits) >= g.Max {
		c.gathered(gen)
		return
	}
	between := g.InterDigit
	if between <= 0 {
		between = 3 * time.Second
	}
	g.timer = c.after(between, func() { c.gathered(gen) })
}

func (c *Call) gathered(gen int) {
	if c.wait.gen != gen || c.ended {
		return
	}
	g := c.wait.gather
	if g.timer != nil {
		g.timer.Stop()
	}
	if g.digits == "" {
		c.resume("timeout", nil)
		return
	}
	c.resume("digits", map[string]any{"digits": g.digits})
}

// onDigit routes a key press: the caller's to a menu, a queue's exit, a message
// being recorded or messages being heard, the rep's to the feature codes.
func (c *Call) onDigit(ev LegDigit) {
	switch {
	case c.ended:
	case ev.Leg == c.caller && c.talk == nil && c.taking == nil:
		switch {
		case c.hearing != nil:
			c.hearingKey(ev.Digit)
		case c.wait.gather != nil:
			c.wait.gather.digit(c, ev.Digit)
		case c.wait.box != nil && ev.Digit == '#':
			c.messageDone()
		case c.stay != nil && c.stay.mayCall && ev.Digit == backKey:
			c.wantsBack()
		case c.line != nil && c.line.exit[string(ev.Digit)] != "":
			c.leaveLine("exit_key", c.line.exit[string(ev.Digit)], call.Actor{Via: "caller"}, map[string]any{"key": string(ev.Digit)})
		}
	case c.talk != nil && c.repOn(ev.Leg) != "":
		c.feature(ev.Leg, ev.Digit)
	}
}

// featureGap is how long after the star the digit of a feature code may come.
const featureGap = 3 * time.Second

// featureKeys is as many as the longest feature code has; a phone may send keys
// for hours.
const featureKeys = 2

// keys are the last ones a rep has pressed.
type keys struct {
	typed string
	at    time.Time
}

// feature watches a rep's keys for *7, which parks whom they talk to, and *2,
// which pauses a recording and lets it go on.
func (c *Call) feature(l Leg, d rune) {
	now := time.Now()
	k := c.keys[l.ID()]
	if now.Sub(k.at) > featureGap {
		k.typed = ""
	}
	k.typed, k.at = (k.typed + string(d))[max(0, len(k.typed)-featureKeys+1):], now
	c.keys[l.ID()] = k
	if strings.HasSuffix(k.typed, "*2") {
		delete(c.keys, l.ID())
		c.pauseByKey(l)
		return
	}
	if !strings.HasSuffix(k.typed, "*7") {
		return
	}
	delete(c.keys, l.ID())
	c.facing(l)
	lot := c.homeLot()
	if lot == "" {
		c.say(l, "unavailable")
		return
	}
	c.parkByTalker(lot, 0, "feature", nil)
}

// say plays a prompt to a rep, who then goes on talking.
func (c *Call) say(l Leg, prompt string) {
	if m := l.Media(); m != nil {
		m.Play(clips(prompt), func(bool) { c.mb.post(c.rejoin) })
	}
}

// homeLot is where a rep's *7 parks: the lot of the last stay, else the only or
// first lot.
func (c *Call) homeLot() string {
	if c.lastLot != "" {
		return c.lastLot
	}
	lots := c.hub.cfg.Plan().Lots
	if len(lots) == 0 {
		return ""
	}
	first := slices.MinFunc(lots, func(a, b parking.Lot) int { return strings.Compare(a.Name, b.Name) })
	return first.Name
}
