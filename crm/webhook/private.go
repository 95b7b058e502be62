package webhook

import (
	"net/netip"
	"syscall"
)

// privateAddressError: the webhook's name resolves into a network that webhooks
// may not reach.
type privateAddressError struct{ addr netip.Addr }

func (e *privateAddressError) Error() string {
	return "webhook address is in a private network: " + e.addr.String()
}

// shared are networks that reach inside although netip calls them neither
// private nor local: carrier-grade NAT (RFC 6598), "this" network (RFC 1122
// §3.2.1.3), and IPv4 inside IPv6 by NAT64 (RFC 6052) and 6to4 (RFC 3056).
var shared = []netip.Prefix{
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("2002::/16"),
}

// refusePrivate is a net.Dialer's Control. It sees the address that is really
// dialled: a name checked earlier could have changed since.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	a := ap.Addr().Unmap()
	private := !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()
	for _, n := range shared {
		private = private || n.Contains(a)
	}
	if private {
		return &privateAddressError{a}
	}
	return nil
}
