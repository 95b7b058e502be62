package sipua

// trunkCounts is what a trunk has done since the start. Owned by the carriers' lock.
type trunkCounts struct {
	in, out, shed, failovers int64
	failures                 map[string]int64 // by class
}

// fail counts an outbound call's failure at one gateway, or for good.
func (n *trunkCounts) fail(status int) {
	if n.failures == nil {
		n.failures = map[string]int64{}
	}
	n.failures[failureClass(status)]++
}

// failureClass is what a status means for whoever watches the trunk.
func failureClass(status int) string {
	switch {
	case status == 0:
		return "dns"
	case status == 401 || status == 403 || status == 407:
		return "refused"
	case status == 408:
		return "timeout"
	case status == 486 || status == 600 || status == 480 || status == 487 || status == 603:
		return "person"
	case status == 404 || status == 484 || status == 604 || status == 410:
		return "number"
	case status >= 500 && status < 600:
		return "gateway"
	}
	return "other"
}

func (c *carriers) count(trunk string, f func(*trunkCounts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.counts[trunk]
	if n == nil {
		n = &trunkCounts{}
		c.counts[trunk] = n
	}
	f(n)
}
