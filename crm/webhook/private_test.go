package webhook

import "testing"

func TestRefusePrivate(t *testing.T) {
	for address, refused := range map[string]bool{
		"127.0.0.1:443": true, "10.1.2.3:443": true, "192.168.1.1:80": true, "172.16.0.1:80": true,
		"169.254.169.254:80": true, "100.64.0.1:80": true, "0.0.0.0:80": true, "0.1.2.3:80": true, "224.0.0.1:80": true,
		"[::1]:443": true, "[fe80::1]:443": true, "[fd00::1]:443": true, "[::ffff:127.0.0.1]:443": true, "[64:ff9b::7f00:1]:443": true,
		"[2002:7f00:1::]:80": true,
		"203.0.113.9:443":    false, "[2001:db8::1]:443": false,
	} {
		if err := refusePrivate("tcp", address, nil); (err != nil) != refused {
			t.Errorf("%s: %v, want refused %v", address, err, refused)
		}
	}
}
