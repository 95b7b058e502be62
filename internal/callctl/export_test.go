package callctl

import (
	"strings"

	"github.com/callyard/callyard/internal/call"
)

// LegsOf counts the legs that belong to a call.
func LegsOf(h *Hub) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.legs)
}

// Stall keeps the call of a leg busy until the channel is closed.
func Stall(h *Hub, l Leg, until <-chan struct{}) {
	h.owner(l).mb.post(func() { <-until })
}

// PassedOver is who was not chosen, in words.
func PassedOver(e call.Event) string {
	not, _ := e.Data["rejected"].([]passedOver)
	var out []string
	for _, p := range not {
		out = append(out, p.Who+": "+p.Why)
	}
	return strings.Join(out, ", ")
}
