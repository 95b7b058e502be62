package callctl

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
