package egress

import (
	"net/netip"
	"testing"
)

func TestGuard(t *testing.T) {
	lan := guard{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fe80::/10")}
	for address, refused := range map[string]bool{
		"127.0.0.1:443": true, "10.2.2.3:443": true, "192.168.1.1:80": true, "172.16.0.1:80": true,
		"169.254.169.254:80": true, "100.64.0.1:80": true, "0.0.0.0:80": true, "0.1.2.3:80": true, "224.0.0.1:80": true,
		"192.0.0.8:80": true, "198.18.0.1:80": true, "240.0.0.1:80": true, "255.255.255.255:80": true,
		"[::1]:443": true, "[::]:443": true, "[fd00::1]:443": true, "[fec0::1]:443": true, "[ff02::1]:443": true,
		"[::ffff:127.0.0.1]:443": true, "[::7f00:1]:443": true, "[64:ff9b::7f00:1]:443": true, "[64:ff9b:1::1]:443": true,
		"[2002:7f00:1::]:80": true, "[2001:0:1::]:80": true,
		"203.0.113.9:443": false, "[2001:db8::1]:443": false,
		"10.1.2.3:80": false, "[::ffff:10.1.2.3]:80": false, "[fe80::1%eth0]:80": false, // allowed
		"no address": true,
	} {
		if err := lan.check("tcp", address, nil); (err != nil) != refused {
			t.Errorf("%s: %v, want refused %v", address, err, refused)
		}
	}
	if err := guard(nil).check("tcp", "[fe80::1%eth0]:80", nil); err == nil {
		t.Error("link-local is reached without being allowed")
	}
}
