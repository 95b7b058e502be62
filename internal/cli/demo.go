package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/demo"
	"github.com/callyard/callyard/internal/setup"
)

func (c *command) demo() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use: "demo", Short: "Run a hub with a demo set, on this machine only",
		Long: `Run a hub with four reps, a parking lot, a queue, a caller in the address book
and a flow that parks and escalates. It listens on 127.0.0.1 and keeps its data
in a folder of its own. The reps' passwords are known to everybody, so it
listens elsewhere only if --sip-listen says so.`,
		Example: `  callyard demo
  callyard demo --sip-listen 127.0.0.1:5070 --http-listen 127.0.0.1:8090
  callyard demo call                       in another window`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknown(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load(cmd, demoConfig())
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("data-dir") {
				cfg.DataDir = demoDir(cfg.DataDir)
			}
			if err := onlyHere(cmd, cfg); err != nil {
				return err
			}
			return c.runDemo(cmd.Context(), cfg)
		},
	}
	s.flags(cmd.Flags())
	cmd.AddCommand(c.demoCall())
	return cmd
}

// demoConfig is a hub that only this machine can reach.
func demoConfig() config.Config {
	cfg := config.Default()
	cfg.Node = "demo"
	cfg.SIP.Listen = []string{"udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"}
	cfg.HTTP.Listen, cfg.HTTP.Ops = "127.0.0.1:8080", ""
	cfg.Log.Level = "warn"
	cfg.WrapUpS = 5 // the next demo call should not have to wait for the reps
	return cfg
}

// demoDir is the demo's folder within the ordinary one.
func demoDir(dir string) string { return filepath.Join(dir, "demo") }

// onlyHere refuses to be reached from elsewhere unless a flag asks for it: the
// passwords are known.
func onlyHere(cmd *cobra.Command, cfg config.Config) error {
	for _, p := range wanted(cfg) {
		at, err := netip.ParseAddrPort(p.at)
		here := err == nil && at.Addr().IsLoopback() || strings.HasPrefix(p.at, "localhost:")
		if !here && !cmd.Flags().Changed(strings.TrimPrefix(p.flag, "--")) {
			return fmt.Errorf("the demo's passwords are known to everybody, and %s can be reached from elsewhere; if that is meant, say so with %s %s", p, p.flag, p.at)
		}
	}
	return nil
}

func (c *command) runDemo(ctx context.Context, cfg config.Config) error {
	set, err := demo.Set()
	if err != nil {
		return err
	}
	var state demo.State
	err = c.run(ctx, cfg, func(ctx context.Context, hub Hub) error {
		// Where a demo has run before, the embedded database is its own, whoever was added to it.
		if before, _ := demo.ReadState(cfg.DataDir); cfg.Database != "" || before.Key == "" {
			if err := ownDatabase(ctx, hub, set); err != nil {
				return err
			}
		}
		if _, err := hub.Setup(ctx, "demo", set); err != nil {
			return fmt.Errorf("demo set: %w", err)
		}
		s, err := demoState(ctx, hub, cfg.DataDir)
		if err != nil {
			return err
		}
		if err := s.Save(cfg.DataDir); err != nil {
			return err
		}
		state = s
		c.showDemo(hub, set, state, cfg)
		return nil
	})
	if state.PID != 0 {
		state.PID = 0 // the key is needed again
		err = errors.Join(err, state.Save(cfg.DataDir))
	}
	return err
}

// ownDatabase keeps the demo's known passwords out of somebody's real hub.
func ownDatabase(ctx context.Context, hub Hub, set setup.Document) error {
	names, err := hub.Agents(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(set.Agents, func(a setup.Agent) bool { return a.Name == name }) {
			return fmt.Errorf("the database has a rep %q who is not of the demo: the demo writes reps with known passwords, so give it a database of its own (unset DATABASE_URL, or another --data-dir)", name)
		}
	}
	return nil
}

// demoState is what others need to find this demo. The API key is told at the
// first start only, so it is kept from then on; a lost one is replaced.
func demoState(ctx context.Context, hub Hub, dir string) (demo.State, error) {
	at := hub.Addrs()
	s := demo.State{PID: os.Getpid(), URL: "http://" + at.HTTP, Key: hub.FirstKey(), SIP: udpAddr(at.SIP), Number: demo.Number}
	if s.Key != "" {
		return s, nil
	}
	before, err := demo.ReadState(dir)
	if err != nil && !errors.Is(err, demo.ErrNotRunning) {
		return s, err
	}
	if s.Key = before.Key; s.Key == "" {
		s.Key, err = hub.NewKey(ctx, "demo")
		return s, err
	}
	return s, nil
}

// udpAddr is where phones on this machine reach SIP over UDP.
func udpAddr(sip []string) string {
	for _, a := range sip {
		transport, addr, _ := strings.Cut(a, " ")
		if transport != "udp" {
			continue
		}
		if at, err := netip.ParseAddrPort(addr); err == nil && at.Addr().IsUnspecified() {
			return net.JoinHostPort("127.0.0.1", fmt.Sprint(at.Port()))
		}
		return addr
	}
	return ""
}

func (c *command) showDemo(hub Hub, set setup.Document, s demo.State, cfg config.Config) {
	if c.json() {
		_ = c.printJSON(s) // of strings and a number
		return
	}
	lot := set.Lots[0]
	c.printf("Callyard demo runs. Ctrl-C stops it.\n\n")
	c.printf("  Call it     %s demo call%s\n", c.Program, otherDir(cfg))
	c.printf("              in another window: a call is parked, retrieved, logged; also --let-it-escalate, --abandon-after 8s\n")
	c.printf("  Softphone   server %s, user and password:\n", strings.Join(hub.Addrs().SIP, " or "))
	for _, a := range set.Agents {
		c.printf("                %-5s %-10s extension %s\n", a.Name, a.Password, a.Extension)
	}
	c.printf("              dial %d to take the call in that slot (%d to %d), transfer to %s to park, %s to be a caller\n", lot.First, lot.First, lot.Last, lot.Extension, s.Number)
	c.printf("  Watch       %s parked --watch%s\n", c.Program, otherURL(cfg, s))
	c.printf("  REST API    curl -H 'Authorization: Bearer %s' %s/v1/parked_calls\n", s.Key, s.URL)
	c.printf("  Data        %s\n\n", cfg.DataDir)
	for _, p := range wanted(cfg) {
		if at, err := netip.ParseAddrPort(p.at); err == nil && !at.Addr().IsLoopback() {
			c.printf("  Careful: %s can be reached from elsewhere, and the passwords are known to everybody.\n\n", p)
		}
	}
}

// otherDir is the flag by which a demo in another folder is found.
func otherDir(cfg config.Config) string {
	if cfg.DataDir == defaultDemoDir() {
		return ""
	}
	return " --data-dir " + cfg.DataDir
}

// otherURL is the flags by which a demo in another folder is asked.
func otherURL(cfg config.Config, s demo.State) string {
	if cfg.DataDir == defaultDemoDir() {
		return ""
	}
	return " --url " + s.URL + " --key " + s.Key
}

// defaultDemoDir is the folder of a demo that was not told another.
func defaultDemoDir() string {
	base := config.Default().DataDir
	if d := os.Getenv("CALLYARD_DATA_DIR"); d != "" {
		base = d
	}
	return demoDir(base)
}
