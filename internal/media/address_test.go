package media

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/callyard/callyard/internal/media/tone"
)

func TestBindings(t *testing.T) {
	t.Parallel()
	at := func(s string) (a netip.Addr) {
		if s != "" {
			a = netip.MustParseAddr(s)
		}
		return a
	}
	for _, c := range []struct {
		ip, told string
		want     []string
	}{
		{"10.0.0.1", "", []string{"10.0.0.1"}},
		{"10.0.0.1", "198.51.100.7", []string{"10.0.0.1"}}, // behind NAT
		{"10.0.0.1", "2001:db8::1", []string{"2001:db8::1", "::"}},
		{"0.0.0.0", "", []string{"0.0.0.0"}},
		{"0.0.0.0", "10.0.0.1", []string{"10.0.0.1", "0.0.0.0"}},
		{"0.0.0.0", "2001:db8::1", []string{"2001:db8::1", "::"}},
		{"::", "10.0.0.1", []string{"10.0.0.1", "::"}},
	} {
		var want []netip.Addr
		for _, w := range c.want {
			want = append(want, at(w))
		}
		if got := (Config{IP: at(c.ip)}).bindings(at(c.told)); !slices.Equal(got, want) {
			t.Errorf("%s told %s: %v", c.ip, c.told, got)
		}
	}
}

// TestLegsOfBothFamilies: one is told IPv4, one IPv6, one an address that is not
// the machine's, and they hear each other.
func TestLegsOfBothFamilies(t *testing.T) {
	t.Parallel()
	onEachNetwork(t, func(t *testing.T, e *Engine) {
		for _, ip := range []string{"0.0.0.0", "::"} {
			t.Run(ip, func(t *testing.T) {
				e, err := New(Config{IP: netip.MustParseAddr(ip), Portable: e.cfg.Portable})
				if err != nil {
					t.Fatal(err)
				}
				if err := e.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(e.Stop)
				leg := func(told, network, at string) (*Port, *peer) {
					p, err := e.OpenAt("leg", netip.MustParseAddr(told), false)
					if err != nil {
						t.Fatal(err)
					}
					conn, err := net.ListenUDP(network, &net.UDPAddr{IP: net.ParseIP(at)})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = conn.Close() })
					ph := &peer{t: t, conn: conn, to: netip.AddrPortFrom(netip.MustParseAddr(at), uint16(p.LocalPort())), ssrc: 7, seq: 100}
					p.SetRemote(ph.addr(), pcmu, SendRecv, Options{})
					return p, ph
				}
				four, hears4 := leg("127.0.0.1", "udp4", "127.0.0.1")
				six, hears6 := leg("::1", "udp6", "::1")
				natted, hearsN := leg("198.51.100.7", "udp4", "127.0.0.1")
				four.Join(six)
				said := hears4.say(600, 20)
				if !tone.Has(soundOf(hears6.hear(20)), 600) {
					t.Error("IPv6 does not hear IPv4")
				}
				<-said
				natted.Join(six)
				said = hears6.say(900, 20)
				if !tone.Has(soundOf(hearsN.hear(20)), 900) {
					t.Error("IPv4 does not hear IPv6")
				}
				<-said
			})
		}
	})
}

func TestAnAddressOfTheOtherFamilyGetsNothing(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	p := openPort(t, e) // IPv4
	p.SetRemote(netip.MustParseAddrPort("[::1]:4000"), pcmu, SendRecv, Options{})
	p.Music("tone440")
	if p.target.Load() != nil {
		t.Error("sent somewhere else")
	}
}
