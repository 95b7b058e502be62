package cli

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/routing"
)

// office is a machine behind a router: 10.0.0.5 leads outside, 10.8.0.1 does not.
func office(more ...string) machine {
	m := machine{
		told: func(i config.Interface, _ context.Context, at netip.Addr) string {
			if i.Advertise == "" && at.IsUnspecified() {
				return "10.0.0.5"
			}
			return i.Advertise
		},
		resolve: func(_ context.Context, name string) ([]netip.Addr, error) {
			addr, ok := map[string]string{"pbx.example.com": "203.0.113.5", "pbx.example.lan": "10.0.0.5", "old.example.lan": "10.0.0.9", "sip.example.net": "198.51.100.7", "sbc.example.lan": "10.2.2.2"}[name]
			if !ok {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{netip.MustParseAddr("::ffff:" + addr)}, nil // as resolvers may write it
		},
	}
	for _, a := range append([]string{"127.0.0.1", "::1", "fe80::1", "10.0.0.5"}, more...) {
		m.addrs = append(m.addrs, netip.MustParseAddr(a))
	}
	return m
}

func TestAdvertised(t *testing.T) {
	carrier := routing.Trunk{Name: "carrier", Host: "sip.example.net:5060"}
	for _, c := range []struct {
		name    string
		machine machine
		sip     config.SIP // listen is udp:0.0.0.0:5060 and tcp unless set
		rtp     string
		trunks  trunkList
		status  string
		want    []string // in the one finding that is not ok, or in the ok one
	}{
		{name: "one address, no trunks", machine: office(), status: "ok", want: []string{"told 10.0.0.5"}},
		{name: "a public name and a carrier", machine: office(), sip: config.SIP{Advertise: "pbx.example.com:5070"}, rtp: "203.0.113.5", trunks: trunkList{trunks: []routing.Trunk{carrier}}, status: "ok", want: []string{"203.0.113.5"}},
		{name: "an own address and a carrier in the house", machine: office(), sip: config.SIP{Advertise: "pbx.example.lan"}, rtp: "10.0.0.5", trunks: trunkList{trunks: []routing.Trunk{{Name: "sbc", Host: "sbc.example.lan"}, {Name: "lan", Sources: []string{"10.0.0.0/8"}}}}, status: "ok", want: []string{"10.0.0.5"}},
		{name: "two addresses, and one is advertised", machine: office("10.8.0.1"), sip: config.SIP{Advertise: "10.8.0.1"}, status: "ok", want: []string{"10.8.0.1"}},
		{name: "two addresses, and we listen on one", machine: office("10.8.0.1"), sip: config.SIP{Listen: []string{"udp:10.8.0.1:5060"}}, status: "ok", want: []string{"10.8.0.1"}},
		{name: "addresses of one network, as IPv6 has them", machine: office("2001:db8::1", "2001:db8::2"), sip: config.SIP{Listen: []string{"udp:[::]:5060"}}, status: "ok", want: []string{"told"}},

		{name: "several addresses, none advertised", machine: office("10.8.0.1"), status: "warn", want: []string{"0.0.0.0, which is 10.0.0.5, 10.8.0.1", "told 10.0.0.5", "→sip.advertise (--sip-advertise)"}},
		{name: "another's private address", machine: office(), sip: config.SIP{Advertise: "10.0.0.9"}, status: "warn", want: []string{"sip.advertise is 10.0.0.9, which is neither", "→(10.0.0.5)"}},
		{name: "a name for another's private address", machine: office(), sip: config.SIP{Advertise: "old.example.lan"}, rtp: "10.0.0.5", status: "warn", want: []string{"sip.advertise is old.example.lan (10.0.0.9)"}},
		{name: "another's private address for audio", machine: office(), sip: config.SIP{Advertise: "203.0.113.5"}, rtp: "192.168.1.1", status: "warn", want: []string{"rtp.advertise is 192.168.1.1"}},
		{name: "a name that is nowhere", machine: office(), sip: config.SIP{Advertise: "pbx.example.org"}, rtp: "203.0.113.5", status: "warn", want: []string{"pbx.example.org, which is no name that resolves", "→DNS"}},
		{name: "of an interface", machine: office(), sip: config.SIP{Interfaces: []config.Interface{{Listen: "udp:10.0.0.5:5060"}, {Listen: "udp:0.0.0.0:5080", Advertise: "10.0.0.5", Media: "10.0.0.9"}}}, status: "warn", want: []string{"media of sip.interfaces[1] is 10.0.0.9"}},
		{name: "a name, and no address for audio", machine: office(), sip: config.SIP{Advertise: "pbx.example.com"}, status: "fail", want: []string{"promised at 0.0.0.0", "→rtp.advertise"}},
		{name: "a name for audio", machine: office(), rtp: "pbx.example.com", status: "fail", want: []string{"rtp.advertise is pbx.example.com, which is no address"}},

		{name: "a carrier on the internet is told a private address", machine: office(), trunks: trunkList{trunks: []routing.Trunk{carrier}}, status: "warn", want: []string{"trunk carrier (198.51.100.7) is on the internet", "told 10.0.0.5", "→sip.advertise", "→UDP 20000 to 29999"}},
		{name: "so is one that only calls us", machine: office(), trunks: trunkList{trunks: []routing.Trunk{{Name: "in", Sources: []string{"198.51.100.0/24"}}}}, status: "warn", want: []string{"trunk in (198.51.100.0)"}},
		{name: "and one that we register with", machine: office(), trunks: trunkList{trunks: []routing.Trunk{{Name: "reg", Registrar: "sip.example.net"}, carrier}}, status: "warn", want: []string{"trunks reg (198.51.100.7), carrier (198.51.100.7) are"}},
		{name: "loopback is told", machine: office(), sip: config.SIP{Listen: []string{"udp:127.0.0.1:5060"}}, trunks: trunkList{trunks: []routing.Trunk{carrier}}, status: "warn", want: []string{"told 127.0.0.1"}},
		{name: "audio is promised at a private one", machine: office(), sip: config.SIP{Advertise: "203.0.113.5"}, rtp: "10.0.0.5", trunks: trunkList{trunks: []routing.Trunk{carrier}}, status: "warn", want: []string{"told 10.0.0.5"}},
		{name: "a public address of the other family is none", machine: office("2001:db8::1"), sip: config.SIP{Advertise: "2001:db8::1"}, trunks: trunkList{trunks: []routing.Trunk{carrier}}, status: "warn", want: []string{"no address of its kind"}},
		{name: "one interface of two is public", machine: office(), sip: config.SIP{Interfaces: []config.Interface{{Listen: "udp:10.0.0.5:5060"}, {Listen: "udp:0.0.0.0:5080", Advertise: "203.0.113.5"}}}, trunks: trunkList{trunks: []routing.Trunk{carrier}}, status: "ok", want: []string{"203.0.113.5"}},
		{name: "neither interface is public", machine: office(), sip: config.SIP{Interfaces: []config.Interface{{Listen: "udp:10.0.0.5:5060"}, {Listen: "tcp:10.0.0.5:5060"}}}, trunks: trunkList{trunks: []routing.Trunk{carrier}}, status: "warn", want: []string{"→advertise and media of an interface"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config.Default()
			listen := cfg.SIP.Listen
			cfg.SIP = c.sip
			if cfg.SIP.Listen == nil {
				cfg.SIP.Listen = listen
			}
			cfg.RTP.Advertise = c.rtp
			found := advertised(t.Context(), cfg, c.machine, c.trunks)
			if len(found) != 1 || found[0].Status != c.status || (found[0].Cure == "") != (c.status == "ok") {
				t.Fatalf("%+v", found)
			}
			for _, want := range c.want {
				in := found[0].Detail
				if cure, ok := strings.CutPrefix(want, "→"); ok {
					in, want = found[0].Cure, cure
				}
				if !strings.Contains(in, want) {
					t.Errorf("%q is not in %q", want, in)
				}
			}
		})
	}

	t.Run("trunks that are not known are said to be", func(t *testing.T) {
		found := advertised(t.Context(), config.Default(), office(), trunkList{unknown: "the database does not answer", trunks: []routing.Trunk{carrier}})
		if len(found) != 2 || found[1].Status != "ok" || !strings.Contains(found[1].Detail, "not compared with the trunks: the database does not answer") {
			t.Errorf("%+v", found)
		}
	})
}
