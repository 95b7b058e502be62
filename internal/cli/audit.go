package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

func (c *command) audit() *cobra.Command {
	q := map[string]*string{"actor": new(string), "action": new(string), "object": new(string), "name": new(string), "since": new(string), "until": new(string)}
	cmd := c.asking(&cobra.Command{
		Use: "audit", Short: "Who changed what of the configuration, the latest first", Args: exactly(),
		Example: `  callyard audit --object flow --name inbound-sales
  callyard audit --actor ana --since 2026-03-01T00:00:00Z -o json`,
	}, func(ctx context.Context, hub *client.Client, _ []string) error {
		v := url.Values{"limit": {"200"}}
		for k, s := range q {
			if *s != "" {
				v.Set(k, *s)
			}
		}
		type line struct {
			ID    string    `json:"id"`
			At    time.Time `json:"at"`
			Actor struct {
				Kind string `json:"kind"`
				ID   string `json:"id,omitempty"`
				Name string `json:"name,omitempty"`
			} `json:"actor"`
			Action    string `json:"action"`
			Object    string `json:"object"`
			Name      string `json:"name"`
			Before    any    `json:"before,omitempty"`
			After     any    `json:"after,omitempty"`
			IP        string `json:"ip,omitempty"`
			RequestID string `json:"request_id,omitempty"`
			Node      string `json:"node,omitempty"`
		}
		var list struct {
			Data []line  `json:"data"`
			Next *string `json:"next_cursor"`
		}
		if err := hub.Get(ctx, "/v1/audit_events?"+v.Encode(), &list); err != nil {
			return err
		}
		return c.print(list, func(w io.Writer) {
			_, _ = fmt.Fprintln(w, "AT\tWHO\tDID\tWHAT")
			for _, e := range list.Data {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s %s\n", e.At.Local().Format(time.DateTime), cmp.Or(e.Actor.Name, e.Actor.Kind), e.Action, e.Object, e.Name)
			}
		})
	})
	for _, f := range [][2]string{
		{"actor", "only what this key or user did: id or `name`"},
		{"action", "only this `action`: created, changed, deleted, published …"},
		{"object", "only this `kind` of object: flow, lot, queue …"},
		{"name", "only the object of this `name`"},
		{"since", "at or after this `time`, as 2026-03-01T00:00:00Z"},
		{"until", "before this `time`"},
	} {
		cmd.Flags().StringVar(q[f[0]], f[0], "", f[1])
	}
	return cmd
}
