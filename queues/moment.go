package queues

import (
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Moment is from when on an agent wanted and did something else. Being reserved
// and being rung are one.
type Moment struct {
	Seq    int64     `json:"seq"` // grows, over all agents
	Agent  string    `json:"agent"`
	At     time.Time `json:"at"`
	Status Status    `json:"status"`
	Reason string    `json:"reason"`
	State  State     `json:"state"`
	Call   call.ID   `json:"call"`
}
