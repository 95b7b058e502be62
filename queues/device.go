package queues

import "time"

// Device is one registered phone of an agent.
type Device struct {
	Agent     string    `json:"agent"`
	Contact   string    `json:"contact"`        // the URI it is reached at
	Instance  string    `json:"instance"`       // +sip.instance, if given
	Transport string    `json:"transport"`      // "udp", "tcp"
	Source    string    `json:"source"`         // ip:port it registered from: where requests go
	Local     string    `json:"local"`          // our ip:port it registered at
	Path      []string  `json:"path,omitempty"` // proxies on the way to it (RFC 3327), ours first: the Route of what it is sent
	UserAgent string    `json:"user_agent"`
	CallID    string    `json:"-"` // of the REGISTER, with CSeq: older ones are refused
	CSeq      uint32    `json:"-"`
	Node      string    `json:"node"`
	Expires   time.Time `json:"expires_at"`
}
