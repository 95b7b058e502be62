package queues

import (
	"iter"
	"maps"
	"slices"
)

// Takers are the agents who may take a parked call that is not for all: its owner
// ("parker"), or those of the owner's teams ("team"). Nobody is named where
// everybody may, and that is so too where nobody owns it: a caller whom nobody can
// take is worse off than one whom the wrong rep takes.
func Takers(agents iter.Seq[Agent], visibility, owner string) []string {
	teams := map[string][]string{}
	var own []string
	known := false
	for a := range agents {
		for _, t := range a.Teams {
			teams[t] = append(teams[t], a.Name)
		}
		if a.Name == owner {
			own, known = a.Teams, true
		}
	}
	out := map[string]bool{}
	switch {
	case !known:
	case visibility == "parker":
		out[owner] = true
	case visibility == "team":
		for _, t := range own {
			for _, name := range teams[t] {
				out[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(out))
}
