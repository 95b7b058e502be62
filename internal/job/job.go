// Package job is work to be done later, as a plain value. Domains hand jobs to
// their stores, which write them in the transaction of the change that asks for
// them; how they are run is the business of internal/jobs. A leaf.
package job

import "time"

// Args is what a job needs to know, as JSON. Its shape is River's own, so that
// no domain imports River.
type Args interface{ Kind() string }

// Job is one piece of work. The zero At means at once.
type Job struct {
	Args  Args
	At    time.Time
	Queue string // see the queues below
	// Unique, if set, makes a second job with equal Args a no-op for as long as
	// the first has not ended.
	Unique bool
	// Attempts bounds the tries; 0 means the runner's default.
	Attempts int
}

// Queues for work that any node may do.
const (
	Default  = "default"
	Dispatch = "dispatch" // queues: who rings whom; kept apart so that nothing slow delays it
	CRM      = "crm"
	Webhooks = "webhooks"
)

// OfNode is the queue of the node that carries a call: work on a live call can
// only be done there.
func OfNode(node string) string { return "node_" + node }
