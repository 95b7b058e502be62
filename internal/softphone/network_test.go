package softphone

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

func TestBadNetwork(t *testing.T) {
	t.Parallel()
	// first loses the first message for which match says so.
	first := func(match func(*Message) bool) (drop func(*Message) bool, lost *atomic.Int32) {
		lost = new(atomic.Int32)
		return func(m *Message) bool { return match(m) && lost.Add(1) == 1 }, lost
	}
	t.Run("a lost INVITE is repeated", func(t *testing.T) {
		a, b := phone(t, "ana"), phone(t, "ben")
		drop, n := first(func(m *Message) bool { return m.Method == "INVITE" })
		a.DropOutgoing(drop)
		connected(t, a, b)
		if n.Load() < 2 {
			t.Errorf("INVITE sent %d times", n.Load())
		}
		select {
		case <-b.Incoming():
			t.Error("the repetition came as a second call")
		default:
		}
	})
	t.Run("a lost 200 is repeated", func(t *testing.T) {
		a, b := phone(t, "ana"), phone(t, "ben")
		drop, n := first(func(m *Message) bool { return m.Status == 200 })
		b.DropOutgoing(drop)
		connected(t, a, b)
		if n.Load() < 2 {
			t.Errorf("200 sent %d times", n.Load())
		}
	})
	t.Run("a lost ACK is repeated with the 200", func(t *testing.T) {
		a, b := phone(t, "ana"), phone(t, "ben")
		drop, n := first(func(m *Message) bool { return m.Method == "ACK" })
		a.DropOutgoing(drop)
		connected(t, a, b)
		if n.Load() < 2 {
			t.Errorf("ACK sent %d times", n.Load())
		}
	})
	t.Run("a lost BYE is repeated", func(t *testing.T) {
		a, b := phone(t, "ana"), phone(t, "ben")
		caller, callee := connected(t, a, b)
		drop, _ := first(func(m *Message) bool { return m.Method == "BYE" })
		a.DropOutgoing(drop)
		caller.Hangup()
		over(t, callee)
		over(t, caller)
	})
	t.Run("a deaf phone answers nothing", func(t *testing.T) {
		a, b := phone(t, "ana"), phone(t, "ben")
		b.Deafen(true)
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		if m, err := a.Request(ctx, "OPTIONS", b.URI(), nil, nil); err == nil {
			t.Errorf("answered %d", m.Status)
		}
	})
	t.Run("a phone that vanishes says nothing", func(t *testing.T) {
		a, b := phone(t, "ana"), phone(t, "ben", withTone(700))
		caller, callee := connected(t, a, b)
		must(t, b.Vanish())
		if r := over(t, callee); r.Why != Closed {
			t.Errorf("callee ended %+v", r)
		}
		must(t, caller.HearsNothing(soon(t), 200*time.Millisecond))
		if len(a.Dialogs()) != 1 {
			t.Error("the caller's side ended")
		}
		a.Deafen(true) // nobody answers its BYE
	})
}
