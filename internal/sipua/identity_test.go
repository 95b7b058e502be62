package sipua_test

import (
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/routing"
)

func TestShownToCarriers(t *testing.T) {
	h := carried(t)
	gw := h.gateway("127.0.0.2")
	ana := callctl.Party{Number: "+34600000001", Name: "Ana"}
	for name, c := range map[string]struct {
		trunk routing.Trunk
		inv   callctl.Invitation
		want  map[string]string // "" wants none
	}{
		"as it is": {
			routing.Trunk{},
			callctl.Invitation{Shown: ana, Diverted: "701"},
			map[string]string{"From": `"Ana" <sip:+34600000001@127.0.0.1`, "P-Asserted-Identity": `"Ana" <sip:+34600000001@`, "Diversion": "<sip:701@", "Remote-Party-ID": "", "Privacy": "", "History-Info": ""},
		},
		"an extension": {
			routing.Trunk{CallerNumber: "+34910000000", Domain: "carrier.example"},
			callctl.Invitation{Shown: callctl.Party{Number: "201", Name: "Ann", Agent: "ann"}},
			map[string]string{"From": `"Ann" <sip:+34910000000@carrier.example>`, "To": "<sip:+34911234567@carrier.example>", "P-Asserted-Identity": `"Ann" <sip:+34910000000@carrier.example>`},
		},
		"the trunk's number always": {
			routing.Trunk{CallerNumber: "+34910000000", Show: "own"},
			callctl.Invitation{Shown: ana, Diverted: "701"},
			map[string]string{"From": `<sip:+34910000000@`, "P-Asserted-Identity": `<sip:+34910000000@`, "Diversion": "<sip:+34910000000@"},
		},
		"a hidden caller": {
			routing.Trunk{CallerNumber: "+34910000000", Send: []string{"pai", "rpid"}},
			callctl.Invitation{},
			map[string]string{"From": `"Anonymous" <sip:anonymous@anonymous.invalid>`, "P-Asserted-Identity": "<sip:+34910000000@", "Privacy": "id", "Remote-Party-ID": "privacy=full"},
		},
		"other headers": {
			routing.Trunk{Send: []string{"rpid", "history-info"}},
			callctl.Invitation{Shown: ana, Diverted: "701"},
			map[string]string{"P-Asserted-Identity": "", "Diversion": "", "Remote-Party-ID": `"Ana" <sip:+34600000001@`, "History-Info": "<sip:701@"},
		},
		"none": {
			routing.Trunk{Send: []string{"none"}},
			callctl.Invitation{Shown: ana, Diverted: "701"},
			map[string]string{"P-Asserted-Identity": "", "Diversion": "", "Remote-Party-ID": "", "History-Info": ""},
		},
		"national numbers": {
			routing.Trunk{NumberFormat: "national", Country: "34"},
			callctl.Invitation{Shown: ana},
			map[string]string{"From": `<sip:600000001@`, "To": "<sip:911234567@", "P-Asserted-Identity": "<sip:600000001@"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.trunk.Name, c.trunk.Host = "carrier", gw.addr
			h.set(c.trunk)
			leg := h.dial(callctl.Target{Number: "+34911234567"}, c.inv)[0]
			inv := gw.request("INVITE")
			for name, want := range c.want {
				if got := inv.hdr(name); (want == "") != (got == "") || !strings.Contains(got, want) {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			gw.reply(inv, 486, "x", "")
			event[callctl.LegEnded](leg)
		})
	}
}

func TestCallersByPolicy(t *testing.T) {
	h := carried(t)
	p := udpPeer(t, h.udp)
	const (
		pai  = `P-Asserted-Identity: "Real" <sip:+34600000009@carrier>`
		rpid = `Remote-Party-ID: "Other" <sip:34600000008@carrier>;party=calling;privacy=off`
	)
	for name, c := range map[string]struct {
		trunk   routing.Trunk
		headers []string
		number  call.Number
		who     string
	}{
		"asserted first":           {routing.Trunk{}, []string{pai, rpid}, "+34600000009", "Real"},
		"From else":                {routing.Trunk{}, []string{rpid}, "+34600000001", ""},
		"Remote-Party-ID":          {routing.Trunk{Trust: []string{"rpid", "pai"}, NumberFormat: "plain"}, []string{pai, rpid}, "+34600000008", "Other"},
		"only what is asserted":    {routing.Trunk{Trust: []string{"pai"}}, []string{rpid}, "", ""},
		"nothing but From":         {routing.Trunk{Trust: []string{"from"}}, []string{pai, rpid}, "+34600000001", ""},
		"hidden":                   {routing.Trunk{}, []string{pai, "Privacy: id;critical"}, "", ""},
		"not hidden":               {routing.Trunk{}, []string{pai, "Privacy: none"}, "+34600000009", "Real"},
		"hidden by its own header": {routing.Trunk{}, []string{pai, `Remote-Party-ID: <sip:34600000008@carrier>;party=calling;privacy=full`}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.trunk.Name, c.trunk.Sources = "carrier", []string{"127.0.0.0/8"}
			h.set(c.trunk)
			k := p.talk("+34600000001", "700")
			k.do("INVITE", offer(), c.headers...)
			leg, in := h.incoming()
			if in.From.Number != c.number || in.From.Name != c.who {
				t.Errorf("%q %q, want %q %q", string(in.From.Number), in.From.Name, string(c.number), c.who)
			}
			leg.leg.Hangup(call.Busy, "")
			k.ackFailure(p.status("INVITE", 486))
		})
	}
}
