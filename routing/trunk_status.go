package routing

import "time"

// TrunkStatus is how a trunk is doing, as one node sees it.
type TrunkStatus struct {
	Name         string            `json:"name"`
	Calls        int               `json:"calls"`     // now, both ways
	MaxCalls     int               `json:"max_calls"` // 0: no bound
	Down         string            `json:"down"`      // why it carries no calls outward now; "": nothing is known against it
	Registration TrunkRegistration `json:"registration"`
	Gateways     []GatewayStatus   `json:"gateways"`
	Since        TrunkCounts       `json:"since_start"`
}

// TrunkRegistration is ours with the carrier.
type TrunkRegistration struct {
	State  string    `json:"state"` // "none", "registering", "registered", "failed"
	Until  time.Time `json:"until,omitzero"`
	Status int       `json:"status"` // of the last answer; 0: none
	Error  string    `json:"error"`
}

// GatewayStatus is one address of the carrier's.
type GatewayStatus struct {
	Address string        `json:"address"`
	Name    string        `json:"name"`
	Up      bool          `json:"up"`            // false: it is tried last
	Seen    time.Time     `json:"seen,omitzero"` // when it answered last
	RTT     time.Duration `json:"-"`             // of the last OPTIONS or first answer
	Error   string        `json:"error"`         // the last failure
	ErrorAt time.Time     `json:"error_at,omitzero"`
}

// TrunkCounts is what a trunk has done since the node started.
type TrunkCounts struct {
	In        int64            `json:"in"`
	Out       int64            `json:"out"`
	Shed      int64            `json:"shed"` // refused or passed over because it was full
	Failovers int64            `json:"failovers"`
	Failures  map[string]int64 `json:"failures"` // outbound, by class: dns, timeout, gateway, refused, number, person, other
}
