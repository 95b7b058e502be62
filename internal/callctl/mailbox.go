package callctl

import "sync"

// mailbox holds what others ask of a call's goroutine. Posting never blocks, so
// that neither a SIP worker nor a media reader waits for a call. It can be
// closed: whoever posts afterwards learns it and disposes of what they were
// handing over.
type mailbox struct {
	mu     sync.Mutex
	queue  []func()
	wake   chan struct{} // capacity 1
	closed bool
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

// post reports false when the call's goroutine is gone.
func (m *mailbox) post(f func()) bool {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return false
	}
	m.queue = append(m.queue, f)
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return true
}

func (m *mailbox) take() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := m.queue
	m.queue = nil
	return q
}

// closeIfEmpty refuses further posts, unless something came in meanwhile: the
// check and the closing are one step, or a leg handed over would be lost.
func (m *mailbox) closeIfEmpty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.queue) > 0 {
		return false
	}
	m.closed = true
	return true
}
