//go:build !linux || !(amd64 || arm64 || riscv64)

package media

import "net/netip"

// rawAddress is of no use to the portable network.
type rawAddress struct{}

func rawAddressOf(netip.AddrPort, bool) rawAddress { return rawAddress{} }

func newFast(int) (network, error) { return newPlain(), nil }
