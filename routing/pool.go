package routing

import "slices"

// pool is those who may be offered a waiting call.
type pool struct {
	all    bool // of every tier
	tier   int  // this one and those before it
	skills []string
}

// widens finds what of a change would let nobody in, and is the pool after it.
func (p pool) widens(at place, tier *int, skills *[]string, out *faults) pool {
	if tier == nil && skills == nil {
		out.err(at, "lets nobody in: give a tier or skills")
	}
	switch {
	case tier == nil:
	case p.all:
		out.err(at.in("tier"), "agents of every tier may be offered the call already")
	case *tier <= p.tier:
		out.err(at.in("tier"), "tier %d comes after tier %d: nobody is let in", *tier, p.tier)
		fallthrough
	default:
		p.tier = *tier
	}
	if skills == nil {
		return p
	}
	for _, s := range *skills {
		if !slices.Contains(p.skills, s) {
			out.err(at.in("skills"), "%q was not asked for before: that lets fewer in", s)
		}
	}
	if len(*skills) >= len(p.skills) {
		out.err(at.in("skills"), "asks for as much as before")
	}
	p.skills = *skills
	return p
}
