package sipua_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/routing"
)

// tried is a test call and what it returned.
type tried struct {
	routing.Trial
	err error
}

// tries begins a test call.
func (h *trunked) tries(ctx context.Context) <-chan tried {
	done := make(chan tried, 1)
	go func() {
		x, err := h.TryTrunk(ctx, "carrier", "+34911234567", 5*time.Second)
		done <- tried{x, err}
	}()
	return done
}

func ended(t *testing.T, c <-chan tried) tried {
	t.Helper()
	select {
	case x := <-c:
		return x
	case <-time.After(patience):
		t.Fatal("the test call does not end")
		return tried{}
	}
}

func (x tried) has(t *testing.T, what string, status int, text string) {
	t.Helper()
	for _, st := range x.Steps {
		if st.What == what && st.Status == status && strings.Contains(st.Text, text) {
			return
		}
	}
	t.Errorf("no step %s %d %q in %+v", what, status, text, x.Trial)
}

// options answers the OPTIONS of a test call.
func (p *peer) optioned() { p.t.Helper(); p.reply(p.request("OPTIONS"), 200, "o", "") }

func TestTrial(t *testing.T) {
	h := carried(t)
	gw := h.gateway("127.0.0.2")
	trunk := routing.Trunk{Name: "carrier", Host: gw.addr, MaxCalls: 1, CallerNumber: "+34910000000"}
	h.set(trunk)
	idle := func(t *testing.T) {
		t.Helper()
		await(t, func() bool { st, _ := h.TrunkStatus("carrier"); return st.Calls == 0 && h.ports.left() == 0 })
	}

	t.Run("answered, with audio", func(t *testing.T) {
		done := h.tries(t.Context())
		gw.optioned()
		inv := gw.request("INVITE")
		if !strings.Contains(inv.hdr("From"), "+34910000000") {
			t.Error(inv.raw)
		}
		if st, _ := h.TrunkStatus("carrier"); st.Calls != 1 {
			t.Errorf("it does not count against the trunk: %+v", st)
		}
		if _, err := h.TryTrunk(t.Context(), "carrier", "1", 0); !errors.Is(err, routing.ErrTrial) {
			t.Errorf("a second test call: %v", err)
		}
		gw.reply(inv, 180, "gw", "")
		gw.takes(inv)
		port := h.ports.last()
		await(t, func() bool { return port.music.Load() != nil })
		port.received.Add(42)
		gw.reply(gw.request("BYE"), 200, "", "")
		x := ended(t, done)
		if x.err != nil || !x.OK || x.Cure != "" || *port.music.Load() != "tone440" {
			t.Errorf("%+v", x)
		}
		x.has(t, "options", 200, "OPTIONS answered 200")
		x.has(t, "ringing", 0, "rings")
		x.has(t, "answered", 200, "tone")
		x.has(t, "audio", 0, "42 packets")
		for _, st := range x.Steps {
			if st.What == "answered" && (st.Codec != "PCMU" && st.Codec != "PCMA" || st.SRTP != "off" || st.Gateway != gw.addr) {
				t.Errorf("%+v", st)
			}
		}
		idle(t)
	})
	t.Run("answered, without audio", func(t *testing.T) {
		done := h.tries(t.Context())
		gw.optioned()
		gw.takes(gw.request("INVITE"))
		gw.reply(gw.request("BYE"), 200, "", "")
		x := ended(t, done)
		if x.OK || !strings.Contains(x.Verdict, "no audio") || !strings.Contains(x.Cure, "rtp.advertise") {
			t.Errorf("%+v", x)
		}
		idle(t)
	})
	for code, part := range map[int]string{401: "password", 403: "registration", 404: "number_format", 480: "phone", 486: "trunk works", 488: "codecs", 503: "overloaded"} {
		t.Run("refused", func(t *testing.T) {
			done := h.tries(t.Context())
			gw.optioned()
			gw.reply(gw.request("INVITE"), code, "x", "")
			x := ended(t, done)
			if x.OK || !strings.Contains(x.Cure, part) {
				t.Errorf("%d: %+v", code, x)
			}
			x.has(t, "failed", code, "")
			idle(t)
		})
	}
	t.Run("whoever asked has gone: nothing is left behind", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := h.tries(ctx)
		gw.optioned()
		inv := gw.request("INVITE")
		gw.reply(inv, 180, "gw", "")
		cancel()
		gw.reply(gw.request("CANCEL"), 200, "gw", "")
		gw.reply(inv, 487, "gw", "")
		if x := ended(t, done); !errors.Is(x.err, context.Canceled) {
			t.Errorf("%+v", x)
		}
		idle(t)
	})
	t.Run("the trunk is full", func(t *testing.T) {
		leg := h.call("+34911234567")
		gw.request("INVITE")
		done := h.tries(t.Context())
		gw.optioned()
		if x := ended(t, done); x.OK || !strings.Contains(x.Cure, "max_calls") {
			t.Errorf("%+v", x)
		}
		leg.leg.Hangup("", "")
		event[callctl.LegEnded](leg)
		idle(t)
	})
	t.Run("there is no such trunk, or it has no gateway", func(t *testing.T) {
		if _, err := h.TryTrunk(t.Context(), "none", "1", 0); !errors.Is(err, callctl.ErrUnreachable) {
			t.Error(err)
		}
		h.set(routing.Trunk{Name: "carrier"})
		if x := ended(t, h.tries(t.Context())); x.err != nil || !strings.Contains(x.Verdict, "inbound") {
			t.Errorf("%+v", x)
		}
	})
	t.Run("a gateway that is silent", func(t *testing.T) {
		dead := h.gateway("127.0.0.3")
		h.set(routing.Trunk{Name: "carrier", Host: dead.addr})
		x := ended(t, h.tries(t.Context()))
		if x.OK || !strings.Contains(x.Cure, "firewall") {
			t.Errorf("%+v", x)
		}
		h.set(trunk)
	})
	t.Run("the hub stops", func(t *testing.T) {
		done := h.tries(t.Context())
		gw.optioned()
		gw.reply(gw.request("INVITE"), 180, "gw", "")
		h.Stop()
		if x := ended(t, done); x.OK {
			t.Errorf("%+v", x)
		}
	})
}

func TestTrialByName(t *testing.T) {
	server := nameserver(t)
	h := carried(t, func(c *sipua.Config) { c.DNS = []string{server} })
	h.set(routing.Trunk{Name: "carrier", Host: "gone.example"})
	if x := ended(t, h.tries(t.Context())); x.OK || !strings.Contains(x.Cure, "not in DNS") {
		t.Errorf("%+v", x)
	}
}
