package callctl

import (
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/call"
)

// silentLeg is a leg that is only known by its name.
type silentLeg struct{ Leg }

func (silentLeg) ID() call.LegID { return "leg" }

func TestKeysAreNotHoarded(t *testing.T) {
	c := &Call{keys: map[call.LegID]keys{}}
	for _, d := range strings.Repeat("12", 500) + "*" {
		c.feature(silentLeg{}, d)
	}
	if got := c.keys["leg"].typed; got != "2*" {
		t.Errorf("%d keys are kept", len(got))
	}
}
