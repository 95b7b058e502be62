package cli

import (
	"slices"
	"testing"
)

func TestListens(t *testing.T) {
	for in, want := range map[string][]string{
		"192.0.2.1:5060":     {"udp:192.0.2.1:5060", "tcp:192.0.2.1:5060"},
		"udp:192.0.2.1:5060": {"udp:192.0.2.1:5060"},
		"tls:192.0.2.1:5061": {"tls:192.0.2.1:5061"},
	} {
		if got := listens(in); !slices.Equal(got, want) {
			t.Errorf("%s listens on %q, want %q", in, got, want)
		}
	}
}
