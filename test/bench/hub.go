//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopWithin is how long the hub may take to end its calls and its database.
const stopWithin = 40 * time.Second

// hub is the child process that is measured.
type hub struct {
	cmd *exec.Cmd
	dir string
	log string
	sip netip.AddrPort

	exited chan struct{} // closed when the process has ended, err being how
	err    error
}

// startHub starts a hub in a folder of its own.
func startHub(binary string, document []byte) (*hub, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "callyard-bench-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // started by root, Postgres is another user
		return nil, err
	}
	setup, logged := filepath.Join(dir, "setup.json"), filepath.Join(dir, "hub.log")
	if err := os.WriteFile(setup, document, 0o644); err != nil {
		return nil, err
	}
	out, err := os.Create(logged)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	sip, web, err := freePorts()
	if err != nil {
		return nil, err
	}
	h := &hub{dir: dir, log: logged, sip: loopback(sip), exited: make(chan struct{})}
	h.cmd = exec.Command(binary, "serve", "--data-dir", dir, "--sip-listen", "udp:"+h.sip.String(),
		"--http-listen", loopback(web).String(), "--ops-listen", "", "--apply", setup)
	// Below the ports that the kernel gives out by itself, so that few are taken.
	h.cmd.Env = append(os.Environ(), "DATABASE_URL=", "CALLYARD_NODE=bench", "CALLYARD_WRAP_UP_S=0",
		"CALLYARD_RTP__PORT_MIN=12000", "CALLYARD_RTP__PORT_MAX=19999")
	h.cmd.Stdout, h.cmd.Stderr = out, out
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; we stop it in order
	if err := h.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the hub: %w", err)
	}
	go func() {
		h.err = h.cmd.Wait()
		close(h.exited)
	}()
	return h, nil
}

// stop asks the hub to end and waits for it. One that does not is killed, and
// the database with it.
func (h *hub) stop() error {
	select {
	case <-h.exited:
		return fmt.Errorf("the hub ended by itself: %w", h.err)
	default:
	}
	pm := h.postmaster()
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	select {
	case <-h.exited:
		if h.err != nil {
			return fmt.Errorf("the hub did not stop cleanly: %w", h.err)
		}
		return nil
	case <-ctx.Done():
	}
	_ = h.cmd.Process.Kill()
	<-h.exited
	if pm != 0 {
		_ = syscall.Kill(pm, syscall.SIGINT) // fast shutdown, see pg_ctl(1)
	}
	return fmt.Errorf("the hub did not stop within %s and was killed", stopWithin)
}

// postmaster is the process of the hub's database, 0 if there is none.
func (h *hub) postmaster() int {
	b, err := os.ReadFile(filepath.Join(h.dir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	pid, _ := strconv.Atoi(line)
	return pid
}

// freePorts are a UDP and a TCP port that are free now.
func freePorts() (udp, tcp int, err error) {
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, 0, err
	}
	t, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, 0, errors.Join(err, u.Close())
	}
	udp, tcp = int(u.LocalAddr().(*net.UDPAddr).AddrPort().Port()), int(t.Addr().(*net.TCPAddr).AddrPort().Port())
	return udp, tcp, errors.Join(u.Close(), t.Close())
}
