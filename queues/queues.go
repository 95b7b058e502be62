// Package queues brings waiting calls and free agents together: who is waiting,
// who is free, who gets whom. Matching is a pure function on values; durable
// state is in a Store; the phones are rung by whoever runs the live call.
package queues

import (
	"fmt"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Queue is a line of waiting calls and the agents who serve it.
type Queue struct {
	ID       string        `json:"id"` // "que_…"
	Name     string        `json:"name"`
	Strategy string        `json:"strategy"` // see Strategies
	Ring     time.Duration `json:"-"`        // an offer lasts this long; 15 s
	Retry    time.Duration `json:"-"`        // between rounds; 5 s
	WrapUp   time.Duration `json:"-"`        // after a conversation; 30 s, below zero none
	MaxWait  time.Duration `json:"-"`        // hard maximum; 0 is read as the default, 300 s
	MaxLen   int           `json:"max_len"`  // 0: no bound
	Music    string        `json:"music"`
	Agents   []Assignment  `json:"agents"`
	Target   time.Duration `json:"-"` // service level: answered within; 20 s
}

// Assignment puts an agent into a queue. Lower tiers are asked first.
type Assignment struct {
	Agent string `json:"agent"`
	Tier  int    `json:"tier"`
	Order int    `json:"order"`
}

// Agent is a person who takes calls (a rep, in the page's words).
type Agent struct {
	ID        string   `json:"id"`   // "agt_…"
	Name      string   `json:"name"` // "rep1": the SIP user, and how flows name them
	Display   string   `json:"display"`
	Extension string   `json:"extension"`
	Teams     []string `json:"teams"`
	Skills    []string `json:"skills"`
	HA1       HA1      `json:"-"`    // of the SIP password; the password itself is not kept
	SRTP      string   `json:"srtp"` // encrypted audio: "off", "optional", "required"; "" is the node's default

	Status    Status    `json:"status"`     // what they want
	Reason    string    `json:"reason"`     // why away, or why the hub set it
	State     State     `json:"state"`      // what is happening
	Since     time.Time `json:"since"`      // of State
	IdleSince time.Time `json:"idle_since"` // end of the last conversation, wrap-up excluded; a missed offer does not reset it
	Call      call.ID   `json:"call"`       // being offered or talked to; in wrap-up the one that ended
	Misses    int       `json:"misses"`     // in a row
	Devices   int       `json:"devices"`    // registered phones, at the time of reading

	StatusSince time.Time `json:"status_since"` // of Status
}

// HA1 holds H(user:realm:password) for each digest algorithm. It does not print.
type HA1 struct{ MD5, SHA256 string }

// String hides the secret.
func (HA1) String() string { return "[hidden]" }

// Status is what the agent wants.
type Status string

// State is what is happening to the agent.
type State string

// Statuses and states: never collapsed into one.
const (
	Available     Status = "available"
	Away          Status = "away"
	Offline       Status = "offline"
	NotResponding Status = "not_responding" // set by the hub after three misses; back by a click or after 300 s

	Idle     State = "idle"
	Reserved State = "reserved"
	Ringing  State = "ringing"
	Talking  State = "talking"
	WrapUp   State = "wrap_up"
)

// Entry is a call's place in a queue.
type Entry struct {
	Call     call.ID
	Node     call.NodeID
	Queue    string // Queue.Name
	Park     string // set when the call waits in a slot at the same time
	From     call.Number
	Name     string
	Priority int       // higher first
	FirstAt  time.Time // somebody put it before all others then; zero: nobody did
	JoinedAt time.Time // the original clock: the park's start when it came from a slot
	Tried    []string  // agents who were offered it and did not take it
	NextAt   time.Time // not offered again before
	Owner    string    // the CRM record's owner: asked first if free
	Reach    []Reach   // who may be offered it, by how long it has waited; none: everybody
}

// Offer rings one or more agents for a call; the first to answer has it. An
// agent is in at most one offer, across queues and nodes.
type Offer struct {
	ID     string // "ofr_…"
	Call   call.ID
	Node   call.NodeID
	Queue  string // "" when a flow or a park's ladder rings agents directly
	Agents []string
	At     time.Time
	Until  time.Time // a lease: past it the agents are free again whatever happened

	JoinedAt time.Time // of the entry it was made for; zero outside queues
}

// Jobs.
type (
	// Distribute matches a queue's waiting calls with its free agents. A burst of
	// arrivals is one job: unique by queue and round. The round grows with every
	// Decide, so that what happens after one has looked gets a job of its own, even
	// while the job of that Decide has not ended. At sets apart the jobs that are
	// due later, which must not stand in for one that is due now.
	Distribute struct {
		Queue string    `json:"queue" river:"unique"`
		Round int64     `json:"round,omitempty" river:"unique"`
		At    time.Time `json:"at,omitzero" river:"unique"`
	}
	// Ring tells the node of a call to ring an offer's agents.
	Ring struct {
		Offer string `json:"offer" river:"unique"`
	}
	// WrapUpOver makes an agent idle again, if still in the wrap-up that began then.
	WrapUpOver struct {
		Agent string    `json:"agent" river:"unique"`
		Since time.Time `json:"since" river:"unique"`
	}
	// ForgiveAgent brings a not-responding agent back.
	ForgiveAgent struct {
		Agent string    `json:"agent" river:"unique"`
		Since time.Time `json:"since" river:"unique"`
	}
)

// Kind names the job.
func (Distribute) Kind() string { return "queue_distribute" }

// Kind names the job.
func (Ring) Kind() string { return "queue_ring" }

// Kind names the job.
func (WrapUpOver) Kind() string { return "agent_wrap_up_over" }

// Kind names the job.
func (ForgiveAgent) Kind() string { return "agent_forgive" }

// Errors that callers tell apart with errors.As.
type (
	// RefusedError: the call could not join. Why is the outcome of the flow's node:
	// "full", "no_agents" (nobody assigned or logged in), "all_away".
	RefusedError struct{ Queue, Why string }
	// UnknownError: there is no such queue or agent.
	UnknownError struct{ Kind, Name string }
	// NotWaitingError: the call is not, or no longer, in line there.
	NotWaitingError struct {
		Call  call.ID
		Queue string
	}
	// TooLateError: the offer has ended or the agent is not in it.
	TooLateError struct{ Offer string }
	// InUseError: the queue cannot be deleted while calls wait in it.
	InUseError struct {
		Queue   string
		Waiting int
	}
)

func (e *RefusedError) Error() string { return fmt.Sprintf("queue %s: %s", e.Queue, e.Why) }
func (e *NotWaitingError) Error() string {
	return fmt.Sprintf("call %s does not wait in queue %s", e.Call, e.Queue)
}
func (e *UnknownError) Error() string { return fmt.Sprintf("there is no %s %q", e.Kind, e.Name) }
func (e *TooLateError) Error() string { return fmt.Sprintf("offer %s is over", e.Offer) }
func (e *InUseError) Error() string {
	return fmt.Sprintf("%d calls are waiting in queue %s", e.Waiting, e.Queue)
}
