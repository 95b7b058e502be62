//go:build linux

package hubproc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopWithin is how long the hub may take to end its calls and its database.
const stopWithin = 40 * time.Second

// Hub is a callyard process, its child Postgres and the folder of both.
type Hub struct {
	Dir string // of its data
	Log string
	SIP netip.AddrPort // UDP and TCP
	Web netip.AddrPort
	Ops netip.AddrPort // not set without Config.Ops
	TLS netip.AddrPort // SIP; not set without Config.Cert

	Exited chan struct{} // closed when the process has ended, Err being how
	Err    error

	cmd *exec.Cmd
}

// Config is what a hub is started with.
type Config struct {
	Binary   string
	Name     string   // of the node, and part of the folder's
	Document []byte   // the set-up file
	IP       string   // of SIP and RTP; "" 127.0.0.1
	Ops      bool     // open the operators' port
	Env      []string // CALLYARD_…
	Cert     string   // PEM files of a certificate and its key: SIP over TLS too
	Key      string
}

// Start starts a hub in a folder of its own. Stop ends it.
func Start(cfg Config) (*Hub, error) {
	binary, err := filepath.Abs(cfg.Binary)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "callyard-"+cfg.Name+"-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // started by root, Postgres is another user
		return nil, err
	}
	setup, logged := filepath.Join(dir, "setup.yaml"), filepath.Join(dir, "hub.log")
	if err := os.WriteFile(setup, cfg.Document, 0o644); err != nil {
		return nil, err
	}
	out, err := os.Create(logged)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	ip := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if cfg.IP != "" {
		if ip, err = netip.ParseAddr(cfg.IP); err != nil {
			return nil, err
		}
	}
	at := func() netip.AddrPort {
		port, perr := freePort(ip)
		err = errors.Join(err, perr)
		return netip.AddrPortFrom(ip, port)
	}
	h := &Hub{Dir: dir, Log: logged, SIP: at(), Web: at(), Exited: make(chan struct{})}
	listen := []string{"udp:" + h.SIP.String(), "tcp:" + h.SIP.String()}
	env := append(os.Environ(), "DATABASE_URL=", "CALLYARD_NODE="+cfg.Name, "CALLYARD_WRAP_UP_S=0",
		// Below the ports that the kernel gives out by itself, so that few are taken.
		"CALLYARD_RTP__PORT_MIN=12000", "CALLYARD_RTP__PORT_MAX=19999")
	if cfg.Cert != "" {
		h.TLS = at()
		listen = append(listen, "tls:"+h.TLS.String())
		env = append(env, "CALLYARD_SIP__TLS_CERT="+cfg.Cert, "CALLYARD_SIP__TLS_KEY="+cfg.Key)
	}
	ops := ""
	if cfg.Ops {
		h.Ops = at()
		ops = h.Ops.String()
	}
	if err != nil {
		return nil, err
	}
	h.cmd = exec.Command(binary, "serve", "--data-dir", dir, "--sip-listen", strings.Join(listen, ","),
		"--http-listen", h.Web.String(), "--ops-listen", ops, "--apply", setup)
	h.cmd.Env = append(env, cfg.Env...)
	h.cmd.Stdout, h.cmd.Stderr = out, out
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; we stop it in order
	if err := h.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the hub: %w", err)
	}
	go func() {
		h.Err = h.cmd.Wait()
		close(h.Exited)
	}()
	return h, nil
}

// PID is the hub's process.
func (h *Hub) PID() int { return h.cmd.Process.Pid }

// Key is the API key that a hub makes when it starts for the first time; it says
// it in its log once the set-up file is in force.
func (h *Hub) Key() (string, error) {
	b, err := os.ReadFile(h.Log)
	if err != nil {
		return "", err
	}
	key := firstKey.FindSubmatch(b)
	if key == nil {
		return "", fmt.Errorf("no key is shown in %s", h.Log)
	}
	return string(key[1]), nil
}

var firstKey = regexp.MustCompile(`(?m)^ +Key +(ck_\S+)`)

// Stop asks the hub to end and waits for it. One that does not is killed, and
// the database with it.
func (h *Hub) Stop() error {
	select {
	case <-h.Exited:
		return fmt.Errorf("the hub ended by itself: %w", h.Err)
	default:
	}
	pm := h.postmaster()
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	select {
	case <-h.Exited:
		if h.Err != nil {
			return fmt.Errorf("the hub did not stop cleanly: %w", h.Err)
		}
		return nil
	case <-ctx.Done():
	}
	_ = h.cmd.Process.Kill()
	<-h.Exited
	if pm != 0 {
		_ = syscall.Kill(pm, syscall.SIGINT) // fast shutdown, see pg_ctl(1)
	}
	return fmt.Errorf("the hub did not stop within %s and was killed", stopWithin)
}

// postmaster is the process of the hub's database, 0 if there is none.
func (h *Hub) postmaster() int {
	b, err := os.ReadFile(filepath.Join(h.Dir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	pid, _ := strconv.Atoi(line)
	return pid
}

// freePort is a port that is free now for UDP and TCP both.
func freePort(ip netip.Addr) (uint16, error) {
	for {
		t, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
		if err != nil {
			return 0, err
		}
		at := t.Addr().(*net.TCPAddr).AddrPort()
		u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err == nil {
			return at.Port(), errors.Join(u.Close(), t.Close())
		}
		if err := t.Close(); err != nil {
			return 0, err
		}
	}
}
