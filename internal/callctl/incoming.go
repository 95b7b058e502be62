package callctl

import (
	"time"
)

// Incoming is a new call as the edge hands it over: checked, authenticated, and
// already answered with 100 Trying. Whoever takes it ends the leg in the end.
type Incoming struct {
	Leg   Leg
	Trunk string // the trunk it came through, "" when a rep's phone sent it
	Agent string // the authenticated rep, "" for a trunk call
	From  Party
	To    string // user part of the Request-URI as dialled
	At    time.Time
	// Replaces is the leg whose place a rep's phone wants (RFC 3891), nil for a
	// call of its own.
	Replaces Leg
}
