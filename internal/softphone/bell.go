package softphone

import (
	"context"
	"errors"
)

// bell wakes everybody who waits for a change of something guarded by a lock.
type bell struct{ ch chan struct{} }

func newBell() bell { return bell{make(chan struct{})} }

func (b *bell) wait() <-chan struct{} { return b.ch }

func (b *bell) ring() {
	close(b.ch)
	b.ch = make(chan struct{})
}

// ErrEnded: the dialog is over, or the phone closed.
var ErrEnded = errors.New("softphone: ended")

// await waits until ok, which is called under the lock.
func (a *audio) await(ctx context.Context, ok func() bool) error {
	for {
		a.mu.Lock()
		done, closed, changed := ok(), a.closed, a.bell.wait()
		a.mu.Unlock()
		switch {
		case done:
			return nil
		case closed:
			return ErrEnded
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// await waits until ok, which is called under the lock.
func (p *Phone) await(ctx context.Context, ok func() bool) error {
	for {
		p.mu.Lock()
		done, closed, changed := ok(), p.closed, p.bell.wait()
		p.mu.Unlock()
		switch {
		case done:
			return nil
		case closed:
			return ErrEnded
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
