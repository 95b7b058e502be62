package sipua_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/routing"
)

func TestWhatARegistrarGrants(t *testing.T) {
	t.Run("for longer than can be counted: no storm of registrations", func(t *testing.T) {
		h := carried(t)
		reg := h.gateway("127.0.0.2")
		h.set(enrolled(reg))
		reg.admits(18446744074) // 2^64 ns and a little
		reg.quiet(400*time.Millisecond, func(m msg) bool { return m.method() == "REGISTER" })
	})
	t.Run("what another place of the account has left does not count", func(t *testing.T) {
		h := carried(t)
		reg := h.gateway("127.0.0.2")
		h.set(enrolled(reg))
		one := reg.request("REGISTER")
		reg.reply(one, 200, "r", "", fmt.Sprintf("Contact: <%s>;expires=600", one.uri("Contact")), "Contact: <sip:acct@192.0.2.9:5060>;expires=1")
		await(t, func() bool { st, _ := h.TrunkStatus("carrier"); return st.Registration.State == "registered" })
		if st, _ := h.TrunkStatus("carrier"); time.Until(st.Registration.Until) < time.Minute {
			t.Errorf("until %v", st.Registration.Until)
		}
	})
}

// A gateway that speaks when it was given up already, and then no more, leaves no
// transaction behind.
func TestGatewaySpeaksTooLateAndNoMore(t *testing.T) {
	h := carried(t)
	slow, next := h.gateway("127.0.0.2"), h.gateway("127.0.0.3")
	h.set(routing.Trunk{Name: "carrier", Hosts: gateways(slow, next)})
	leg := h.call("+34911234567")
	inv := slow.request("INVITE")
	second := next.request("INVITE")
	slow.reply(inv, 100, "", "")
	slow.request("CANCEL")
	next.reply(second, 404, "x", "")
	event[callctl.LegEnded](leg)
	until(t, func() bool { return h.Stats().ClientTransactions <= 2 }) // the CANCEL, and what waits for a repeated 404
}
