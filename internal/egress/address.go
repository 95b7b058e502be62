package egress

import (
	"net/netip"
	"syscall"
)

// ForbiddenAddressError says that a name resolves into a network that may not
// be reached.
type ForbiddenAddressError struct{ Addr netip.Addr }

func (e *ForbiddenAddressError) Error() string {
	return "address is in a private network: " + e.Addr.String()
}

// inside are networks that lead inside, or nowhere, although netip calls them
// neither private nor local.
var inside = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),     // "this" network, RFC 1122 §3.2.1.3
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT, RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),  // protocol assignments, RFC 6890
	netip.MustParsePrefix("198.18.0.0/15"), // benchmarks, RFC 2544
	netip.MustParsePrefix("240.0.0.0/4"),   // reserved, RFC 1112
	netip.MustParsePrefix("fec0::/10"),     // site-local, RFC 3879
	// IPv4 within IPv6: compatible, Teredo (RFC 4380), NAT64 (RFC 6052, 8215), 6to4 (RFC 3056).
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"),
}

// guard is the networks that may be reached beside the public ones.
type guard []netip.Prefix

// check is a net.Dialer's Control. It sees the address that is really dialled:
// a name checked earlier could have changed since.
func (g guard) check(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if a := ap.Addr().Unmap().WithZone(""); !g.allows(a) {
		return &ForbiddenAddressError{a}
	}
	return nil
}

func (g guard) allows(a netip.Addr) bool { return contains(g, a) || Public(a) }

// Public says whether an address is one of the internet's: neither private nor
// local nor set apart for something else.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return a.IsGlobalUnicast() && !a.IsPrivate() && !contains(inside, a)
}

func contains(nets []netip.Prefix, a netip.Addr) bool {
	for _, n := range nets {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
