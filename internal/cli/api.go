package cli

import (
	"cmp"
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/callyard/callyard/internal/client"
	"github.com/callyard/callyard/internal/demo"
)

// reach says which hub is asked.
type reach struct{ url, key string }

func (r *reach) flags(f *pflag.FlagSet) {
	f.StringVar(&r.url, "url", "", "`address` of the hub (also CALLYARD_URL; else the demo that runs here, else http://127.0.0.1:8080)")
	f.StringVar(&r.key, "key", "", "API `key` (also CALLYARD_KEY; else that of the demo)")
}

// client is a way to the hub. The demo's key is only for the demo's address.
func (r *reach) client() (*client.Client, error) {
	c := &client.Client{URL: cmp.Or(r.url, os.Getenv("CALLYARD_URL")), Key: cmp.Or(r.key, os.Getenv("CALLYARD_KEY"))}
	if c.URL != "" && c.Key != "" {
		return c, nil
	}
	s, err := demo.Running(defaultDemoDir())
	if err != nil && !errors.Is(err, demo.ErrNotRunning) {
		return nil, err
	}
	if c.URL == "" {
		c.URL = cmp.Or(s.URL, "http://127.0.0.1:8080")
	}
	if c.Key == "" && c.URL == s.URL {
		c.Key = s.Key
	}
	if c.Key == "" {
		return nil, errors.New("no API key: give one with --key or CALLYARD_KEY (a hub prints it at its first start)")
	}
	return c, nil
}

// asking is a command that asks the hub for something and shows it.
func (c *command) asking(cmd *cobra.Command, do func(ctx context.Context, hub *client.Client, args []string) error) *cobra.Command {
	var r reach
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		hub, err := r.client()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), 40*time.Second)
		defer cancel()
		return do(ctx, hub, args)
	}
	r.flags(cmd.Flags())
	return cmd
}
