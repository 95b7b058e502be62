// Package cli is the command tree of the callyard program: it reads flags, does
// one thing, prints what came of it, and says how to go on when it cannot.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/setup"
)

// Hub is a running node.
type Hub interface {
	Setup(ctx context.Context, from string, d setup.Document) ([]setup.Change, error)
	Agents(ctx context.Context) ([]string, error) // the names
	Addrs() Addrs
	FirstKey() string  // the API key made at the first start; "" later
	AdminLink() string // where the first admin chooses name and password; "" when there is one
	NewKey(ctx context.Context, name string) (string, error)
	Stop(ctx context.Context) error
}

// Addrs is where a node listens.
type Addrs struct {
	SIP  []string // "udp 127.0.0.1:5060"
	HTTP string   // "127.0.0.1:8080"
	Ops  string   // "" if switched off
}

// Options is what the commands are made of.
type Options struct {
	Version string
	Program string // as it was called, for hints
	Start   func(ctx context.Context, cfg config.Config, log *slog.Logger) (Hub, error)
	OpenAPI func() ([]byte, error)
	Out     io.Writer
	Err     io.Writer
}

// Exit codes.
const (
	OK      = 0
	Failure = 1
	Misuse  = 2

	Different = 2 // of apply --detailed-exitcode: there is something to change
)

// Run carries out a command line, without the program's name, and returns the
// exit code. The end of ctx is a wish to stop.
func Run(ctx context.Context, args []string, o Options) int {
	c := &command{Options: o}
	root := c.root() //nolint:contextcheck // commands take theirs from cobra, which is given ctx
	root.SetArgs(args)
	root.SetOut(o.Out)
	root.SetErr(o.Err)
	err := root.ExecuteContext(ctx)
	var misuse *usageError
	switch {
	case err == nil:
		return OK
	case errors.Is(err, errSaid):
		return Failure
	case errors.Is(err, errDifferent):
		return Different
	case errors.As(err, &misuse):
		_, _ = fmt.Fprintf(o.Err, "callyard: %v\nSee '%s --help'.\n", err, misuse.command)
		return Misuse
	}
	_, _ = fmt.Fprintf(o.Err, "callyard: %v\n", err)
	return Failure
}

// errDifferent ends a command that was asked to tell by its exit code whether
// there is something to change, as diff does.
var errDifferent = errors.New("there is something to change")

// errSaid ends a command that has printed itself what is wrong.
var errSaid = errors.New("said already")

// usageError is a command line that is not understood.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func misuse(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
}

// command is what all commands share.
type command struct {
	Options
	format  string // one of formats
	noColor bool
}

func (c *command) root() *cobra.Command {
	root := c.group(&cobra.Command{
		Use:   "callyard",
		Short: "Routes inbound sales calls: flows, parking, queues, and what became of every call",
		Long: `Callyard routes inbound sales calls: they run a call flow, wait in parking slots
with music, are taken by reps from their softphones, escalate while they wait,
and end up in the CRM.`,
		Example: `  callyard demo                       a hub with four reps, on this machine only
  callyard demo call                  a call to it: parked, retrieved, logged
  callyard doctor                     is this machine ready?
  callyard serve --apply setup.yaml   a hub of your own
  callyard parked --watch             who waits where`,
	}, c.serve(), c.demo(), c.apply(), c.export(), c.flow(), c.parked(), c.lots(), c.queues(), c.agents(), c.numbers(), c.calendar(), c.call(), c.events(), c.report(), c.contact(), c.callback(), c.trunk(), c.prompt(), c.voicemail(), c.user(), c.key(), c.audit(), c.webhook(), c.config(), c.migrate(), c.doctor(), c.openapi(), c.version())
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Version = c.Version
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{cmd.CommandPath(), err} })
	c.outputFlags(root)
	return root
}

// group is a command that has only subcommands.
func (c *command) group(cmd *cobra.Command, subs ...*cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return unknown(cmd, args[0])
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(subs...)
	return cmd
}

func unknown(cmd *cobra.Command, name string) error {
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		return misuse(cmd, "there is no command %q; did you mean %s?", name, strings.Join(near, " or "))
	}
	return misuse(cmd, "there is no command %q", name)
}

// exactly is cobra.ExactArgs with words for what is missing.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return misuse(cmd, "%s is missing", strings.Join(names[len(args):], " "))
		}
		if len(args) > len(names) {
			return misuse(cmd, "%q is too much", args[len(names)])
		}
		return nil
	}
}

func (c *command) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: exactly(), Example: "  callyard version -o json",
		RunE: func(*cobra.Command, []string) error {
			return c.print(map[string]string{"version": c.Version}, func(w io.Writer) { _, _ = fmt.Fprintf(w, "callyard %s\n", c.Version) })
		},
	}
}

func (c *command) openapi() *cobra.Command {
	return &cobra.Command{
		Use: "openapi", Short: "Print the REST API's OpenAPI 3.1 document", Args: exactly(), Example: "  callyard openapi > openapi.json",
		RunE: func(*cobra.Command, []string) error {
			doc, err := c.OpenAPI()
			if err != nil {
				return err
			}
			_, err = c.Out.Write(doc)
			return err
		},
	}
}
