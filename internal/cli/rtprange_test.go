package cli

import (
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/config"
)

func TestKernelPorts(t *testing.T) {
	rtp := config.RTP{PortMin: 30000, PortMax: 40000}
	for _, c := range []struct{ name, ephemeral, reserved, status, want string }{
		{"apart", "49152\t65535", "", "ok", "49152 to 65535"},
		{"next to each other", "40001 60999", "", "ok", ""},
		{"overlapping", "32768\t60999", "", "warn", "7233 of the ports"},
		{"by one", "40000 60999", "", "warn", "1 of the ports"},
		{"reserved in part", "32768 60999", "8080,30000-39999", "warn", "1 of the ports"},
		{"reserved", "32768 60999", "8080,30000-39999,40000", "ok", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := kernelPorts(rtp, c.ephemeral, c.reserved)
			if len(found) != 1 || found[0].Status != c.status || !strings.Contains(found[0].Detail, c.want) || (found[0].Cure == "") != (c.status == "ok") {
				t.Errorf("%+v", found)
			}
		})
	}
	if found := kernelPorts(rtp, "32768 60999", "8080"); !strings.HasSuffix(found[0].Cure, "ip_local_reserved_ports=8080,30000-40000") {
		t.Errorf("what is reserved is to stay so: %+v", found)
	}
	if found := kernelPorts(rtp, "", ""); found != nil {
		t.Errorf("another system: %+v", found)
	}
}

func TestFilesForTheRange(t *testing.T) {
	rtp := config.RTP{PortMin: 20000, PortMax: 29999} // 5000 parties, 2500 calls
	for limit, want := range map[uint64]struct{ status, detail string }{
		200:     {"fail", "limit 200"},
		1024:    {"warn", "about 184 calls"},
		8192:    {"warn", "about 1618 calls; there are ports for 2500"},
		12599:   {"warn", "ports for 2500"},
		12600:   {"ok", "limit 12600"},
		1 << 63: {"ok", ""}, // no limit
	} {
		if f := filesFor(rtp, limit); f.Status != want.status || !strings.Contains(f.Detail, want.detail) || (f.Cure == "") != (want.status == "ok") {
			t.Errorf("%d: %+v", limit, f)
		}
	}
	if f := filesFor(config.RTP{PortMin: 20000, PortMax: 20999}, 4096); f.Status != "ok" {
		t.Errorf("a small range needs few: %+v", f)
	}
}
