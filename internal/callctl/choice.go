package callctl

import (
	"fmt"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// Canary is a version that a part of a flow's callers run.
type Canary struct {
	routing.Canary
	Flow *routing.Flow // ready to run
}

// Choose is the version of a flow that a call runs from its beginning to its end:
// the stable one, or the canary if the caller is among its part. why is noted with
// the call; nil when there was nothing to choose.
func (p *Plan) Choose(stable *routing.Flow, from call.Number, id call.ID) (f *routing.Flow, why map[string]any) {
	if stable == nil || p.Flows[stable.Name()] != stable {
		return stable, nil // a rep's own call, which is no flow of anybody's
	}
	c, ok := p.Canaries[stable.Name()]
	if !ok {
		return stable, nil
	}
	in, share, by := c.Has(stable.Name(), from, id)
	f, chosen := stable, "stable"
	if in {
		f, chosen = c.Flow, "canary"
	}
	return f, map[string]any{
		"chosen": chosen, "stable": stable.Version(), "canary": c.Version, "percent": c.Percent, "share": share, "by": by,
		"why": fmt.Sprintf("canary %g %%: share %.4f of the %s is %s", c.Percent, share, by, map[bool]string{true: "within", false: "beyond"}[in]),
	}
}
