package config

import (
	"context"
	"net"
	"net/netip"
)

// Told is what peers are told of an interface that listens at an address: what
// it advertises, else, where it listens on all addresses, the one that leads
// outside; "" is the listening address itself.
func (i Interface) Told(ctx context.Context, at netip.Addr) string {
	if i.Advertise != "" || !at.IsUnspecified() {
		return i.Advertise
	}
	return outward(ctx, at).String()
}

// outward is the address that leads outside, in the family of at.
func outward(ctx context.Context, at netip.Addr) netip.Addr {
	outside, nobody := "192.0.2.1:9", netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if at.Is6() {
		outside, nobody = "[2001:db8::1]:9", netip.IPv6Loopback()
	}
	// Connecting a UDP socket sends nothing; it asks the routing table.
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", outside)
	if err != nil {
		return nobody
	}
	defer func() { _ = c.Close() }()
	local, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return nobody
	}
	return local.Addr().Unmap().WithZone("")
}
