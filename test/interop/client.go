package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

var refreshed sync.Once

// missing says why a client cannot be tried; "" if it can.
func (c client) missing(ctx context.Context, install bool) string {
	if _, err := exec.LookPath(c.program); err == nil {
		return ""
	}
	if !install {
		return fmt.Sprintf("%s is not installed: apt-get install --no-install-recommends %s", c.program, c.packages)
	}
	apt := func(args ...string) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		return cmd.Run()
	}
	refreshed.Do(func() { _ = apt("update", "-qq") })
	if err := apt(append([]string{"install", "-y", "-qq", "--no-install-recommends"}, c.packages...)...); err != nil {
		return fmt.Sprintf("%s cannot be installed: %v", c.packages, err)
	}
	if _, err := exec.LookPath(c.program); err != nil {
		return fmt.Sprintf("%s is not in %s", c.program, c.packages)
	}
	return ""
}

// process is a program that runs until the story ends.
type process struct {
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
	err    error
}

// begin starts a program whose output goes to a file of the story's.
func (y *yard) begin(name string, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), log: filepath.Join(y.hub.Dir, y.story+"."+name+".log"), exited: make(chan struct{})}
	return p, y.start(p)
}

// start begins a program; what it prints goes to out too, its complaints to its log.
func (y *yard) start(p *process, more ...io.Writer) error {
	out, err := os.Create(p.log)
	if err != nil {
		return err
	}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if len(more) > 0 {
		p.cmd.Stdout = io.MultiWriter(append(more, out)...)
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.cmd.Path, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		_ = out.Close()
		close(p.exited)
	}()
	y.processes = append(y.processes, p)
	return nil
}

// stop ends a program, and those it started.
func (p *process) stop() {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = syscall.Kill(-p.cmd.Process.Pid, sig)
		select {
		case <-p.exited:
			return
		case <-time.After(3 * time.Second):
		}
	}
}

// wait is until the program ends by itself.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.exited:
		if p.err != nil {
			return fmt.Errorf("%s: %w, see %s", filepath.Base(p.cmd.Path), p.err, p.log)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s does not end, see %s: %w", filepath.Base(p.cmd.Path), p.log, context.Cause(ctx))
	}
}
