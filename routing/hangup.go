package routing

import (
	"cmp"
	"fmt"
)

// hangup ends the call.
type hangup struct {
	SIPCode int    `json:"sip_code"`
	Cause   string `json:"cause"`
}

func hangupType() kind {
	return kind{NodeType{
		Type: "hangup", Doc: "Ends the call.",
		Cfg: object(fields{
			"sip_code": count("what an unanswered caller is told (RFC 3261 §21.4 to §21.6)", nil, 400, 699),
			"cause": choice("why", "normal_clearing", "busy", "rejected", "no_answer", "unavailable",
				"not_found", "forbidden", "overloaded", "failed"),
		}),
		Outcomes: []string{},
	}, as[hangup]}
}

func (h *hangup) why() string {
	if h.SIPCode != 0 {
		return fmt.Sprintf("%s (%d)", h.cause(), h.SIPCode)
	}
	return h.cause()
}

func (h *hangup) cause() string { return cmp.Or(h.Cause, "normal_clearing") }

func (h *hangup) command(n *node) Hangup {
	return Hangup{Node: n.id, Cause: h.cause(), SIPCode: h.SIPCode}
}
