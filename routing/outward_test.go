package routing_test

import (
	"testing"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

func TestOutward(t *testing.T) {
	trunks := []routing.Trunk{
		{Name: "backup", Host: "192.0.2.1", Priority: 9},
		{Name: "in", Sources: []string{"192.0.2.0/24"}},
		{Name: "spain", Hosts: []routing.Gateway{{Host: "192.0.2.2"}}, For: []string{"+34", "+351"}, Country: "34"},
		{Name: "madrid", Host: "192.0.2.3", For: []string{"+3491"}},
	}
	for to, want := range map[call.Number]string{
		"+34911234567": "madrid spain backup ", "+34600000000": "spain backup ", "911234567": "spain backup ", "0034911234567": "madrid spain backup ",
		"+4912345678": "backup ", "112": "backup ",
	} {
		got := ""
		for _, x := range routing.Outward(trunks, to) {
			got += x.Name + " "
		}
		if got != want {
			t.Errorf("%s goes by %q, want %q", string(to), got, want)
		}
	}
}

func TestNumberFormats(t *testing.T) {
	spain := routing.Trunk{Country: "34"}
	germany := routing.Trunk{Country: "49", NationalPrefix: "0"}
	for _, c := range []struct {
		trunk       routing.Trunk
		format      string
		n           call.Number
		write, read string
	}{
		{spain, "", "0034911234567", "0034911234567", "0034911234567"},
		{spain, "e164", "0034911234567", "+34911234567", "+34911234567"},
		{spain, "e164", "911234567", "+34911234567", "+34911234567"},
		{spain, "plain", "+34911234567", "34911234567", "+34911234567"},
		{spain, "plain", "34911234567", "3434911234567", "+34911234567"},
		{spain, "national", "+34911234567", "911234567", "+34911234567"},
		{spain, "national", "+4930123456", "004930123456", "+4930123456"},
		{spain, "national", "112", "112", "112"},
		{germany, "national", "+4930123456", "030123456", "+4930123456"},
		{germany, "e164", "030123456", "+4930123456", "+4930123456"},
		{germany, "e164", "30123456", "30123456", "30123456"},
		{germany, "e164", "*21#", "*21#", "*21#"},
	} {
		c.trunk.NumberFormat = c.format
		if w, r := c.trunk.Write(c.n), c.trunk.Read(c.n); w != c.write || string(r) != c.read {
			t.Errorf("%s of %s: written %s and read %s, want %s and %s", c.format, string(c.n), w, string(r), c.write, c.read)
		}
	}
}
