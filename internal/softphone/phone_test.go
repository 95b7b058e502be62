package softphone

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain also looks for goroutines that outlive their phones.
func TestMain(m *testing.M) {
	code := m.Run()
	buf := make([]byte, 1<<20)
	stacks := string(buf[:runtime.Stack(buf, true)])
	for i, g := range strings.Split(stacks, "\n\n") {
		if i > 0 && strings.Contains(g, "softphone.") {
			println("leaked:", g)
			code = 1
		}
	}
	os.Exit(code)
}

func phone(t *testing.T, user string, change ...func(*Config)) *Phone {
	t.Helper()
	cfg := Config{User: user, Hub: "127.0.0.1:5060"}
	for _, c := range change {
		c(&cfg)
	}
	p, err := New(cfg)
	must(t, err)
	t.Cleanup(func() { must(t, p.Close()) })
	return p
}

func withTone(hz int) func(*Config) { return func(c *Config) { c.ToneHz = hz } }

func overTCP(c *Config) { c.Transport = "tcp" }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func incoming(t *testing.T, p *Phone) *Dialog {
	t.Helper()
	select {
	case d := <-p.Incoming():
		return d
	case <-soon(t).Done():
		t.Fatal("no call came in")
		return nil
	}
}

// connected is a call between two phones that is up on both sides.
func connected(t *testing.T, a, b *Phone, options ...CallOption) (caller, callee *Dialog) {
	t.Helper()
	ctx := soon(t)
	caller, err := a.Call(ctx, b.URI(), options...)
	must(t, err)
	callee = incoming(t, b)
	callee.Ring()
	must(t, caller.WaitRinging(ctx))
	must(t, callee.Answer())
	must(t, caller.WaitAnswered(ctx))
	must(t, callee.WaitAnswered(ctx))
	return caller, callee
}

func over(t *testing.T, d *Dialog) Ended {
	t.Helper()
	r, err := d.WaitEnded(soon(t))
	must(t, err)
	return r
}

