package config_test

import (
	"net/netip"
	"testing"

	"github.com/callyard/callyard/internal/config"
)

func TestTold(t *testing.T) {
	for _, c := range []struct{ advertise, at, want string }{
		{"pbx.example.com:5070", "0.0.0.0", "pbx.example.com:5070"},
		{"", "10.0.0.5", ""},
	} {
		if got := (config.Interface{Advertise: c.advertise}).Told(t.Context(), netip.MustParseAddr(c.at)); got != c.want {
			t.Errorf("%+v: told %q", c, got)
		}
	}
	for _, all := range []string{"0.0.0.0", "::"} { // which one depends on the machine
		at := netip.MustParseAddr(all)
		got, err := netip.ParseAddr((config.Interface{}).Told(t.Context(), at))
		if err != nil || got.IsUnspecified() || got.Is4() != at.Is4() {
			t.Errorf("%s: told %s, %v", all, got, err)
		}
	}
}
