package sipua_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/routing"
)

func TestReferOfATrunk(t *testing.T) {
	t.Parallel()
	trusts := func(c *sipua.Config) {
		c.Trunks = func() []routing.Trunk {
			return []routing.Trunk{{Name: "pbx", Sources: []string{"127.0.0.0/8"}, Trust: []string{routing.TrustReferredBy}}}
		}
	}
	t.Run("that is not trusted is refused, whoever it names", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k, leg := h.answeredCall(p)
		k.do("REFER", "", "Refer-To: <sip:700@x>", "Referred-By: <sip:rep1@hub>")
		p.status("REFER", 403)
		leg.silent(20 * time.Millisecond)
	})
	t.Run("that is trusted names who sends the call on", func(t *testing.T) {
		h := start(t, trusts)
		p := udpPeer(t, h.udp)
		k, leg := h.answeredCall(p)
		for _, c := range []struct {
			by      string
			headers []string
		}{
			{"rep2", []string{"Referred-By: <sip:rep2@pbx>", "P-Asserted-Identity: <sip:rep1@pbx>"}},
			{"201", []string{"P-Asserted-Identity: <sip:201@pbx>"}},
			{"", nil},
		} {
			k.do("REFER", "", append(c.headers, "Refer-To: <sip:700@x>", "Refer-Sub: false")...)
			p.status("REFER", 202)
			if e := event[callctl.LegReferred](leg); string(e.By.Number) != c.by || e.By.Agent != "" || e.To != "700" {
				t.Errorf("%+v", e)
			}
		}
	})
	t.Run("a rep's own password says more than Referred-By", func(t *testing.T) {
		h := start(t, trusts)
		p := h.phone(t, "rep1", "pw1")
		k, leg := h.dialled(p)
		k.do("REFER", "", "Refer-To: <sip:700@x>", "Referred-By: <sip:rep2@pbx>", "Refer-Sub: false")
		p.status("REFER", 202)
		if e := event[callctl.LegReferred](leg); e.By.Agent != "rep1" {
			t.Errorf("%+v", e)
		}
	})
}

func TestReferThatCannotBeRead(t *testing.T) {
	t.Parallel()
	h := start(t)
	p := h.phone(t, "rep1", "pw1")
	k, leg := h.dialled(p)
	for name, headers := range map[string][]string{
		"none":      nil,
		"two":       {"Refer-To: <sip:700@x>", "Refer-To: <sip:701@x>"},
		"garbage":   {"Refer-To: <<<%%%;"},
		"no user":   {"Refer-To: <sip:hub.example>"},
		"no scheme": {"Refer-To: 700"},
		"a page":    {"Refer-To: <https://example.com/700>"},
	} {
		t.Log(name)
		k.do("REFER", "", headers...)
		p.status("REFER", 400)
	}
	leg.silent(20 * time.Millisecond)
}
