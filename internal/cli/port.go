package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/callyard/callyard/internal/config"
)

// port is one that a hub wants.
type port struct {
	what string // "SIP", "HTTP", "ops"
	net  string // "udp", "tcp"
	at   string // ip:port
	flag string // how to choose another
}

func (p port) String() string { return p.what + " " + p.net + " " + p.at }

// wanted are the ports of a configuration. One that is not understood is left
// to those who listen on it.
func wanted(cfg config.Config) []port {
	var out []port
	for _, l := range cfg.SIP.Listeners() {
		if transport, at, err := config.ParseListen(l.Listen); err == nil {
			if transport == "tls" {
				transport = "tcp"
			}
			out = append(out, port{"SIP", transport, at.String(), "--sip-listen"})
		}
	}
	out = append(out, port{"HTTP", "tcp", cfg.HTTP.Listen, "--http-listen"})
	if cfg.HTTP.TLSListen != "" {
		out = append(out, port{"HTTPS", "tcp", cfg.HTTP.TLSListen, "http.tls_listen in the configuration"})
	}
	if cfg.HTTP.Ops != "" {
		out = append(out, port{"ops", "tcp", cfg.HTTP.Ops, "--ops-listen"})
	}
	return out
}

// portsFree says which port of a configuration is taken, and by whom.
func portsFree(ctx context.Context, cfg config.Config) error {
	for _, p := range wanted(cfg) {
		if err := p.free(ctx); err != nil {
			return err
		}
	}
	return nil
}

// free tries the port.
func (p port) free(ctx context.Context) error {
	var lc net.ListenConfig
	var err error
	if p.net == "udp" {
		var l net.PacketConn
		if l, err = lc.ListenPacket(ctx, "udp", p.at); err == nil {
			return l.Close()
		}
	} else {
		var l net.Listener
		if l, err = lc.Listen(ctx, "tcp", p.at); err == nil {
			return l.Close()
		}
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s cannot be listened on: %w; choose another address with %s", p, err, p.flag)
	}
	return &takenError{p, holder(p.net, p.at)}
}

// takenError is returned for a port that another process has.
type takenError struct {
	port   port
	holder process // zero if it cannot be known
}

func (e *takenError) Error() string {
	by := ""
	if e.holder.pid != 0 {
		by = " by " + e.holder.String()
	}
	return fmt.Sprintf("%s is in use%s; stop it, or choose another with %s %s", e.port, by, e.port.flag, e.port.other())
}

// other is an address to propose instead.
func (p port) other() string {
	at, err := netip.ParseAddrPort(p.at)
	if err != nil {
		return "ip:port"
	}
	n := uint16(at.Port() + 10)
	return netip.AddrPortFrom(at.Addr(), n).String()
}

// process is another process of this machine.
type process struct {
	pid  int
	name string
}

func (p process) String() string { return fmt.Sprintf("%s (process %d)", p.name, p.pid) }

// holder finds who listens on a port, as far as we may see. It knows Linux only.
func holder(network, at string) process {
	_, portText, err := net.SplitHostPort(at)
	if err != nil {
		return process{}
	}
	n, err := strconv.Atoi(portText)
	if err != nil {
		return process{}
	}
	var inodes []string
	for _, file := range []string{network, network + "6"} {
		inodes = append(inodes, socketsAt("/proc/net/"+file, network, n)...)
	}
	if len(inodes) == 0 {
		return process{}
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*") // only a bad pattern is an error
	for _, link := range links {
		to, err := os.Readlink(link)
		if err != nil || !slices.Contains(inodes, strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")) {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(link, "/")[2])
		if err != nil {
			continue
		}
		return process{pid, processName(pid)}
	}
	return process{}
}

func processName(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "a process"
	}
	return strings.TrimSpace(string(name))
}

// socketsAt reads the inodes of the sockets bound to a port from a table such as
// /proc/net/udp: of TCP only those that listen (state 0A).
func socketsAt(table, network string, n int) []string {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	var out []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		field := strings.Fields(lines.Text()) // sl local rem st tx:rx tr:when retr uid timeout inode
		if len(field) < 10 || !strings.HasSuffix(field[1], fmt.Sprintf(":%04X", n)) || network == "tcp" && field[3] != "0A" {
			continue
		}
		out = append(out, field[9])
	}
	return out
}
