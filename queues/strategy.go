package queues

import "cmp"

// Strategy says which of a tier's free agents are asked, and in which order.
type Strategy struct {
	// Order compares two free agents of the same tier: below zero when a is asked
	// before b. Ties go by name.
	Order func(a, b Candidate) int
	// All: everybody free in the tier rings, for the first in line only.
	All bool
}

// Candidate is a free agent in their place in the queue.
type Candidate struct {
	Agent *Agent // not to be changed
	Tier  int
	Order int
}

// Names of strategies.
const (
	LongestIdle = "longest_idle" // whose last conversation ended the longest ago
	RingAll     = "ring_all"     // everybody of the tier
	Ordered     = "ordered"      // by Assignment.Order
)

// Strategies by the names that queues give.
var Strategies = map[string]Strategy{
	LongestIdle: {Order: byIdle},
	RingAll:     {Order: byOrder, All: true},
	Ordered:     {Order: byOrder},
}

func byIdle(a, b Candidate) int { return a.Agent.IdleSince.Compare(b.Agent.IdleSince) }

func byOrder(a, b Candidate) int { return cmp.Compare(a.Order, b.Order) }
