package softphone

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestHold(t *testing.T) {
	t.Parallel()
	ctx := soon(t)
	caller, callee := connected(t, phone(t, "ana", withTone(440)), phone(t, "ben", withTone(700)))
	must(t, caller.Hears(ctx, 700))
	must(t, caller.Hold(ctx, true))
	must(t, callee.WaitHeld(ctx, true))
	must(t, callee.HearsNothing(ctx, 200*time.Millisecond))
	must(t, caller.HearsNothing(ctx, 200*time.Millisecond))
	must(t, caller.Hold(ctx, false))
	must(t, callee.WaitHeld(ctx, false))
	must(t, caller.Hears(ctx, 700))
	must(t, callee.Hears(ctx, 440))
}

func TestHoldRefused(t *testing.T) {
	t.Parallel()
	a, b := phone(t, "ana"), phone(t, "ben", withTone(700))
	caller, _ := connected(t, a, b)
	b.AnswerWith(func(m *Message) int {
		if m.Method == "INVITE" {
			return 491
		}
		return 0
	})
	var status *StatusError
	if err := caller.Hold(soon(t), true); !errors.As(err, &status) || status.Status != 491 {
		t.Errorf("got %v", err)
	}
	must(t, caller.Hears(soon(t), 700))
}

func TestExpires(t *testing.T) {
	t.Parallel()
	a, b := phone(t, "ana"), phone(t, "ben")
	caller, err := a.Call(soon(t), b.URI(), WithHeader("Expires", "1"))
	must(t, err)
	incoming(t, b).Ring()
	var status *StatusError
	if err := caller.WaitAnswered(soon(t)); !errors.As(err, &status) || status.Status != 487 {
		t.Errorf("got %v", err)
	}
}

func TestRequestsWithinACall(t *testing.T) {
	t.Parallel()
	caller, callee := connected(t, phone(t, "ana"), phone(t, "ben"))
	m, err := callee.Request(soon(t), "UPDATE", Header{"p-asserted-identity": {"<sip:701@hub>"}}, nil)
	must(t, err)
	if got := caller.Header("P-Asserted-Identity"); m.Status != 200 || got != "<sip:701@hub>" {
		t.Errorf("%d, identity %q", m.Status, got)
	}
	caller.Hangup()
	over(t, callee)
	if _, err := callee.Request(soon(t), "INFO", nil, nil); !errors.Is(err, ErrEnded) {
		t.Errorf("after the end: %v", err)
	}
}

func TestPlay(t *testing.T) {
	t.Parallel()
	caller, callee := connected(t, phone(t, "ana"), phone(t, "ben"))
	done := caller.Play(tone(600)[:4000])
	must(t, callee.Hears(soon(t), 600))
	select {
	case <-done:
	case <-soon(t).Done():
		t.Fatal("never played to the end")
	}
	must(t, callee.HearsNothing(soon(t), 200*time.Millisecond))
	caller.PlayTone(600)
	must(t, callee.Hears(soon(t), 600))
	caller.StopPackets(true)
	must(t, callee.HearsNothing(soon(t), 200*time.Millisecond))
}

func TestDigits(t *testing.T) {
	t.Parallel()
	ctx := soon(t)
	caller, callee := connected(t, phone(t, "ana", withTone(440)), phone(t, "ben"))
	must(t, caller.SendDigits(ctx, "11#"))
	must(t, callee.WaitDigits(ctx, "11#"))
	if got := callee.Digits(); got != "11#" {
		t.Errorf("digits %q", got)
	}
	must(t, callee.Hears(ctx, 440))
	if err := caller.SendDigits(ctx, "x"); err == nil {
		t.Error("x is not on the keypad")
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	a, b := phone(t, "ana"), phone(t, "ben")
	m, err := a.Request(soon(t), "MESSAGE", b.URI(), Header{"content-type": {"text/plain"}}, []byte("call in 701"))
	must(t, err)
	if got := <-b.Messages(); m.Status != 200 || string(got.Body) != "call in 701" || got.From().User != "ana" {
		t.Errorf("%d, got %q from %s", m.Status, got.Body, got.From().User)
	}
	m, err = a.Request(soon(t), "OPTIONS", b.URI(), nil, nil)
	must(t, err)
	if m.Status != 200 || !strings.Contains(m.Header.Get("Allow"), "INVITE") {
		t.Errorf("OPTIONS: %d %v", m.Status, m.Header)
	}
	m, err = a.Request(soon(t), "PUBLISH", b.URI(), nil, nil)
	must(t, err)
	if m.Status != 405 {
		t.Errorf("PUBLISH: %d", m.Status)
	}
}
