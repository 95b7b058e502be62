package sim

import "github.com/callyard/callyard/queues"

// whispers tells somebody who has answered who calls, as internal/callctl does,
// and says whether they hear something before they are connected. The caller
// goes on hearing ringing, and no other phone rings on.
func (c *stage) whispers(r *round, who string) bool {
	if r.tells <= 0 {
		return false
	}
	takes := r.tells
	r.tells = 0
	r.timer.stop()
	for _, x := range r.rings {
		if x.who != who {
			c.missed(r, x, queues.Withdrawn)
		}
	}
	c.tell("told", who, "%s answers, and is told who calls", who)
	c.clock.after(takes, func() { c.won(r, who) })
	return true
}
