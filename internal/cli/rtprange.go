package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/callyard/callyard/internal/config"
)

// rtpRange tries some ports of the range.
func rtpRange(ctx context.Context, cfg config.Config) finding {
	ip := cfg.RTP.IP
	if ip == "" && len(cfg.SIP.Listen) > 0 {
		if _, at, err := config.ParseListen(cfg.SIP.Listen[0]); err == nil {
			ip = at.Addr().String()
		}
	}
	const tries = 40
	size := cfg.RTP.PortMax - cfg.RTP.PortMin + 1
	taken := 0
	var last error
	for range tries {
		n := cfg.RTP.PortMin + rand.IntN(size)
		if _, err := netip.ParseAddr(ip); err != nil {
			return finding{"RTP ports", "fail", "rtp.ip: " + err.Error(), "name an address of this machine in rtp.ip (CALLYARD_RTP__IP)"}
		}
		var lc net.ListenConfig
		l, err := lc.ListenPacket(ctx, "udp", net.JoinHostPort(ip, strconv.Itoa(n)))
		if err != nil {
			taken, last = taken+1, err
			continue
		}
		_ = l.Close()
	}
	what := fmt.Sprintf("%d to %d on %s", cfg.RTP.PortMin, cfg.RTP.PortMax, ip)
	cure := "choose another range with rtp.port_min and rtp.port_max (CALLYARD_RTP__PORT_MIN …)"
	switch {
	case taken == tries && !errors.Is(last, syscall.EADDRINUSE):
		return finding{"RTP ports", "fail", what + ": " + last.Error(), "name an address of this machine in rtp.ip (CALLYARD_RTP__IP)"}
	case taken == tries:
		return finding{"RTP ports", "fail", what + ": all that were tried are in use", cure}
	case taken > tries/4:
		return finding{"RTP ports", "warn", fmt.Sprintf("%s: %d of %d tried are in use", what, taken, tries), cure}
	}
	return finding{Check: "RTP ports", Status: "ok", Detail: fmt.Sprintf("%s, enough for about %d parties", what, size/2)}
}

// kernelSetting reads one of the kernel's settings for IP; "" where there is no
// such thing, as on other systems than Linux.
func kernelSetting(name string) string {
	b, err := os.ReadFile("/proc/sys/net/ipv4/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// kernelPorts compares the range for RTP with the one the kernel takes ports from
// for sockets that ask for any ("32768 60999"), unless they are reserved
// ("8080,20000-29999").
func kernelPorts(rtp config.RTP, ephemeral, reserved string) []finding {
	var low, high int
	if n, _ := fmt.Sscan(ephemeral, &low, &high); n != 2 {
		return nil
	}
	const check = "kernel's ports"
	shared := 0
	for n := max(low, rtp.PortMin); n <= min(high, rtp.PortMax); n++ {
		if !among(reserved, n) {
			shared++
		}
	}
	if shared == 0 {
		return []finding{{Check: check, Status: "ok", Detail: fmt.Sprintf("of %d to %d, the kernel gives out none that are for RTP", low, high)}}
	}
	return []finding{{
		check, "warn",
		fmt.Sprintf("%d of the ports for RTP are in %d to %d, from which the kernel gives ports to everybody", shared, low, high),
		fmt.Sprintf("choose another range with rtp.port_min and rtp.port_max, or keep it from others: sysctl -w net.ipv4.ip_local_reserved_ports=%s",
			strings.TrimPrefix(fmt.Sprintf("%s,%d-%d", reserved, rtp.PortMin, rtp.PortMax), ",")),
	}}
}

// among says whether a list such as "8080,20000-29999" has a port in it.
func among(list string, n int) bool {
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		low, err := strconv.Atoi(from)
		if err != nil {
			continue
		}
		high := low
		if isRange {
			if high, err = strconv.Atoi(to); err != nil {
				continue
			}
		}
		if low <= n && n <= high {
			return true
		}
	}
	return false
}

// openFiles compares the limit on open files with what calls need.
func openFiles(rtp config.RTP) finding {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return finding{"open files", "warn", err.Error(), "look at it with ulimit -Hn: a hub wants 4096 at least"}
	}
	return filesFor(rtp, uint64(l.Max)) // Go raises the limit up to the hard one by itself
}

// What is open beside calls, and for a call: two sockets for each of its two
// parties, and the file of the recording.
const (
	filesOfHub  = 100
	filesOfCall = 5
)

func filesFor(rtp config.RTP, limit uint64) finding {
	f := finding{Check: "open files", Status: "ok", Detail: fmt.Sprintf("limit %d", limit)}
	room := uint64(rtp.PortMax-rtp.PortMin+1) / 4 // calls that the range has ports for
	cure := fmt.Sprintf("raise the hard limit: ulimit -Hn %[1]d, or LimitNOFILE=%[1]d in the service's unit", max(65536, room*filesOfCall+filesOfHub))
	switch {
	case limit < 256:
		f.Status, f.Cure = "fail", cure
	case limit < 4096:
		f.Status, f.Detail, f.Cure = "warn", fmt.Sprintf("limit %d, enough for about %d calls", limit, (limit-filesOfHub)/filesOfCall), cure
	case limit < room*filesOfCall+filesOfHub:
		f.Status, f.Cure = "warn", cure
		f.Detail = fmt.Sprintf("limit %d, enough for about %d calls; there are ports for %d", limit, (limit-filesOfHub)/filesOfCall, room)
	}
	return f
}
