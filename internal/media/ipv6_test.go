package media

import (
	"net"
	"net/netip"
	"testing"
)

// TestBothFamilies: an engine bound to every address serves peers of IPv4 and
// IPv6, over either network.
func TestBothFamilies(t *testing.T) {
	t.Parallel()
	for _, portable := range []bool{false, true} {
		e, err := New(Config{IP: netip.IPv6Unspecified(), Portable: portable})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Stop)
		for _, at := range []string{"127.0.0.1", "::1"} {
			p := openPort(t, e)
			conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(at)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			ph := &peer{t: t, conn: conn, to: netip.AddrPortFrom(netip.MustParseAddr(at), uint16(p.LocalPort())), pt: 0, ssrc: 1, seq: 1, ts: 1}
			p.SetRemote(ph.addr(), Codec{Name: "PCMU", PT: 0, Clock: 8000}, SendRecv, Options{})
			ph.frame(make([]byte, 160))
			eventually(t, "the packet from "+at, func() bool { return p.Stats().Received == 1 })
			p.Music("default")
			b := make([]byte, 1500)
			if n, err := conn.Read(b); err != nil || n < 100 {
				t.Errorf("%d bytes of music at %s: %v", n, at, err)
			}
			p.Close()
		}
	}
}
