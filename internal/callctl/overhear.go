package callctl

// overhear lets a waiting caller hear what a phone has to say before it is
// answered: a carrier's ringing tone, or its announcement that a number has
// changed. Only while that phone rings alone: of several, none can speak for the
// others, and the caller hears plain ringing.
func (c *Call) overhear(r *round) {
	if c.ended || r.via != "dial" || r.closed || !c.onlyRings(r) || len(r.legs) != 1 || c.talk != nil || c.stay != nil || c.line != nil || c.caller == nil {
		return
	}
	for _, x := range r.legs {
		if !x.early || c.overheard == x.leg {
			return
		}
		if c.answered.IsZero() && !c.picked {
			beside(c.caller, x.leg)
			c.caller.Early()
		}
		a, b := c.caller.Media(), x.leg.Media()
		if a == nil || b == nil {
			return
		}
		c.overheard = x.leg
		a.Join(b)
	}
}

// onlyRings tells whether the phones of a round are the only ones.
func (c *Call) onlyRings(r *round) bool {
	for x := range c.rounds {
		if x != r && len(x.legs) > 0 {
			return false
		}
	}
	return true
}

// unheard: a phone is gone. The caller hears the one that is left, if that has
// something to say, else ringing; when none is left, whatever comes next.
func (c *Call) unheard(r *round, l Leg) {
	mine := c.overheard == l
	if mine {
		c.overheard = nil
	}
	c.overhear(r)
	switch {
	case !mine || c.overheard != nil || c.ended || c.talk != nil:
	case len(r.legs) > 0:
		c.ear().Music("ringback")
	default:
		c.ear().Silence()
	}
}