func TestCall(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){"over UDP": func(*Config) {}, "over TCP": overTCP} {
		t.Run(name+" both hear each other", func(t *testing.T) {
			ctx := soon(t)
			a, b := phone(t, "ana", change, withTone(440)), phone(t, "ben", change, withTone(700))
			caller, callee := connected(t, a, b, From("+34911000001", "Ana Sol"), WithHeader("P-Asserted-Identity", "<sip:x@y>"))
			must(t, caller.Hears(ctx, 700))
			must(t, callee.Hears(ctx, 440))
			if got := callee.From(); got.User != "+34911000001" || got.Display != "Ana Sol" {
				t.Errorf("callee sees %+v", got)
			}
			if got := callee.Header("P-Asserted-Identity"); got != "<sip:x@y>" {
				t.Errorf("P-Asserted-Identity is %q", got)
			}
			callee.PlayTone(1000)
			must(t, caller.Hears(ctx, 1000))
			callee.Silence()
			must(t, caller.HearsNothing(ctx, 200*time.Millisecond))
			if s := caller.Stats(); len(s.SSRCs) != 1 || len(s.Sources) != 1 || s.Received < 20 || s.Lost != 0 {
				t.Errorf("stats %+v", s)
			}
			caller.Hangup()
			if r := over(t, caller); r.Why != Bye || r.Remote {
				t.Errorf("caller ended %+v", r)
			}
			if r := over(t, callee); r.Why != Bye || !r.Remote {
				t.Errorf("callee ended %+v", r)
			}
		})
	}

	t.Run("a wrong tone is not heard", func(t *testing.T) {
		caller, _ := connected(t, phone(t, "ana"), phone(t, "ben", withTone(700)))
		must(t, caller.Hears(soon(t), 700))
		short, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
		defer cancel()
		if err := caller.Hears(short, 750); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("heard 750 Hz in 700: %v", err)
		}
		short, cancel = context.WithTimeout(t.Context(), 400*time.Millisecond)
		defer cancel()
		if err := caller.HearsNothing(short, 100*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("heard nothing in a tone: %v", err)
		}
	})

	t.Run("the callee hangs up", func(t *testing.T) {
		caller, callee := connected(t, phone(t, "ana"), phone(t, "ben"))
		callee.Hangup()
		if r := over(t, callee); r.Why != Bye || r.Remote {
			t.Errorf("callee ended %+v", r)
		}
		if r := over(t, caller); r.Why != Bye || !r.Remote {
			t.Errorf("caller ended %+v", r)
		}
	})

	t.Run("a late offer is answered in the ACK, with the codec asked for", func(t *testing.T) {
		a := phone(t, "ana", withTone(440))
		b := phone(t, "ben", withTone(700), func(c *Config) { c.Codecs = []string{"PCMA"} })
		caller, callee := connected(t, a, b, LateOffer())
		must(t, caller.Hears(soon(t), 700))
		must(t, callee.Hears(soon(t), 440))
	})

	t.Run("no codec in common is 488", func(t *testing.T) {
		a, b := phone(t, "ana"), phone(t, "ben", func(c *Config) { c.Codecs = []string{"PCMA"} })
		caller, err := a.Call(soon(t), b.URI(), Codecs("PCMU"))
		must(t, err)
		if err := incoming(t, b).Answer(); !errors.Is(err, errNoCodec) {
			t.Errorf("answer: %v", err)
		}
		var status *StatusError
		if err := caller.WaitAnswered(soon(t)); !errors.As(err, &status) || status.Status != 488 {
			t.Errorf("caller got %v", err)
		}
	})

	t.Run("rejected", func(t *testing.T) {
		a, b := phone(t, "ana"), phone(t, "ben")
		caller, err := a.Call(soon(t), b.URI())
		must(t, err)
		incoming(t, b).Reject(486)
		var status *StatusError
		if err := caller.WaitAnswered(soon(t)); !errors.As(err, &status) || status.Status != 486 || status.Reason != "Busy Here" {
			t.Errorf("caller got %v", err)
		}
		if r := over(t, caller); r.Why != Rejected || r.Status != 486 || !r.Remote {
			t.Errorf("caller ended %+v", r)
		}
	})

	t.Run("cancelled while ringing", func(t *testing.T) {
		a, b := phone(t, "ana"), phone(t, "ben")
		caller, err := a.Call(soon(t), b.URI())
		must(t, err)
		callee := incoming(t, b)
		callee.Ring()
		must(t, caller.WaitRinging(soon(t)))
		caller.Hangup()
		if r := over(t, callee); r.Why != Cancelled || !r.Remote {
			t.Errorf("callee ended %+v", r)
		}
		if r := over(t, caller); r.Why != Cancelled || r.Remote || r.Status != 487 {
			t.Errorf("caller ended %+v", r)
		}
		if err := callee.Answer(); !errors.Is(err, ErrEnded) {
			t.Errorf("answer after the end: %v", err)
		}
	})

	t.Run("an answer that crosses the CANCEL is acknowledged and ended", func(t *testing.T) {
		a, b := phone(t, "ana"), phone(t, "ben")
		caller, err := a.Call(soon(t), b.URI())
		must(t, err)
		callee := incoming(t, b)
		callee.Ring()
		must(t, caller.WaitRinging(soon(t)))
		a.DropOutgoing(func(m *Message) bool { return m.Method == "CANCEL" })
		caller.Hangup()
		must(t, callee.Answer())
		must(t, callee.WaitAnswered(soon(t)))
		if r := over(t, callee); r.Why != Bye || !r.Remote {
			t.Errorf("callee ended %+v", r)
		}
		if r := over(t, caller); r.Why != Cancelled {
			t.Errorf("caller ended %+v", r)
		}
	})

	t.Run("audio before the answer", func(t *testing.T) {
		a, b := phone(t, "ana"), phone(t, "ben", withTone(425))
		caller, err := a.Call(soon(t), b.URI())
		must(t, err)
		callee := incoming(t, b)
		must(t, callee.Early())
		must(t, caller.WaitRinging(soon(t)))
		must(t, caller.Hears(soon(t), 425))
		must(t, callee.Answer())
		must(t, caller.WaitAnswered(soon(t)))
		if s := caller.Statuses(); len(s) < 3 || s[len(s)-1] != 200 || s[len(s)-2] != 183 {
			t.Errorf("statuses %v", s)
		}
	})

	t.Run("picked up by itself when asked", func(t *testing.T) {
		a, b := phone(t, "ana"), phone(t, "ben", func(c *Config) { c.Pickup = WhenAsked })
		plain, err := a.Call(soon(t), b.URI())
		must(t, err)
		incoming(t, b).Ring()
		must(t, plain.WaitRinging(soon(t)))
		asked, err := a.Call(soon(t), b.URI(), WithHeader("Call-Info", "<sip:hub>;answer-after=0"))
		must(t, err)
		must(t, asked.WaitAnswered(soon(t)))
		if plain.Answered() {
			t.Error("a call that did not ask was answered")
		}
	})
}

func TestManyCallsAtOnce(t *testing.T) {
	t.Parallel()
	a, b := phone(t, "ana", withTone(440)), phone(t, "ben", withTone(700), func(c *Config) { c.Pickup = Always })
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			d, err := a.Call(soon(t), b.URI())
			if err == nil {
				err = d.WaitAnswered(soon(t))
			}
			if err == nil {
				err = d.Hears(soon(t), 700)
			}
			if err == nil {
				d.Hangup()
				_, err = d.WaitEnded(soon(t))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for range 20 {
		over(t, incoming(t, b))
	}
}
