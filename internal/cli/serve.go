package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/setup"
)

// stopTime is how long a node may take to end its calls and close its books.
const stopTime = 20 * time.Second

func (c *command) serve() *cobra.Command {
	var s settings
	var file string
	cmd := &cobra.Command{
		Use: "serve", Short: "Run a hub until it is told to stop", Args: exactly(),
		Long: `Run a hub. Without a database address it keeps an embedded Postgres in its data
folder. SIGINT or SIGTERM ends the calls and stops within 20 seconds; a second
one ends the process at once.

Everything can be set in a file, by CALLYARD_… variables (CALLYARD_HTTP__LISTEN
is http.listen) and by the flags below, the later winning.`,
		Example: `  callyard serve --apply setup.yaml
  callyard serve -c /etc/callyard.yaml --log-format json
  DATABASE_URL=postgres://callyard@db/callyard callyard serve --node node2 --sip-listen 192.0.2.10:5060`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load(cmd, config.Default())
			if err != nil {
				return err
			}
			var doc *setup.Document
			if file != "" { // a fault in it is told before anything is started
				if doc, err = readSetup(file); err != nil {
					return err
				}
			}
			return c.run(cmd.Context(), cfg, func(ctx context.Context, hub Hub) error {
				if doc != nil {
					changes, err := hub.Setup(ctx, file, *doc)
					if err != nil {
						return fmt.Errorf("%s: %w", file, err)
					}
					c.printf("%s: %s\n", file, summary(changes))
				}
				c.greet(hub)
				return nil
			})
		},
	}
	s.flags(cmd.Flags())
	cmd.Flags().StringVar(&file, "apply", "", "set-up `file` to apply once the hub runs")
	return cmd
}

// run starts a hub, lets ready say that it runs, waits for ctx and stops it.
func (c *command) run(ctx context.Context, cfg config.Config, ready func(context.Context, Hub) error) error {
	cfg.Version = c.Version
	if err := portsFree(ctx, cfg); err != nil {
		return err
	}
	hub, err := c.Start(ctx, cfg, logger(c.Err, cfg.Log))
	if err != nil {
		return err
	}
	if err = ready(ctx, hub); err == nil {
		<-ctx.Done()
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = nil // asked to stop while it was still starting
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	return errors.Join(err, hub.Stop(stop))
}

func (c *command) greet(hub Hub) {
	at := hub.Addrs()
	c.printf("Callyard %s runs.\n  SIP   %s\n  HTTP  http://%s/v1\n", c.Version, strings.Join(at.SIP, ", "), at.HTTP)
	if at.Ops != "" {
		c.printf("  Ops   http://%s/livez /readyz /metrics\n", at.Ops)
	}
	if link := hub.AdminLink(); link != "" {
		c.printf("  Admin %s   (choose a name and password; opens once, within a day)\n", link)
	}
	if key := hub.FirstKey(); key != "" {
		c.printf("  Key   %s   (of the REST API; shown only this once)\n", key)
	}
}

// readSetup reads a set-up file.
func readSetup(file string) (*setup.Document, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	d, err := setup.Read(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &d, nil
}

// summary counts changes: "3 created, 1 changed, 12 unchanged".
func summary(changes []setup.Change) string {
	count := map[string]int{}
	for _, ch := range changes {
		count[ch.Action]++
	}
	var parts []string
	for _, action := range []string{"created", "changed", "unchanged"} {
		if count[action] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[action], action))
		}
	}
	if len(parts) == 0 {
		return "nothing in it"
	}
	return strings.Join(parts, ", ")
}
